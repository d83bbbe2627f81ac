"""What a run measures of itself, end to end and in its parts."""

from __future__ import annotations

import json
import logging
import os
import pathlib

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import open_image, smooth_images, tiny_hparams, write_dataset
from trainer import errors
from trainer.data import image_set
from trainer.generator import loading, saved_model
from trainer.machine import signals
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints
from trainer.monitoring import discriminator, monitor
from trainer.monitoring.best import Keeper
from trainer.monitoring.history import History, Point
from trainer.monitoring.monitor import Monitor
from trainer.options import DataOptions, RunOptions
from trainer.run import experiment


def options_for(model_dir, **changes) -> RunOptions:
    tiny = dict(sample_steps=2, save_steps=2, eval_steps=2, log_steps=1, sample_count=4, eval_samples=16)
    return RunOptions(str(model_dir), **{**tiny, 'extractor': 'pixels', **changes})


def run(data: str, model_dir, train_steps: int = 4, **changes) -> list[Point]:
    """Trains a tiny model and returns the points of its metrics.csv."""
    hparams = tiny_hparams(train_steps=train_steps, **changes.pop('hparams', {}))
    assert (
        experiment.run(hparams, DataOptions(train_data=data), options_for(model_dir, **changes), MachineOptions()) == 0
    )
    return History(str(model_dir), train_steps).points


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return write_dataset(tmp_path_factory.mktemp('monitored') / 'data', train=24, holdout=20)


@pytest.fixture(scope='module')
def trained_run(data, tmp_path_factory) -> pathlib.Path:
    """A run of four steps, evaluated at 2 and 4."""
    model_dir = tmp_path_factory.mktemp('monitored') / 'run'
    run(data, model_dir, hparams={'augment': 'cutout', 'augment_target': 0.6})
    return model_dir


def test_every_measure_is_taken(trained_run):
    start, *points = History(str(trained_run), 4).points
    assert (start.step, start.kid, start.twins_real) == (0, None, 0.0)
    assert [point.step for point in points] == [2, 4]
    for point in points:
        assert {name for name, value in vars(point).items() if value is None} <= {'d_gap', 'label_twins'}
        assert 0 < point.d_real < 1
        assert -1 <= point.d_real_sign <= 1
        assert point.augment_share == pytest.approx(0.5, abs=0.01)
        assert point.kid > point.kid_real
        assert point.verdict
    assert open_image(trained_run / 'samples' / 'metrics.png').size == (1100, 650)


def test_a_critic_has_no_sign_and_no_hold_out_no_gap(tmp_path):
    small = write_dataset(tmp_path / 'data', holdout=0)
    last = run(small, tmp_path / 'run', 2, hparams={'loss': 'wasserstein', 'gradient_penalty': 10.0})[-1]
    absent = (last.d_real_sign, last.augment_share, last.d_holdout, last.d_gap, last.kid_real, last.copying)
    assert absent == (None,) * 6
    assert None not in (last.d_train, last.d_generated, last.kid, last.twins)


def test_without_an_extractor_and_without_evaluations_the_grids_are_still_measured(data, tmp_path):
    last = run(data, tmp_path / 'plain', 2, extractor='')[-1]
    assert last.kid is None
    assert last.copying is not None
    assert last.d_holdout is not None
    last = run(data, tmp_path / 'unevaluated', 2, eval_steps=0)[-1]
    assert last.d_train is None
    assert last.twins is not None
    assert (tmp_path / 'unevaluated' / 'samples' / 'metrics.png').exists()
    assert not (tmp_path / 'unevaluated' / 'best').exists()


def test_the_best_checkpoint_is_one_that_was_saved(trained_run):
    best = json.loads((trained_run / 'best' / 'best.json').read_text())
    points = {point.step: point.kid for point in History(str(trained_run), 4).points}
    assert best['kid'] == pytest.approx(min(points[2], points[4]), rel=1e-5)
    kept = checkpoints.best(str(trained_run))
    assert checkpoints.step_of(kept) == best['step']
    same = checkpoints.path(str(trained_run), best['step'])
    for name, shape in tf.train.list_variables(same):
        np.testing.assert_array_equal(tf.train.load_variable(kept, name), tf.train.load_variable(same, name), name)
        assert list(tf.train.load_variable(kept, name).shape) == shape


def test_a_keeper_keeps_one_checkpoint_and_survives_a_restart(trained_run, tmp_path):
    for name in os.listdir(trained_run):
        if name.startswith('model.ckpt-'):
            os.link(trained_run / name, tmp_path / name)
    keeper = Keeper(str(tmp_path), 'pixels')
    assert keeper.offer(2, 0.5)
    assert not keeper.offer(4, 0.6)
    assert not Keeper(str(tmp_path), 'pixels').offer(4, 0.5)
    assert Keeper(str(tmp_path), 'pixels').offer(4, 0.4)
    kept = {path.name for path in (tmp_path / 'best').iterdir()}
    assert kept == {'best.json', 'model.ckpt-4.index', 'model.ckpt-4.data-00000-of-00001'}
    assert Keeper(str(tmp_path), 'squeezenet').offer(2, 0.9), 'KIDs of two extractors are not compared'


def test_best_or_last_is_chosen_by_name(trained_run, tmp_path):
    os.makedirs(tmp_path / 'best')
    for name in ('hparams.json', 'checkpoint', *(n for n in os.listdir(trained_run) if n.startswith('model.ckpt-'))):
        os.link(trained_run / name, tmp_path / name)
    assert (loading.load(str(tmp_path)).which, loading.load(str(tmp_path)).step) == ('last', 4)
    with pytest.raises(errors.UserError, match='no best checkpoint.*--checkpoint=last'):
        loading.load(str(tmp_path), 'best')
    Keeper(str(tmp_path), 'pixels').offer(2, 0.5)
    found = {which: loading.load(str(tmp_path), which) for which in ('', 'best', 'last')}
    assert [found[which].step for which in ('', 'best', 'last')] == [2, 2, 4]
    vectors = found['best'].generator.latents([0])
    assert (found['best'].generator.images(vectors) != found['last'].generator.images(vectors)).any()


def test_a_best_checkpoint_cut_short_is_passed_over(trained_run, tmp_path, caplog):
    for name in ('hparams.json', 'checkpoint', *(n for n in os.listdir(trained_run) if n.startswith('model.ckpt-'))):
        os.link(trained_run / name, tmp_path / name)
    Keeper(str(tmp_path), 'pixels').offer(2, 0.5)
    (weights,) = (tmp_path / 'best').glob('*.data-*')
    whole = weights.read_bytes()
    weights.unlink()
    weights.write_bytes(whole[: len(whole) // 2])
    caplog.set_level(logging.WARNING, 'absl')
    assert loading.load(str(tmp_path)).which == 'last'
    assert 'is not whole' in caplog.text


def test_the_best_is_exported_on_request(data, trained_run, tmp_path, monkeypatch):
    exported = []
    monkeypatch.setattr(saved_model, 'export', lambda hparams, checkpoint, *_: exported.append(checkpoint))
    for which in ('last', 'best'):
        options = options_for(trained_run, export_checkpoint=which)
        experiment.run(tiny_hparams(train_steps=4), DataOptions(train_data=data), options, MachineOptions())
    assert exported == [checkpoints.path(str(trained_run), 4), checkpoints.best(str(trained_run))]


def test_the_discriminator_on_the_host_is_the_one_that_was_trained(trained_run):
    """Compared with the estimator's own evaluation, which reads the same weights in another way."""
    pixels = smooth_images(20, 32, seed=len('holdout'))
    checkpoint = checkpoints.path(str(trained_run), 4)
    restored = discriminator.CheckpointDiscriminator(tiny_hparams()).restore(checkpoint)
    logits = restored.logits(discriminator.Judged.of(pixels))
    assert logits.shape == (20,)
    last = History(str(trained_run), 4).points[-1]
    assert logits.mean() == pytest.approx(last.d_holdout, rel=1e-4)


def test_a_signal_during_an_evaluation_leaves_nothing_of_it_behind(data, tmp_path, monkeypatch):
    seen = []

    def evaluate(self, checkpoint, generator, tick):
        tick(0)
        seen.append(checkpoint)
        os.kill(os.getpid(), signals.signal.SIGTERM)
        tick(1)
        raise AssertionError('the evaluation went on')

    monkeypatch.setattr(Monitor, 'evaluate', evaluate)
    hparams, options = tiny_hparams(train_steps=4), options_for(tmp_path / 'run')
    assert experiment.run(hparams, DataOptions(train_data=data), options, MachineOptions()) == 143
    assert seen == [checkpoints.path(str(tmp_path / 'run'), 2)]
    assert History(str(tmp_path / 'run'), 4).points[-1].kid is None
    assert not (tmp_path / 'run' / 'best').exists()


def test_data_sets_open_with_their_names(data):
    train, holdout = image_set.open_both(data)
    assert (len(train), len(holdout), train.image_size, train.channels) == (24, 20, 32, 3)
    assert train.checksum != holdout.checksum
    np.testing.assert_array_equal(np.concatenate(list(train.batches(7))), train.pixels())
    np.testing.assert_array_equal(train.pixels(5), train.pixels()[:5])
    names = [entry.name for entry in train.entries()]
    assert names[:2] == ['train0.png', 'train2.png']  # Images alternate between two shards.
    source = smooth_images(24, 32, seed=len('train'))
    np.testing.assert_array_equal(train.pixels()[names.index('train7.png')], source[7])


def test_foreign_records_have_no_hold_out_of_their_own(data):
    train, holdout = image_set.open_both(f'{data}/train-*')
    assert (len(train), holdout, train.labels) == (24, None, ())
    _, holdout = image_set.open_both(f'{data}/train-*', holdout_data=f'{data}/holdout-*')
    assert len(holdout) == 20


def test_a_label_whose_pictures_are_alike_is_seen():
    real, labels = smooth_images(40, 32), np.arange(40) % 2
    measured = monitor._Twins(real, labels)
    made = smooth_images(40, 32, seed=1)
    healthy = measured.of_labels(made, labels)['label_twins']
    made[labels == 1] = made[1]
    assert measured.of_labels(made, labels)['label_twins'] > healthy + 0.3
    assert measured.of_labels(made[:20], labels[:20]) == {}  # Ten of each are too few.
    assert monitor._Twins(real, None).of_labels(made, np.full(40, -1)) == {}
