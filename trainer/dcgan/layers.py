"""The layers of a DCGAN, with their own variables.

Variables are always float32; the arithmetic is done in the dtype of the input, float32 or bfloat16.
Weights start from N(0, 0.02^2), as in the DCGAN paper (Radford et al. 2016, arXiv:1511.06434, section 4).
"""

from __future__ import annotations

import math
from typing import Callable

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import convolution
from trainer.dcgan.updates import Updates

INIT_STDDEV = 0.02
_BATCH_NORM_EPSILON = 1e-5
_STDDEV_GROUP = 4
_MODULATION_UNITS = 32


KernelNorm = Callable[[tf.Tensor], tf.Tensor]


def dense(x: tf.Tensor, units: int, name: str, kernel_norm: KernelNorm = tf.identity) -> tf.Tensor:
    """[B, N] -> [B, units]; here and in all layers, `kernel_norm` is applied to the kernel before use."""
    with v1.variable_scope(name):
        kernel, bias = _weights([x.shape[-1], units], units, x.dtype, kernel_norm)
        return tf.nn.bias_add(tf.matmul(x, kernel), bias)


def conv(
    x: tf.Tensor, filters: int, size: int, name: str, for_tpu: bool = False, kernel_norm: KernelNorm = tf.identity
) -> tf.Tensor:
    """[B, H, W, C] -> [B, H / 2, W / 2, filters]: a convolution of stride 2 by a kernel of `size` x `size` pixels.

    See `convolution` for `for_tpu`.
    """
    shape = [size, size, x.shape[-1], filters]
    with v1.variable_scope(name):
        kernel, bias = _weights(shape, filters, x.dtype, kernel_norm)
        return tf.nn.bias_add(convolution.conv(x, kernel, for_tpu), bias)


def deconv(
    x: tf.Tensor, filters: int, size: int, name: str, for_tpu: bool = False, filtered: bool = False
) -> tf.Tensor:
    """[B, H, W, C] -> [B, 2H, 2W, filters]: the transpose of `conv`, low-pass filtered if `filtered`."""
    upsample = convolution.filtered_deconv if filtered else convolution.deconv
    with v1.variable_scope(name):
        kernel, bias = _weights([size, size, filters, x.shape[-1]], filters, x.dtype)
        return tf.nn.bias_add(upsample(x, kernel, for_tpu), bias)


def same_conv(x: tf.Tensor, filters: int, size: int, name: str, kernel_norm: KernelNorm = tf.identity) -> tf.Tensor:
    """[B, H, W, C] -> [B, H, W, filters]: a convolution of stride 1."""
    with v1.variable_scope(name):
        kernel, bias = _weights([size, size, x.shape[-1], filters], filters, x.dtype, kernel_norm)
        return tf.nn.bias_add(tf.nn.conv2d(x, kernel, 1, 'SAME'), bias)


def batch_norm(x: tf.Tensor, name: str, updates: Updates | None, classes: tf.Tensor | None = None) -> tf.Tensor:
    """Batch normalisation over [B, H, W, C] (Ioffe and Szegedy 2015, arXiv:1502.03167).

    Args:
      x: activations; float32 or bfloat16, while scale, offset and statistics stay float32.
      name: variable scope.
      updates: collects the statistics of a training pass; None normalises by the moving averages instead.
      classes: [B, K], of the dtype of `x`, one-hot: then each class adds its own scale and offset (conditional batch
        norm, de Vries et al. 2017, arXiv:1707.00683), which start at 0. None has no classes.
    """
    shape = [x.shape[-1]]
    with v1.variable_scope(name):
        scale = v1.get_variable('scale', shape, initializer=v1.ones_initializer())
        offset = v1.get_variable('offset', shape, initializer=v1.zeros_initializer())
        y = _standardized(x, scale, offset, updates)
        if classes is None:
            return y
        scale, offset = (_of_class(classes, x.shape[-1], part) for part in ('class_scale', 'class_offset'))
        return y * (1.0 + scale) + offset


def modulated_batch_norm(
    x: tf.Tensor, z: tf.Tensor, name: str, updates: Updates | None, classes: tf.Tensor | None = None
) -> tf.Tensor:
    """Batch normalisation whose scale and offset are computed for each image (self-modulation, arXiv:1810.01365).

    Scale and offset are two linear functions of one hidden layer of 32 units on the noise vector (Chen et al. 2019).
    They start at nearly 1 and 0. Classes add to both, as in `batch_norm`.

    Args:
      x, name, updates, classes: as in `batch_norm`.
      z: [B, noise_dim], of the dtype of `x`.
    """
    channels = x.shape[-1]
    with v1.variable_scope(name):
        hidden = tf.nn.relu(dense(z, _MODULATION_UNITS, 'hidden'))
        scale, offset = (dense(hidden, channels, part)[:, None, None, :] for part in ('scale', 'offset'))
        if classes is not None:
            scale += _of_class(classes, channels, 'class_scale')
            offset += _of_class(classes, channels, 'class_offset')
        return _standardized(x, tf.ones([channels]), tf.zeros([channels]), updates) * (1.0 + scale) + offset


def projection(features: tf.Tensor, classes: tf.Tensor, name: str, kernel_norm: KernelNorm = tf.identity) -> tf.Tensor:
    """What an image's class adds to its logit (projection discriminator, Miyato and Koyama 2018, arXiv:1802.05637).

    The paper sums the features over all places. A DCGAN is not deep enough for that: what tells a 6 from a 9 is where
    its parts are. With the sum, 14 % of generated digits were of their class after 64,000 images; with the features as
    they are, 56 % (docs/labels.md).

    Args:
      features: [B, N], all features of the last convolution.
      classes: float32 [B, K], one-hot.
      name: variable scope.
      kernel_norm: applied to the matrix of the classes' vectors.

    Returns:
      float32 [B, 1]: the product of the class's vector and the features; 0 without a class.
    """
    with v1.variable_scope(name):
        normal = v1.random_normal_initializer(stddev=INIT_STDDEV)
        vectors = kernel_norm(v1.get_variable('kernel', [classes.shape[-1], features.shape[-1]], initializer=normal))
        return tf.reduce_sum(tf.cast(features, tf.float32) * tf.matmul(classes, vectors), axis=1, keepdims=True)


def _of_class(classes: tf.Tensor, channels: int, name: str) -> tf.Tensor:
    """[B, K] -> [B, 1, 1, channels], linear in the classes; starts at 0."""
    with v1.variable_scope(name):
        kernel = v1.get_variable('kernel', [classes.shape[-1], channels], initializer=v1.zeros_initializer())
        return tf.matmul(classes, tf.cast(kernel, classes.dtype))[:, None, None, :]


def _standardized(x: tf.Tensor, scale: tf.Tensor, offset: tf.Tensor, updates: Updates | None) -> tf.Tensor:
    """Normalises by the statistics of the batch or, without `updates`, by the moving averages of the scope."""
    shape = [x.shape[-1]]
    mean = v1.get_variable('moving_mean', shape, initializer=v1.zeros_initializer(), trainable=False)
    variance = v1.get_variable('moving_variance', shape, initializer=v1.ones_initializer(), trainable=False)
    if updates is None:
        return v1.nn.fused_batch_norm(x, scale, offset, mean, variance, epsilon=_BATCH_NORM_EPSILON, is_training=False)[
            0
        ]
    y, batch_mean, batch_variance = v1.nn.fused_batch_norm(x, scale, offset, epsilon=_BATCH_NORM_EPSILON)
    updates.follow(mean, batch_mean)
    updates.follow(variance, batch_variance)
    return y


def leaky_relu(x: tf.Tensor) -> tf.Tensor:
    """max(x, 0.2 x), the discriminator's activation in the DCGAN paper."""
    return tf.nn.leaky_relu(x, alpha=0.2)


def minibatch_stddev(x: tf.Tensor) -> tf.Tensor:
    """[B, H, W, C] -> [B, H, W, C + 1]: adds how much the images of a group differ (Karras et al. 2018, 1710.10196).

    B must be known. A group has 4 images, or as many as divide both 4 and B: 2, or 1, whose difference is 0. After mode
    collapse the difference is small.
    """
    batch, height, width, channels = x.shape
    group = math.gcd(batch, _STDDEV_GROUP)
    grouped = tf.reshape(tf.cast(x, tf.float32), [group, batch // group, height, width, channels])
    variance = tf.math.reduce_variance(grouped, axis=0)
    # The small number keeps the gradient of the square root finite at 0.
    stddev = tf.reduce_mean(tf.sqrt(variance + 1e-8), axis=[1, 2, 3])  # [B / group]
    channel = tf.tile(stddev, [group])[:, None, None, None] * tf.ones([batch, height, width, 1])
    return tf.concat([x, tf.cast(channel, x.dtype)], axis=3)


def _weights(
    kernel_shape: list[int], units: int, dtype: tf.DType, kernel_norm: KernelNorm = tf.identity
) -> tuple[tf.Tensor, tf.Tensor]:
    normal = v1.random_normal_initializer(stddev=INIT_STDDEV)
    kernel = v1.get_variable('kernel', kernel_shape, initializer=normal)
    bias = v1.get_variable('bias', [units], initializer=v1.zeros_initializer())
    return tf.cast(kernel_norm(kernel), dtype), tf.cast(bias, dtype)
