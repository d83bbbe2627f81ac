"""A model makes the pictures of seeds, noise and labels, and refuses what it cannot make."""

from __future__ import annotations

import numpy as np
import pytest

from tests.conftest import tiny_hparams, write_run
from tests.once import made_once
from trainer import errors
from trainer.dcgan import noise
from trainer.dcgan.conditioning import Classes
from trainer.generator import saved_model
from trainer.inference import model
from trainer.inference.model import Model

CLASSES = Classes(('cup', 'plate'), (30, 10))
HPARAMS = tiny_hparams(condition='labels', classes=2)


@pytest.fixture(scope='module')
def run(tmp_path_factory) -> str:
    return str(made_once(tmp_path_factory, 'conditional_run', lambda folder: write_run(folder, 3, HPARAMS, CLASSES)))


@pytest.fixture(scope='module')
def conditional(run) -> Model:
    return model.of_run(run)


def test_a_run_and_its_export_answer_alike(run, conditional, tmp_path):
    saved_model.export(HPARAMS, f'{run}/model.ckpt-3', str(tmp_path / 'saved'), CLASSES)
    exported = model.of_saved_model(str(tmp_path / 'saved'))
    assert conditional.title == f'{run}, last checkpoint, step 3'
    for one in (conditional, exported):
        assert (one.image_size, one.channels, one.noise_dim, one.labels) == (32, 3, 8, ('cup', 'plate'))
    seeds = [0, 1, -(2**31), 2**31 - 1]
    for label in ('', 'cup'):
        assert np.array_equal(conditional.of_seeds(seeds, label), exported.of_seeds(seeds, label))


def test_a_seed_has_the_label_that_it_decides(conditional):
    seeds = range(12)
    labels = [conditional.label_of(seed) for seed in seeds]
    assert set(labels) == {'cup', 'plate'}
    made = conditional.of_seeds(seeds)
    for seed, label in zip(seeds, labels):
        assert np.array_equal(made[seed], conditional.of_seeds([seed], label)[0])
        other = 'plate' if label == 'cup' else 'cup'
        assert not np.array_equal(made[seed], conditional.of_seeds([seed], other)[0])


def test_noise_of_a_seed_makes_its_picture(conditional):
    vectors = noise.from_seeds(np.array([5, 6], np.int32), 8).numpy()
    assert np.array_equal(conditional.of_noise(vectors, 'plate'), conditional.of_seeds([5, 6], 'plate'))
    assert conditional.of_noise(vectors).shape == (2, 32, 32, 3)


@pytest.mark.parametrize(
    ('ask', 'message'),
    [
        (lambda m: m.of_seeds([2**31]), 'seed 2147483648 must be from -2147483648 to 2147483647'),
        (lambda m: m.of_seeds([1], 'rose'), "label 'rose' is none of this model: it knows cup, plate"),
        (lambda m: m.of_noise(np.zeros((1, 7))), r'noise of the shape \[1, 7\] must have 8 numbers each'),
        (lambda m: m.of_noise(np.zeros(8)), r'noise of the shape \[8\]'),
        (lambda m: m.of_noise(np.full((1, 8), np.nan)), 'noise must be finite and from -100 to 100'),
        (lambda m: m.of_noise(np.full((1, 8), 1e9)), 'noise must be finite'),
    ],
)
def test_what_it_cannot_make_is_refused(ask, message, conditional):
    with pytest.raises(errors.UserError, match=message):
        ask(conditional)


def test_without_labels_it_says_so(tmp_path):
    write_run(tmp_path, 1, tiny_hparams())
    plain = model.of_run(str(tmp_path))
    assert plain.labels == () and plain.label_of(3) == ''
    with pytest.raises(errors.UserError, match="label 'cup' is none of this model: it was trained without labels"):
        plain.of_seeds([1], 'cup')
