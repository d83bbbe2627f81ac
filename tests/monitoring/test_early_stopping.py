"""Early stopping of a run whose pictures have not become better for several evaluations."""

from __future__ import annotations

import dataclasses
import json
import logging
import os
import pathlib

import pytest

from tests.conftest import tiny_hparams, write_dataset
from trainer.generator import saved_model
from trainer.machine.options import MachineOptions
from trainer.metrics.kid import Kid
from trainer.model_dir import checkpoints, hparams_file
from trainer.monitoring import early_stopping, tuning
from trainer.monitoring.history import History, Point
from trainer.monitoring.monitor import Monitor
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment

KIDS = {1: 1.0, 2: 1.5, 3: 0.5}  # By step.


def run(data: str, model_dir: pathlib.Path, **changes) -> int:
    """Trains for at most 3 steps, with an evaluation after each, and returns at which one it ended."""
    options = RunOptions(
        str(model_dir), sample_steps=3, save_steps=1, eval_steps=1, log_steps=1, sample_count=4, eval_samples=16,
        **{'extractor': 'pixels', 'stop_after_evals_without_best': 1, **changes},
    )  # fmt: skip
    hparams = tiny_hparams(train_steps=3, ema_half_life_kimg=0.0)  # Quick to build.
    assert experiment.run(hparams, DataOptions(train_data=data), options, MachineOptions()) == 0
    return checkpoints.step_of(checkpoints.newest_whole(str(model_dir)))


@pytest.fixture
def reported(monkeypatch) -> list[tuple[int, float]]:
    """Replaces each measured KID by that of KIDS; returns the step and KID of each report to a tuning service."""
    told: list[tuple[int, float]] = []
    evaluate = Monitor.evaluate

    def scripted(monitor, checkpoint, *rest):
        kid = Kid(KIDS[checkpoints.step_of(checkpoint)], 0.01, 16)
        monkeypatch.setattr(monitor._by_features, 'kid', lambda *_: (kid, 0.1))
        return evaluate(monitor, checkpoint, *rest)

    monkeypatch.setattr(Monitor, 'evaluate', scripted)
    monkeypatch.setattr(tuning, 'report', lambda metric, found: told.append((found['global_step'], found[metric])))
    return told


def test_a_run_ends_well_and_goes_on_when_it_is_told_to(reported, tmp_path, monkeypatch, caplog):
    data, model_dir, exported = write_dataset(tmp_path / 'data', holdout=0), tmp_path / 'run', []
    monkeypatch.setattr(saved_model, 'export', lambda hparams, checkpoint, *_: exported.append(checkpoint))
    caplog.set_level(logging.INFO, 'absl')
    assert run(data, model_dir) == 2
    assert 'ended at step 2: 1 evaluations in a row were no better than that of step 1, KID 1.0000' in caplog.text
    assert 'to go on, give --stop_after_evals_without_best=0, or more than 1' in caplog.text
    assert f'pictures: {model_dir}/samples/step_000000.png' in caplog.text, 'there is none of the last step'
    assert exported == [checkpoints.path(str(model_dir), 2)]
    assert {'metrics.png', 'progress.gif'} <= set(os.listdir(model_dir / 'samples'))

    for changes in ({}, {'hptuning_metric': 'kid'}):  # A trial that is restarted reports again.
        caplog.clear()
        assert run(data, model_dir, **changes) == 2
        assert f'{model_dir} ended at step 2' in caplog.text
        assert ' | ' not in caplog.text
        assert reported == ([(2, 1.5)] if changes else [])

    assert run(data, model_dir, stop_after_evals_without_best=0) == 3


@pytest.fixture
def evaluated(tmp_path) -> RunOptions:
    """Options of a run whose best of four evaluations was the second."""
    history = History(str(tmp_path))
    for step, kid in ((0, None), (100, 2.0), (150, None), (200, 1.0), (300, 1.0), (400, 1.5)):
        history.add(step, kid=kid)
    history.write()
    os.makedirs(tmp_path / 'best')
    (tmp_path / 'best' / 'best.json').write_text(json.dumps({'step': 200, 'kid': 1.0, 'extractor': 'pixels'}))
    return RunOptions(str(tmp_path), extractor='pixels')


@pytest.mark.parametrize(
    ('changes', 'step', 'ends'),
    [
        ({'stop_after_evals_without_best': 2}, 400, True),
        ({'stop_after_evals_without_best': 1}, 400, True),
        ({'stop_after_evals_without_best': 3}, 400, False),
        ({'stop_after_evals_without_best': 0}, 400, False),
        ({'stop_after_evals_without_best': 2}, 399, False),  # The last evaluation was of a checkpoint that is lost.
        ({'stop_after_evals_without_best': 1, 'extractor': ''}, 400, False),
        ({'stop_after_evals_without_best': 1, 'extractor': 'squeezenet'}, 400, False),  # Its KIDs have another scale.
    ],
)
def test_what_is_in_the_folder_decides(evaluated, changes, step, ends):
    options = RunOptions(evaluated.model_dir, **{'extractor': 'pixels', **changes})
    assert bool(early_stopping.reason_to_end(options, step)) == ends


@pytest.mark.parametrize(
    ('augment', 'after_kimg', 'ends'),
    [
        ('translation', 1.6, True),
        ('translation', 2.4, False),
        ('none', 2.4, True),
    ],  # Steps 200 and 300, in batches of 8.
)
def test_evaluations_count_once_augmentation_has_begun(evaluated, augment, after_kimg, ends):
    hparams_file.write(evaluated.model_dir, tiny_hparams(augment=augment, augment_after_kimg=after_kimg))
    options = dataclasses.replace(evaluated, stop_after_evals_without_best=2)
    assert bool(early_stopping.reason_to_end(options, 400)) == ends


def test_only_evaluations_count():
    points = [Point(0), Point(10, kid=1.0), Point(15, twins=0.5), Point(20, kid=1.0), Point(30, kid=2.0)]
    assert early_stopping.evaluations_after(points, 10) == 2
    assert early_stopping.evaluations_after(points, 30) == 0
