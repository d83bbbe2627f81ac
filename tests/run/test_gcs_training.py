"""Training with data and model_dir on gs://, through TensorFlow's unmodified client, with and without faults."""

from __future__ import annotations

import pathlib
import shutil
import signal
import time
from typing import NamedTuple

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import TINY_FLAGS, tiny_hparams, write_dataset
from tests.processes import run_module, start_module
from trainer import errors, generate
from trainer.machine.options import MachineOptions
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment
from trainer.storage import refusals


def upload(folder: str, gcs, name: str) -> str:
    """Copies a local folder into the test's bucket and returns its path there."""
    for path in pathlib.Path(folder).rglob('*'):
        if path.is_file():
            gcs.server.put(f'{gcs.bucket}/{name}/{path.relative_to(folder)}', path.read_bytes())
    return f'{gcs.bucket}/{name}'


def train(data: str, model_dir: str, keep_checkpoints: int = 3, eval_steps: int = 0, **changes) -> int:
    every = dict(sample_steps=2, save_steps=2, eval_steps=eval_steps, log_steps=1)
    few = dict(sample_count=4, eval_samples=16, extractor='pixels')
    options = RunOptions(model_dir, keep_checkpoints=keep_checkpoints, **few, **every)
    return experiment.run(tiny_hparams(**changes), DataOptions(train_data=data), options, MachineOptions())


def weights(model_dir: str) -> dict[str, np.ndarray]:
    """All variables of the newest checkpoint."""
    reader = tf.train.load_checkpoint(tf.train.latest_checkpoint(model_dir))
    return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}


class Local(NamedTuple):
    """What the same runs leave behind on disk: a data set, a run of two steps, and the weights after two more."""

    data: str
    begun: str
    weights: dict[str, np.ndarray]


@pytest.fixture(scope='module')
def local(tmp_path_factory) -> Local:
    folder = tmp_path_factory.mktemp('local')
    data, begun, run = write_dataset(folder / 'data'), str(folder / 'begun'), str(folder / 'run')
    train(data, begun, train_steps=2)
    shutil.copytree(begun, run)
    train(data, run, train_steps=4)
    return Local(data, begun, weights(run))


def assert_equal(found: dict[str, np.ndarray], expected: dict[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        np.testing.assert_array_equal(found[name], value, err_msg=name)


def test_a_run_in_a_bucket_is_the_run_on_disk(gcs, local):
    data, model_dir = upload(local.data, gcs, 'data'), f'{gcs.bucket}/run'
    assert train(data, model_dir, train_steps=2, eval_steps=2) == 0
    assert train(data, model_dir, train_steps=4, eval_steps=2) == 0
    assert_equal(weights(model_dir), local.weights)
    made = {path.removeprefix(f'{model_dir}/') for path in gcs.server.paths(model_dir)}
    assert {
        'hparams.json', 'samples/real.png', 'samples/step_000002.png', 'samples/step_000004.png',
        'samples/progress.gif', 'saved_model/saved_model.pb', 'samples/metrics.png', 'metrics.csv', 'best/best.json',
    } <= made  # fmt: skip
    assert not [name for name in made if '.preflight' in name or '.tmp' in name or name == 'lock.json']
    best = {'model_dir': model_dir, 'checkpoint': 'best'}
    for source in (best, {'model_dir': model_dir, 'checkpoint': 'last'}, {'saved_model': f'{model_dir}/saved_model'}):
        options = generate.GenerateOptions(**source, output_dir=f'{gcs.bucket}/generated', count=4)
        assert generate.generate(generate.load(options), options) == [f'{gcs.bucket}/generated/grid.png']
    assert gcs.server.get(f'{gcs.bucket}/generated/grid.png').startswith(b'\x89PNG')


@pytest.mark.parametrize('kinds', [(503, 'truncate', 429, 'reset'), ('stall',)], ids=str)
def test_faults_of_each_transfer_lose_nothing(kinds, gcs, local):
    """Faults, one after the other, in reading the data, reading the checkpoint to resume, and writing the next one."""
    data, model_dir = upload(local.data, gcs, 'data'), upload(local.begun, gcs, 'run')
    transfers = {
        'GET': (r'data/train-.*tfrecord$', r'model\.ckpt-2\.data-[0-9a-z-]*$'),
        'PUT': (r'model\.ckpt-4.*\.data-',),
    }
    faults = [
        gcs.server.fault(kind, method=method, match=match)
        for method, matches in transfers.items()
        for match in matches
        for kind in kinds
    ]
    train(data, model_dir, train_steps=4)
    assert [fault.hits for fault in faults] == [1] * 3 * len(kinds)
    assert_equal(weights(model_dir), local.weights)


def test_a_restart_uploads_no_checkpoint_that_it_has_just_read(gcs, local):
    """At 128 px the upload would take 438 MB, before the first step and again after each evaluation."""
    data, model_dir = upload(local.data, gcs, 'data'), upload(local.begun, gcs, 'run')
    train(data, model_dir, train_steps=6, keep_checkpoints=2, eval_steps=2)
    sent = [request.path for request in gcs.server.requests if request.method == 'PUT']
    for step, times in ((2, 0), (4, 1), (6, 1)):
        assert sum(f'model.ckpt-{step}_temp' in path and '.data-' in path for path in sent) == times
    left = [path for path in gcs.server.paths(f'{model_dir}/model.ckpt-') if path.endswith('.index')]
    assert [path.rpartition('-')[2] for path in left] == ['4.index', '6.index']  # The old ones are deleted as usual.


def test_a_checkpoint_cut_short_falls_back_to_the_one_before(gcs, local, caplog):
    data, model_dir = upload(local.data, gcs, 'data'), upload(local.begun, gcs, 'run')
    path = f'{model_dir}/model.ckpt-2.data-00000-of-00001'
    gcs.server.put(path, gcs.server.get(path)[:1000])
    assert train(data, model_dir, train_steps=4) == 0
    assert 'falling back to the checkpoint before it' in caplog.text
    assert_equal(weights(model_dir), local.weights)  # The later steps are repeated, on the same images.


def test_sigterm_before_the_first_step_gives_the_lock_back(gcs, local, tmp_path):
    data, model_dir = upload(local.data, gcs, 'data'), f'{gcs.bucket}/run'
    reading = gcs.server.fault('stall', method='GET', match=r'data/train-.*tfrecord$', after=1)  # After preflight.
    flags = (*TINY_FLAGS, f'--train_data={data}', f'--model_dir={model_dir}')
    with start_module('trainer.task', *flags, cwd=tmp_path) as process:
        deadline = time.monotonic() + 60
        while not reading.hits and time.monotonic() < deadline:
            time.sleep(0.1)
        assert f'{model_dir}/lock.json' in gcs.server.paths(model_dir)
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(60) == 143 and 'Traceback' not in log, log
    assert gcs.server.paths(f'{model_dir}/lock') == []


def test_storage_that_stays_away_ends_the_run_in_one_line(gcs, local, tmp_path):
    """And loses nothing: a checkpoint that cannot be read now is not taken for a damaged one."""
    data, model_dir = upload(local.data, gcs, 'data'), upload(local.begun, gcs, 'run')
    before = gcs.server.paths(f'{gcs.bucket}/run/model')
    for match, named in ((r'ckpt-2\.data-[0-9a-z-]*$', 'run/model.ckpt-2'), (r'data/train-', 'data')):
        gcs.server.fault(503, method='GET', match=match, times=None)
        began = time.monotonic()
        flags = (*TINY_FLAGS, f'--train_data={data}', f'--model_dir={model_dir}', '--train_steps=4')
        ended = run_module('trainer.task', *flags, cwd=tmp_path)
        assert ended.returncode == errors.Transient.exit_code, ended.stderr
        last = ended.stderr.splitlines()[-1]
        assert last.startswith(f'error: {gcs.bucket}/{named}') and '503' in last and 'same command again' in last
        assert 'Traceback' not in ended.stderr
        assert time.monotonic() - began < 60
        gcs.server.clear_faults()
    assert set(before) <= set(gcs.server.paths(f'{gcs.bucket}/run/model'))


def test_a_checkpoint_that_cannot_be_written_ends_the_run(gcs, local, tmp_path):
    data, model_dir = upload(local.data, gcs, 'data'), upload(local.begun, gcs, 'run')
    gcs.server.fault(503, match=r'model\.ckpt-4', times=None)
    with pytest.raises(tf.errors.OpError) as raised:
        train(data, model_dir, train_steps=4)
    assert isinstance(refusals.explain(raised.value), errors.Transient)
    gcs.server.clear_faults()
    assert train(data, model_dir, train_steps=4) == 0
    assert_equal(weights(model_dir), local.weights)
