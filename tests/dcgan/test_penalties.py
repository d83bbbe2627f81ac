from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import tiny_hparams
from tests.dcgan.test_model_fn import run_steps
from trainer import errors
from trainer.dcgan.penalties import PENALTIES

SLOPE = np.full([2, 2, 1], 1.5, np.float32)  # Norm 3, everywhere.
SEED = tf.constant([0, 1])


def critic(x: tf.Tensor) -> tf.Tensor:
    return tf.reduce_sum(x * SLOPE, axis=[1, 2, 3])[:, None]


@pytest.mark.parametrize('name, expected', [('gradient_penalty', (3 - 1) ** 2), ('r1_gamma', 0.5 * 3**2)])
def test_a_penalty_of_a_plane_is_known(name, expected):
    @tf.function
    def penalty():
        return PENALTIES[name](critic, tf.ones([5, 2, 2, 1]), tf.zeros([5, 2, 2, 1]), SEED)

    assert float(penalty()) == pytest.approx(expected, rel=1e-5)


def test_r1_looks_at_real_images_only():
    """A critic that is steep at 1 and flat at 0 is penalised only if the real images are at 1."""

    @tf.function
    def penalty(real, fake):
        return PENALTIES['r1_gamma'](lambda x: tf.reduce_sum(x**2, axis=[1, 2, 3])[:, None], real, fake, SEED)

    ones, zeros = tf.ones([5, 2, 2, 1]), tf.zeros([5, 2, 2, 1])
    assert float(penalty(ones, zeros)) == pytest.approx(0.5 * 4 * 2**2)
    assert float(penalty(zeros, ones)) == 0


@pytest.mark.parametrize('penalty', [{'r1_gamma': 10.0}, {'gradient_penalty': 10.0}], ids=['r1', 'gradient_penalty'])
def test_a_penalty_keeps_the_discriminator_flatter(penalty, tmp_path):
    changes = {'discriminator_norm': 'none', 'augment': 'none', 'learning_rate': 1e-2, 'g_learning_rate': 1e-6}
    plain, _, _ = run_steps(tmp_path, steps=12, **changes)
    held, _, after = run_steps(tmp_path, steps=12, **changes, **penalty)
    gaps = [history[-1]['scalars/D_real'] - history[-1]['scalars/D_fake'] for history in (plain, held)]
    assert gaps[1] < gaps[0]
    assert all(np.isfinite(value).all() for value in after.values())


def test_r1_and_spectral_normalisation_are_not_stacked():
    with pytest.raises(errors.UserError, match='--r1_gamma=0.1 and --discriminator_norm=spectral both flatten'):
        tiny_hparams(r1_gamma=0.1, discriminator_norm='spectral')
