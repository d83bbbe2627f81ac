"""GAN losses: each is one row of `LOSSES`, a pair of functions of the discriminator's logits."""

from __future__ import annotations

import dataclasses
from typing import Callable

import tensorflow as tf

_LOWEST_LOGIT = -50.0  # The slope there, 2e-22, is far above float32's smallest number, even in products.


@dataclasses.dataclass(frozen=True)
class Loss:
    """A GAN loss.

    Attributes:
      discriminator: (real_logits, fake_logits, real_target), float32 [B, 1], [B, 1] and a number -> scalar.
      generator: (real_logits, fake_logits), float32 [B, 1] each -> scalar; the first may be None unless `compares`.
      score: logits -> the logged 'D(x)': a probability if the loss has one, else the logit itself.
      takes_real_target: whether one-sided label smoothing (Salimans et al. 2016, arXiv:1606.03498) makes sense.
      needs_gradient_penalty: whether the loss is meaningless without --gradient_penalty.
      slope_ratio: fake_logits -> derivative of the generator's loss at each, divided by that of the discriminator's;
        None if the latter can be 0.
      compares: whether the loss depends on differences between real and generated logits.
      boundary: the logit above which D takes an image for real; None for a critic, whose zero has no meaning.
    """

    discriminator: Callable[[tf.Tensor, tf.Tensor, float], tf.Tensor]
    generator: Callable[[tf.Tensor | None, tf.Tensor], tf.Tensor]
    score: Callable[[tf.Tensor], tf.Tensor] = tf.identity
    takes_real_target: bool = False
    needs_gradient_penalty: bool = False
    slope_ratio: Callable[[tf.Tensor], tf.Tensor] | None = None
    compares: bool = False
    boundary: float | None = 0.0


def _non_saturating_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, real_target: float) -> tf.Tensor:
    """Logistic loss of Goodfellow et al. 2014, arXiv:1406.2661: 2 ln 2 if D cannot tell real from generated."""
    return _cross_entropy(real_logits, real_target) + _cross_entropy(fake_logits, 0.0)


def _non_saturating_generator(_: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
    return _cross_entropy(fake_logits, 1.0)


def _non_saturating_slope_ratio(fake_logits: tf.Tensor) -> tf.Tensor:
    """-(1 - D(x)) / D(x); bounded where rounding would erase D's own slope."""
    return -tf.exp(-tf.maximum(fake_logits, _LOWEST_LOGIT))


def _hinge_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, _: float) -> tf.Tensor:
    """Lim and Ye 2017, arXiv:1705.02894."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real_logits)) + tf.reduce_mean(tf.nn.relu(1.0 + fake_logits))


def _least_squares_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, real_target: float) -> tf.Tensor:
    """Mao et al. 2017, arXiv:1611.04076, with targets 0 and 1."""
    return 0.5 * (tf.reduce_mean((real_logits - real_target) ** 2) + tf.reduce_mean(fake_logits**2))


def _least_squares_generator(_: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
    return 0.5 * tf.reduce_mean((fake_logits - 1.0) ** 2)


def _wasserstein_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, _: float) -> tf.Tensor:
    """Arjovsky et al. 2017, arXiv:1701.07875."""
    return tf.reduce_mean(fake_logits) - tf.reduce_mean(real_logits)


def _relativistic_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, _: float) -> tf.Tensor:
    """Logistic loss of pairs (Jolicoeur-Martineau 2019, arXiv:1807.00734): ln 2 if D cannot tell them apart."""
    return _cross_entropy(real_logits - fake_logits, 1.0)


def _relativistic_generator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    return _cross_entropy(fake_logits - real_logits, 1.0)


def _relativistic_least_squares_discriminator(real_logits: tf.Tensor, fake_logits: tf.Tensor, _: float) -> tf.Tensor:
    """Least squares of logits minus the other kind's mean, with targets 1 and -1 (RaLSGAN of arXiv:1807.00734)."""
    above = real_logits - tf.reduce_mean(fake_logits)
    below = fake_logits - tf.reduce_mean(real_logits)
    return 0.5 * (tf.reduce_mean((above - 1.0) ** 2) + tf.reduce_mean((below + 1.0) ** 2))


def _relativistic_least_squares_generator(real_logits: tf.Tensor, fake_logits: tf.Tensor) -> tf.Tensor:
    return _relativistic_least_squares_discriminator(fake_logits, real_logits, 0.0)


def _raise_logits(_: tf.Tensor | None, fake_logits: tf.Tensor) -> tf.Tensor:
    return -tf.reduce_mean(fake_logits)


LOSSES = {
    'non_saturating': Loss(
        _non_saturating_discriminator,
        _non_saturating_generator,
        score=tf.sigmoid,
        takes_real_target=True,
        slope_ratio=_non_saturating_slope_ratio,
    ),
    'hinge': Loss(_hinge_discriminator, _raise_logits),
    'least_squares': Loss(_least_squares_discriminator, _least_squares_generator, takes_real_target=True, boundary=0.5),
    'wasserstein': Loss(
        _wasserstein_discriminator,
        _raise_logits,
        needs_gradient_penalty=True,
        slope_ratio=lambda fake_logits: -tf.ones_like(fake_logits),
        boundary=None,
    ),
    'relativistic': Loss(_relativistic_discriminator, _relativistic_generator, compares=True, boundary=None),
    'relativistic_least_squares': Loss(
        _relativistic_least_squares_discriminator,
        _relativistic_least_squares_generator,
        compares=True,
        boundary=None,
    ),
}


def check_logits(*logits: tf.Tensor) -> None:
    """Raises ValueError unless all logits are [B, 1]: any other shape would silently broadcast into a wrong loss."""
    for tensor in logits:
        if tensor.shape.rank != 2 or tensor.shape[1] != 1:
            raise ValueError(f'logits must be [B, 1], not {tensor.shape}')


def rescale_gradient(fake: tf.Tensor, slope_ratio: Callable[[], tf.Tensor]) -> tf.Tensor:
    """Returns `fake` unchanged; in the backward pass, turns the gradient of D's loss into that of the generator's loss.

    If a logit depends on its own image alone, the gradients of the two losses with respect to an image differ only by a
    factor: the ratio of the losses' derivatives at the logit. So one backward pass through the discriminator serves
    both networks.

    Args:
      fake: float32 [B, H, W, C].
      slope_ratio: returns float32 [B, 1], the derivatives of the generator's loss divided by those of D's. The backward
        pass calls it, when the logits are known.
    """

    @tf.custom_gradient
    def unchanged(images: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return tf.identity(images), lambda slopes: slopes * slope_ratio()[:, :, None, None]

    return unchanged(fake)


def _cross_entropy(logits: tf.Tensor, target: float) -> tf.Tensor:
    return tf.reduce_mean(tf.nn.sigmoid_cross_entropy_with_logits(tf.fill(tf.shape(logits), target), logits))
