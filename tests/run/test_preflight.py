"""The check before training: it reports in seconds, with the fix, what would end a cloud job after an hour."""

from __future__ import annotations

import logging
import os
import pathlib

import pytest

from tests.conftest import write_dataset
from tests.fakes.cloud.faults import IDENTITY
from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS
from tests.processes import run_module
from trainer import errors
from trainer.options import RunOptions
from trainer.run import preflight

pytestmark = LEAVES_CONNECTIONS


@pytest.fixture
def data(gcs, tmp_path) -> str:
    """A data set in the test's bucket."""
    for path in pathlib.Path(write_dataset(tmp_path / 'data')).iterdir():
        gcs.server.put(f'{gcs.bucket}/data/{path.name}', path.read_bytes())
    gcs.server.clear_requests()
    return f'{gcs.bucket}/data'


def refusal(data: str, options: RunOptions, kind: type[errors.UserError]) -> str:
    with pytest.raises(kind) as raised:
        preflight.check([data], options)
    assert '\n' not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize('form', ['{}', '{}/', '{}/train-*.tfrecord', '{}/train-00000-of-00002.tfrecord'])
def test_good_folders_pass_and_are_left_as_they_were(form, gcs, data):
    before = gcs.server.paths(gcs.bucket + '/')
    preflight.check([form.format(data)], RunOptions(f'{gcs.bucket}/run', region='us-central1'))
    assert [path for path in gcs.server.paths(gcs.bucket + '/') if not path.endswith('/')] == before
    assert len(gcs.server.requests) < 40


def test_local_folders_pass(dataset32, tmp_path):
    preflight.check([dataset32, ''], RunOptions(str(tmp_path / 'run'), region='us-central1'))
    assert os.listdir(tmp_path / 'run') == []


def test_a_local_folder_that_cannot_be_written(dataset32, tmp_path):
    (tmp_path / 'file').write_text('')
    message = refusal(dataset32, RunOptions(str(tmp_path / 'file' / 'run')), errors.UserError)
    assert 'cannot be written' in message


def test_the_folder_of_compiled_programs_is_checked_too(dataset32, tmp_path):
    run = RunOptions(str(tmp_path / 'run'))
    preflight.check([dataset32], run, str(tmp_path / 'compiled'))
    assert os.listdir(tmp_path / 'compiled') == []
    (tmp_path / 'file').write_text('')
    with pytest.raises(errors.UserError, match=r'--compile_cache_dir=.*file/compiled'):
        preflight.check([dataset32], run, str(tmp_path / 'file' / 'compiled'))


@pytest.mark.parametrize('status', [401, 403])
@pytest.mark.parametrize(
    'method, path, role',
    [('GET', r'/o\?.*prefix=data|/o/data|/data/', 'roles/storage.objectViewer'),
     ('POST', 'run', 'roles/storage.objectAdmin')],
)  # fmt: skip
def test_a_refusal_names_bucket_account_role_and_command(method, path, role, status, gcs, data):
    gcs.server.fault(status, method=method, match=path, times=None)
    message = refusal(data, RunOptions(f'{gcs.bucket}/run'), errors.AccessDenied)
    bucket = gcs.bucket.removeprefix('gs://')
    assert f'bucket {bucket}' in message and IDENTITY in message and f'lacks {role}' in message
    command = 'gcloud storage buckets add-iam-policy-binding'
    assert f'{command} {gcs.bucket} --member=serviceAccount:{IDENTITY} --role={role}' in message


def test_a_bucket_that_is_not_there(gcs, data):
    for place in (refusal('gs://no-such-bucket/data', RunOptions(f'{gcs.bucket}/run'), errors.AccessDenied),
                  refusal(data, RunOptions('gs://no-such-bucket/run'), errors.AccessDenied)):  # fmt: skip
        assert 'there is no bucket no-such-bucket' in place and IDENTITY in place
        assert 'gcloud storage buckets create gs://no-such-bucket' in place and 'roles/storage.object' in place


def test_data_that_is_not_there(gcs, data):
    assert 'matches no file' in refusal(f'{gcs.bucket}/dta', RunOptions(f'{gcs.bucket}/run'), errors.DataError)
    assert 'matches no file' in refusal(f'{data}/x*', RunOptions(f'{gcs.bucket}/run'), errors.DataError)


def test_a_bucket_in_another_region_is_refused_unless_asked_for(gcs, data):
    gcs.server.create_bucket('bucket-in-iowa', 'US-CENTRAL1')
    options = RunOptions('gs://bucket-in-iowa/run', region='europe-west4')
    message = refusal('', options, errors.UserError)
    assert 'is in us-central1, this runs in europe-west4' in message and '--region=us-central1' in message
    preflight.check([''], RunOptions('gs://bucket-in-iowa/run'))


def test_a_multi_region_is_warned_of(gcs, caplog):
    gcs.server.create_bucket('bucket-in-many', 'US')
    preflight.check([''], RunOptions('gs://bucket-in-many/run', region='us-central1'))
    assert 'bucket-in-many is US (multi-region)' in caplog.text


def test_an_account_that_may_not_ask_for_the_region_trains_all_the_same(gcs, data, caplog):
    gcs.server.fault(403, match=r'^/storage/v1/b/[\w-]+\?', times=None)
    preflight.check([data], RunOptions(f'{gcs.bucket}/run', region='europe-west4'))
    assert 'roles/storage.legacyBucketReader' in caplog.text


def test_the_flag_checks_and_stops(gcs, data, tmp_path):
    flags = ('--preflight_only', f'--train_data={data}', f'--model_dir={gcs.bucket}/run')
    ended = run_module('trainer.task', *flags, cwd=tmp_path)
    assert (ended.returncode, 'preflight: ' in ended.stderr) == (0, True), ended.stderr
    gcs.server.fault(403, method='POST', match='run', times=None)
    ended = run_module('trainer.task', *flags, cwd=tmp_path)
    assert ended.returncode == errors.AccessDenied.exit_code
    assert ended.stderr.splitlines()[-1].startswith(f'error: {gcs.bucket}/run: {IDENTITY} may not do this')
    assert 'Traceback' not in ended.stderr


def test_without_credentials_the_remedy_is_to_log_in(gcs, data, monkeypatch, tmp_path):
    monkeypatch.setenv('GOOGLE_APPLICATION_CREDENTIALS', str(tmp_path / 'nowhere.json'))
    monkeypatch.delenv('GOOGLE_AUTH_TOKEN_FOR_TESTING')
    ended = run_module(
        'trainer.task', '--preflight_only', f'--train_data={data}', f'--model_dir={gcs.bucket}/run', cwd=tmp_path
    )
    assert ended.returncode == errors.AccessDenied.exit_code, ended.stderr
    assert 'gcloud auth application-default login' in ended.stderr.splitlines()[-1]


def test_what_is_checked_is_logged(gcs, data, caplog):
    caplog.set_level(logging.INFO, 'absl')
    preflight.check([data], RunOptions(f'{gcs.bucket}/run'))
    assert f'{data} can be read' in caplog.text and f'{gcs.bucket}/run written' in caplog.text
