from __future__ import annotations

import math

import pytest
import tensorflow as tf

from trainer.dcgan import losses

# Hand-computed for the logits below: name -> discriminator's loss, generator's loss.
REAL, FAKE = [[0.0], [2.0]], [[0.0], [-1.0]]
BY_HAND = {
    # softplus(-real) + softplus(fake); softplus(-fake)
    'non_saturating': (
        (math.log(2) + math.log1p(math.exp(-2))) / 2 + (math.log(2) + math.log1p(math.exp(-1))) / 2,
        (math.log(2) + math.log1p(math.exp(1))) / 2,
    ),
    'hinge': ((1 + 0) / 2 + (1 + 0) / 2, 0.5),
    'least_squares': (0.5 * (1 + 1) / 2 + 0.5 * (0 + 1) / 2, 0.5 * (1 + 4) / 2),
    'wasserstein': (-0.5 - 1.0, 0.5),
    # softplus(fake - real) of pairs; softplus(real - fake)
    'relativistic': (
        (math.log(2) + math.log1p(math.exp(-3))) / 2,
        (math.log(2) + math.log1p(math.exp(3))) / 2,
    ),
    # The means are 1 and -0.5. Real logits lie 0.5 and 2.5 above the fake mean, fake logits 1 and 2 below the real one.
    # The targets are 1 and -1, and reversed for the generator.
    'relativistic_least_squares': (
        0.5 * ((0.5**2 + 1.5**2) / 2 + (0 + 1) / 2),
        0.5 * ((1.5**2 + 3.5**2) / 2 + (2**2 + 3**2) / 2),
    ),
}


def test_every_loss_has_a_row():
    assert set(BY_HAND) == set(losses.LOSSES)


@pytest.mark.parametrize('name', BY_HAND)
def test_by_hand(name):
    loss = losses.LOSSES[name]
    discriminator = loss.discriminator(tf.constant(REAL), tf.constant(FAKE), 1.0)
    generator = loss.generator(tf.constant(REAL), tf.constant(FAKE))
    assert (float(discriminator), float(generator)) == pytest.approx(BY_HAND[name], rel=1e-5)


def test_a_discriminator_that_knows_nothing_has_a_loss_of_two_ln_two():
    zeros = tf.zeros([3, 1])
    assert float(losses.LOSSES['non_saturating'].discriminator(zeros, zeros, 1.0)) == pytest.approx(2 * math.log(2))


def test_label_smoothing_moves_the_best_answer_to_real_images_only():
    loss = losses.LOSSES['non_saturating'].discriminator
    far = tf.fill([1, 1], -50.0)  # Fake images are certainly rejected, so only the real term is left.
    at_target = tf.fill([1, 1], math.log(0.9 / 0.1))
    entropy = -(0.9 * math.log(0.9) + 0.1 * math.log(0.1))
    assert float(loss(at_target, far, 0.9)) == pytest.approx(entropy, rel=1e-5)
    assert float(loss(at_target + 1, far, 0.9)) > entropy
    assert float(loss(at_target - 1, far, 0.9)) > entropy


@pytest.mark.parametrize('shape', [[4], [4, 4, 1], [4, 2]])
def test_logits_of_another_shape_are_refused(shape):
    with pytest.raises(ValueError, match=r'logits must be \[B, 1\]'):
        losses.check_logits(tf.zeros([4, 1]), tf.zeros(shape))
