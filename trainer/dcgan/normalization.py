"""Normalisation of the discriminator's layers: each kind is one row of `NORMS`."""

from __future__ import annotations

import dataclasses
from typing import Callable

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import layers
from trainer.dcgan.updates import Updates

SPECTRAL = 'spectral'


@dataclasses.dataclass(frozen=True)
class Norm:
    """One kind of normalisation.

    Attributes:
      kernel: (kernel, updates) -> the kernel to use; called inside the layer's variable scope.
      output: (x, name, updates) -> the normalised output of a convolution; used in all layers but the one at the image.
      couples_images: whether an image's logit depends on the other images of its batch.
    """

    kernel: Callable[[tf.Tensor, Updates | None], tf.Tensor]
    output: Callable[[tf.Tensor, str, Updates | None], tf.Tensor]
    couples_images: bool = False


def spectral(kernel: tf.Tensor, updates: Updates | None) -> tf.Tensor:
    """Divides a kernel by its largest singular value (Miyato et al. 2018, arXiv:1802.05957).

    Each training step does one step of the power iteration and hands the vector `u` on to the next training step. The
    weights change little in a step, so the estimate stays close. All passes of a step share the result.

    Args:
      kernel: float32 [..., units], taken as a matrix of `units` columns.
      updates: collects the next `u` of a training pass; None leaves `u` unchanged.

    Returns:
      float32 of the kernel's shape, with a largest singular value of about 1.
    """
    units = kernel.shape[-1]
    u = v1.get_variable('u', [1, units], initializer=v1.random_normal_initializer(), trainable=False)

    def normalized() -> tf.Tensor:
        matrix = tf.reshape(kernel, [-1, units])
        fixed = tf.stop_gradient(matrix)
        left = tf.math.l2_normalize(tf.matmul(u, fixed, transpose_b=True))  # [1, fan-in]
        right = tf.math.l2_normalize(tf.matmul(left, fixed))  # [1, units]
        if updates is not None:
            updates.assign(u, right)
        sigma = tf.reduce_sum(tf.matmul(left, matrix) * right)
        return kernel / sigma

    return updates.once(u.name, normalized) if updates is not None else normalized()


def _as_it_is(x: tf.Tensor, *_: object) -> tf.Tensor:
    return x


NORMS = {
    SPECTRAL: Norm(spectral, _as_it_is),
    'batch': Norm(_as_it_is, layers.batch_norm, couples_images=True),
    'none': Norm(_as_it_is, _as_it_is),
}
