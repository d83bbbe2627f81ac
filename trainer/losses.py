"""GAN losses: each is one row of `LOSSES`, a pair of functions of the discriminator's logits."""

from __future__ import annotations

import dataclasses
from typing import Callable

import tensorflow as tf


@dataclasses.dataclass(frozen=True)
class Loss:
    """A GAN loss.

    Attributes:
      discriminator: (real_logits, fake_logits, real_target), float32 [B, 1], [B, 1] and a number -> scalar.
      generator: (fake_logits), float32 [B, 1] -> scalar.
      score: logits -> the 'D(x)' that people watch: a probability where the loss has one, else the logit itself.
      takes_real_target: whether one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498) makes sense.
      needs_gradient_penalty: whether the loss is meaningless without --gradient_penalty.
      boundary: the logit above which D takes an image for real; None for a critic, whose zero means nothing.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]
    generator: Callable[[tf.Tensor], tf.Tensor]
    score: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    takes_real_target: bool = False
    needs_gradient_penalty: bool = False
    boundary: float | None = 0.0


def _non_saturating_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, real_target: float) -> tf.Tensor:
    """Logistic loss of Goodfellow et al. 2014, arXiv:1406.2661: 2 ln 2 where D knows nothing."""
    return _cross_entropy(real_logits, real_target) + _cross_entropy(fake_logits, 0.0)


def _non_saturating_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    return _cross_entropy(fake_logits, 1.0)


def _hinge_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, _: float) -> tf.Tensor:
    """Lim and Ye 2017, arXiv:1705.02894."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def _least_squares_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, real_target: float) -> tf.Tensor:
    """Mao et al. 2017, arXiv:1611.04076, with targets 0 and 1."""
    return 0.5 * (tf.reduce_mean((real_logits - real_target) ** 2) + tf.reduce_mean(fake_logits**2))


def _least_squares_generator(fake_logits: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.reduce_mean((fake_logits - 1.0) ** 2)


def _wasserstein_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, _: float) -> tf.Tensor:
    """Arjovsky et al. 2017, arXiv:1701.07875."""
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def _raise_logits(fake_logits: tf.Tensor) -> tf.Tensor:
    return -tf.reduce_mean(fake_logits)


LOSSES = {
    'non_saturating': Loss(
        _non_saturating_discriminator, _non_saturating_generator, score=tf.sigmoid, takes_real_target=True
    ),
    'hinge': Loss(_hinge_discriminator, _raise_logits),
    'least_squares': Loss(_least_squares_discriminator, _least_squares_generator, takes_real_target=True, boundary=0.5),
    'wasserstein': Loss(_wasserstein_discriminator, _raise_logits, needs_gradient_penalty=True, boundary=None),
}


def check_logits(*logits: tf.Tensor) -> None:
    """Raises ValueError unless all logits are [B, 1]: any other shape would broadcast into a wrong loss in silence."""
    for tensor in logits:
        if tensor.shape.rank != 2 or tensor.shape[1] != 1:
            raise ValueError(f'logits must be [B, 1], not {tensor.shape}')


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, mix: tf.Tensor
) -> tf.Tensor:
    """Mean of (|d critic / d x| - 1)^2 between real and fake images (Gulrajani et al. 2017, arXiv:1704.00028).

    Args:
      critic: images -> logits [B, 1].
      real, fake: float32 [B, H, W, C].
      mix: float32 [B, 1, 1, 1] in [0, 1], where between the two each image is taken.
    """
    between = fake + mix * (real - fake)
    (slopes,) = tf.gradients(critic(between), [between])
    # The small number keeps the square root's own gradient finite at 0.
    norms = tf.sqrt(tf.reduce_sum(slopes**2, axis=[1, 2, 3]) + 1e-12)
    return tf.reduce_mean((norms - 1.0) ** 2)


def _cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), target), logits))
