"""What Vertex AI's tuning service gives a trial, and what it gets back."""

from __future__ import annotations

import dataclasses
import json

import pytest

from tests.conftest import tiny_hparams, write_dataset
from trainer import errors
from trainer.machine.options import MachineOptions
from trainer.monitoring import tuning
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment


@pytest.fixture
def reported(monkeypatch, tmp_path):
    """Reads what was reported so far."""
    path = tmp_path / 'reports' / 'output.metrics'
    monkeypatch.setenv('CLOUD_ML_HP_METRIC_FILE', str(path))
    monkeypatch.setenv('CLOUD_ML_TRIAL_ID', '7')
    tuning._reporter.cache_clear()
    yield lambda: [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    tuning._reporter.cache_clear()


def run(data: str, model_dir, **changes) -> None:
    changes = {'extractor': 'pixels', 'eval_samples': 16, **changes}
    options = RunOptions(str(model_dir), sample_steps=2, save_steps=2, sample_count=4, **changes)
    assert experiment.run(tiny_hparams(train_steps=4), DataOptions(train_data=data), options, MachineOptions()) == 0


def test_each_evaluation_is_reported(reported, dataset32, tmp_path):
    run(dataset32, tmp_path / 'run', hptuning_metric='holdout_loss', eval_steps=2)
    assert [(report['global_step'], report['trial']) for report in reported()] == [('2', '7'), ('4', '7')]
    assert 0 < float(reported()[-1]['holdout_loss']) < 10


def test_a_trial_restarted_after_its_last_step_reports_again(reported, dataset32, tmp_path):
    run(dataset32, tmp_path / 'run', eval_steps=0)
    assert reported() == []
    run(dataset32, tmp_path / 'run', hptuning_metric='holdout_d_real', eval_steps=2)
    assert [report['global_step'] for report in reported()] == ['4']
    assert 0 < float(reported()[0]['holdout_d_real']) < 1


def test_without_a_hold_out_there_is_nothing_to_tune_for(tmp_path):
    data = write_dataset(tmp_path / 'data', holdout=0)
    with pytest.raises(errors.UserError, match='--hptuning_metric=holdout_loss is measured on a hold-out'):
        run(data, tmp_path / 'run', hptuning_metric='holdout_loss')


def test_the_kid_needs_no_hold_out_but_an_extractor(reported, tmp_path):
    run(write_dataset(tmp_path / 'data', holdout=0), tmp_path / 'run', hptuning_metric='kid', eval_steps=0)
    assert [report['global_step'] for report in reported()] == ['4']
    assert 0 < float(reported()[0]['kid']) < 8
    with pytest.raises(errors.UserError, match='--hptuning_metric=kid needs an --extractor'):
        RunOptions(hptuning_metric='kid', extractor='')


def test_each_trial_has_folders_of_its_own():
    shared = RunOptions('gs://b/run', trial_id='3')
    assert (shared.model_dir, shared.tensorboard_dir) == ('gs://b/run/trial_3', 'gs://b/run/trial_3')
    assert shared.export_dir == 'gs://b/run/trial_3/saved_model'
    assert dataclasses.replace(shared, save_steps=100).model_dir == shared.model_dir
    assert RunOptions('gs://b/3', trial_id='3').model_dir == 'gs://b/3/trial_3'
    given = RunOptions('gs://b/3/checkpoints/', 'gs://b/3/logs/', 'gs://b/3/model/', trial_id='3')
    assert (given.model_dir, given.tensorboard_dir) == ('gs://b/3/checkpoints', 'gs://b/3/logs')
    assert given.export_dir == 'gs://b/3/model'
