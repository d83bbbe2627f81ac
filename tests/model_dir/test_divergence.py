"""What a run does after a NaN or infinite value: it goes back to a checkpoint once, then it ends."""

from __future__ import annotations

import json
import logging
import pathlib
import re

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import tiny_hparams
from trainer import errors
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints, divergence
from trainer.monitoring.history import History
from trainer.monitoring.monitor import Monitor
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment, progress, training


def run(data: str, model_dir: pathlib.Path, sample_steps: int = 2, **changes) -> int:
    options = RunOptions(
        str(model_dir), sample_steps=sample_steps, save_steps=sample_steps, eval_steps=0, log_steps=1, sample_count=4
    )
    hparams = tiny_hparams(ema_half_life_kimg=0.0, **changes)  # Quick to build.
    return experiment.run(hparams, DataOptions(train_data=data), options, MachineOptions())


@pytest.fixture
def seeds(monkeypatch) -> list[int]:
    """The seeds that a run trains with, one after the other."""
    seen, make = [], training.make_estimator

    def noting(hparams, *rest):
        seen.append(hparams.seed)
        return make(hparams, *rest)

    monkeypatch.setattr(training, 'make_estimator', noting)
    return seen


def seed_on_record(model_dir: pathlib.Path) -> int:
    return json.loads((model_dir / 'hparams.json').read_text())['seed']


def test_a_run_that_diverges_twice_ends_with_its_last_good_checkpoint(seeds, dataset32, tmp_path, monkeypatch, caplog):
    """The second time the hook sees no loss, as on a TPU, and Estimator itself finds the NaN."""
    check = progress._check_finite
    monkeypatch.setattr(progress, '_check_finite', lambda *values: check(*values) if seeds == [5] else None)
    with pytest.raises(errors.TrainingDiverged, match=r'^the loss is nan at step \d, also with another seed') as end:
        run(dataset32, tmp_path / 'run', 20, train_steps=20, learning_rate=1e38, seed=5)
    assert (end.value.exit_code, '\n' in str(end.value)) == (3, False)
    assert len(re.findall(r'loss is (nan|inf) at step \d: going back to step 0 once', caplog.text)) == 1
    assert (seeds, seed_on_record(tmp_path / 'run')) == ([5, 6], 5)
    assert (tmp_path / 'run' / 'metrics.csv').read_text().rstrip().endswith('diverged')
    reader = tf.train.load_checkpoint(checkpoints.recover(str(tmp_path / 'run')))
    assert all(np.isfinite(reader.get_tensor(name)).all() for name in reader.get_variable_to_shape_map())


def test_a_run_that_diverges_once_goes_back_to_a_whole_checkpoint_and_on(
    seeds, dataset32, tmp_path, monkeypatch, caplog
):
    """Checkpoints at steps 2 and 4; then a weight becomes NaN, and the checkpoint of step 4 is truncated."""
    model_dir, left = tmp_path / 'run', []

    class Breaking(checkpoints.ResumeHook):
        def begin(self):
            super().begin()
            kernel = v1.trainable_variables('discriminator/')[0]
            self._broken, self._step = kernel.assign(kernel * np.nan), v1.train.get_global_step()

        def before_run(self, run_context):
            if seeds == [0] and run_context.session.run(self._step) == 4:
                run_context.session.run(self._broken)
                newest = model_dir / 'model.ckpt-4.data-00000-of-00001'
                newest.write_bytes(newest.read_bytes()[:1000])

    def go_back(monitor, step):
        forget(monitor, step)
        left.append([point.step for point in monitor.record._history.points])

    forget = Monitor.go_back
    monkeypatch.setattr(Monitor, 'go_back', go_back)
    monkeypatch.setattr(checkpoints, 'ResumeHook', Breaking)
    caplog.set_level(logging.INFO, 'absl')
    assert run(dataset32, model_dir, train_steps=6) == 0
    assert 'loss is nan at step 5: going back to step 2 once' in caplog.text
    assert (seeds, seed_on_record(model_dir)) == ([0, 1], 0)
    assert left == [[0, 2]]
    assert [point.step for point in History(str(model_dir), 6).points] == [0, 2, 4, 6]
    assert caplog.text.count('samples/step_000004.png') == 2, 'it is drawn anew'
    assert checkpoints.step_of(checkpoints.newest_whole(str(model_dir))) == 6


def test_without_a_checkpoint_there_is_nothing_to_go_back_to(tmp_path):
    error = divergence.NotFinite('generator_loss is nan', 1)
    with pytest.raises(divergence.NotFinite, match='^generator_loss is nan at step 1; .*lower --learning_rate'):
        divergence.go_back(str(tmp_path), error)
