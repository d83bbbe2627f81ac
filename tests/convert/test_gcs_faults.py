"""The converter and the inspector on gs:// when Cloud Storage fails, refuses, and loses or damages data."""
# ruff: noqa: F811  Tests take imported fixtures as parameters.

from __future__ import annotations

import io
import time

import pytest
import requests
import urllib3

from convert.inspect_tfrecords import InspectOptions, inspect
from convert.listing import objects, sources
from tests.convert.test_gcs import (  # noqa: F401  Fixtures among them.
    DOWNLOADS,
    UPLOADS,
    assert_same,
    bucket,
    downloads,
    local,
    names_in,
    photos,
    run,
    uploads,
)
from tests.fakes.cloud.faults import IDENTITY
from tests.processes import run_module
from trainer import errors
from trainer.data import manifest


def tampered(monkeypatch, method: str, path: str, times: int = 10**9) -> None:
    """Flips one bit of what is sent in either direction, up to `times` times; lengths and checksums stay."""
    send, left = requests.adapters.HTTPAdapter.send, [times]

    def flipped(data: bytes) -> bytes:
        at = len(data) - 60  # In an upload: behind the checksum and before the last boundary.
        return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]

    def spoil(self, request, **options):
        hit = request.method == method and path in request.url and left[0] > 0
        if hit and request.body:
            hit = len(request.body) > 5000  # The marker is small.
        left[0] -= hit
        if hit and request.body:
            request.body = flipped(request.body)
        response = send(self, request, **options)
        if hit and not request.body:
            body = io.BytesIO(flipped(response.raw.read()))
            response.raw = urllib3.HTTPResponse(body, response.headers, response.status_code, preload_content=False)
        return response

    monkeypatch.setattr(requests.adapters.HTTPAdapter, 'send', spoil)


@pytest.mark.parametrize('kind', [503, 429, 'reset', 'truncate', 'stall', 'lost'])
def test_passing_trouble_changes_nothing(gcs, bucket, local, kind):
    faults = [gcs.server.fault(kind, match=DOWNLOADS, after=20, times=2)]
    faults += [gcs.server.fault(kind, method='GET', match='prefix=in/'), gcs.server.fault(kind, match=UPLOADS, after=2)]
    faults += [gcs.server.fault(kind, method='DELETE')]
    run(f'{bucket}/in', f'{bucket}/out')
    assert all(fault.hits for fault in faults)
    assert_same(gcs, f'{bucket}/out', local)


@pytest.mark.parametrize('kind', [503, 'reset', 'lost'])
def test_a_large_file_goes_up_in_parts_that_are_repeated(gcs, bucket, tmp_path, monkeypatch, kind):
    monkeypatch.setattr(objects, '_CHUNK_BYTES', 4 << 20)
    (tmp_path / 'large').write_bytes(bytes(range(256)) * (9 << 12))  # 9 MiB
    faults = [gcs.server.fault(kind, method='PUT', after=after) for after in (0, 2)]
    objects.upload(str(tmp_path / 'large'), f'{bucket}/large')
    assert all(fault.hits for fault in faults)
    assert gcs.server.get(f'{bucket}/large') == (tmp_path / 'large').read_bytes()


@pytest.mark.parametrize('match', ['prefix=in/', DOWNLOADS])
def test_lasting_trouble_ends_soon_and_spares_the_old_data_set(gcs, bucket, local, match):
    run(f'{bucket}/in', f'{bucket}/out')
    gcs.server.fault(503, match=match, times=None)
    began = time.monotonic()
    with pytest.raises(errors.Transient, match=f'^{bucket}/in.* Cloud Storage failed'):
        run(f'{bucket}/in', f'{bucket}/out', overwrite=True, channels=1)
    assert time.monotonic() - began < 5
    gcs.server.clear_faults()
    if '.converting' in names_in(gcs, f'{bucket}/out'):
        gcs.server.remove(f'{bucket}/out/.converting')
    assert_same(gcs, f'{bucket}/out', local)


def test_a_damaged_download_is_repeated_and_never_used(gcs, bucket, photos, monkeypatch):
    listing = sources.find(f'{bucket}/in', '/nowhere')
    with monkeypatch.context() as patch:
        tampered(patch, 'GET', DOWNLOADS, times=1)
        with listing.open('copy.png') as file:
            assert file.read() == (photos / 'copy.png').read_bytes()
    assert len(downloads(gcs)) == 2
    tampered(monkeypatch, 'GET', DOWNLOADS)
    with pytest.raises(errors.Transient, match='Checksum mismatch'):
        listing.open('copy.png')


def test_a_damaged_upload_makes_no_data_set(gcs, bucket, photos, monkeypatch):
    tampered(monkeypatch, 'POST', UPLOADS)
    with pytest.raises(errors.Transient, match=f'^{bucket}/out/.* after the upload, but .* on disk'):
        run(photos, f'{bucket}/out')
    assert manifest.FILE_NAME not in names_in(gcs, f'{bucket}/out')


@pytest.mark.parametrize(
    ('match', 'role'),
    [
        ('prefix=in/', 'objectViewer'),
        (DOWNLOADS, 'objectViewer'),
        ('prefix=out/', 'objectAdmin'),
        (UPLOADS, 'objectAdmin'),
    ],
)
def test_a_refusal_names_bucket_account_role_and_command(gcs, bucket, match, role):
    gcs.server.fault(403, match=match, times=None)
    with pytest.raises(errors.AccessDenied) as caught:
        run(f'{bucket}/in', f'{bucket}/out')
    name = bucket[len('gs://') :]
    assert f'{IDENTITY} may not do this in bucket {name} (lacks roles/storage.{role})' in str(caught.value)
    assert f'add-iam-policy-binding {bucket} --member=serviceAccount:{IDENTITY} --role=roles/storage.{role}' in str(
        caught.value
    )
    if match == UPLOADS:
        assert not downloads(gcs)  # Refused before the work.


def test_the_right_to_create_alone_is_refused_before_the_work(gcs, bucket):
    gcs.server.fault(403, match=UPLOADS, after=1, times=None)
    with pytest.raises(errors.AccessDenied, match='lacks roles/storage.objectAdmin'):
        run(f'{bucket}/in', f'{bucket}/out')
    assert not downloads(gcs)


def test_a_bucket_that_is_not_there_is_one_line_and_an_exit_code(bucket, photos, tmp_path):
    with pytest.raises(errors.AccessDenied, match='^gs://no-such-bucket/in: there is no bucket no-such-bucket, or '):
        run('gs://no-such-bucket/in', tmp_path / 'out')
    flags = [f'--input_dir={photos}', '--output_dir=gs://no-such-bucket/out']
    ended = run_module('convert.images_to_tfrecords', *flags, cwd=tmp_path)
    assert ended.returncode == errors.AccessDenied.exit_code, ended.stderr
    assert ended.stderr.splitlines()[-1].startswith('error: gs://no-such-bucket/out: there is no bucket no-such-bucket')
    assert 'Traceback' not in ended.stderr
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('finished', [0, 2, 4])
def test_an_upload_that_broke_off_goes_on_where_it_was(gcs, bucket, local, photos, finished):
    gcs.server.fault(503, match=UPLOADS, after=3 + finished, times=None)  # First the lock, and the marker twice.
    with pytest.raises(errors.Transient, match=f'^{bucket}/out/'):
        run(photos, f'{bucket}/out')
    left = names_in(gcs, f'{bucket}/out')
    assert '.converting' in left
    assert manifest.FILE_NAME not in left
    assert len(left) == 1 + finished
    gcs.server.clear_faults()
    gcs.server.clear_requests()
    run(photos, f'{bucket}/out')
    assert len(uploads(gcs)) == 3 + len(names_in(gcs, f'{bucket}/out')) - finished
    assert_same(gcs, f'{bucket}/out', local)


def test_a_marker_that_cannot_be_removed_is_no_error(gcs, bucket, local, photos, caplog):
    gcs.server.fault(503, method='DELETE', match='converting', times=None)
    run(photos, f'{bucket}/out')
    assert f'{bucket}/out/.converting stays' in caplog.text
    gcs.server.clear_faults()
    with pytest.raises(errors.UserError, match='already holds dataset.json'):
        run(photos, f'{bucket}/out')
    run(photos, f'{bucket}/out', overwrite=True)
    assert_same(gcs, f'{bucket}/out', local)


def test_the_inspector_ends_in_one_line(gcs, bucket, tmp_path):
    with pytest.raises(errors.DataError, match=f'^{bucket}/in has no dataset.json'):
        inspect([f'{bucket}/in'], InspectOptions())
    gcs.server.fault(403, match='/in', times=None)
    ended = run_module('convert.inspect_tfrecords', f'{bucket}/in', cwd=tmp_path)
    assert (ended.returncode, 'Traceback' in ended.stderr) == (errors.AccessDenied.exit_code, False), ended.stderr
    assert 'lacks roles/storage.objectViewer' in ended.stderr.splitlines()[-1]
