"""Penalties on the discriminator's gradient: each is one row of `PENALTIES`, by the hyper-parameter of its weight."""

from __future__ import annotations

from typing import Callable

import tensorflow as tf

Critic = Callable[[tf.Tensor], tf.Tensor]


def gradient_penalty(critic: Critic, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mean of (|d critic / d x| - 1)^2 between real and fake images (Gulrajani et al. 2017, arXiv:1704.00028).

    Args:
      critic: images -> logits [B, 1].
      real, fake: float32 [B, H, W, C], B known.
      seed: int32 [2], decides the point between a real and a fake image at which the gradient is taken.
    """
    mix = tf.random.stateless_uniform([real.shape[0], 1, 1, 1], seed)
    # The small number keeps the gradient of the square root finite at 0.
    norms = tf.sqrt(_squared_slopes(critic, fake + mix * (real - fake)) + 1e-12)
    return tf.reduce_mean((norms - 1.0) ** 2)


def r1(critic: Critic, real: tf.Tensor, fake: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Half the mean of |d critic / d x|^2 at real images (Mescheder et al. 2018, arXiv:1801.04406).

    Args: as of `gradient_penalty`; `fake` and `seed` are not used.
    """
    return 0.5 * tf.reduce_mean(_squared_slopes(critic, real))


def _squared_slopes(critic: Critic, images: tf.Tensor) -> tf.Tensor:
    (slopes,) = tf.gradients(critic(images), [images])
    return tf.reduce_sum(slopes**2, axis=[1, 2, 3])


PENALTIES = {'gradient_penalty': gradient_penalty, 'r1_gamma': r1}
