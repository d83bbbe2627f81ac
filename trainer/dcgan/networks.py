"""The DCGAN generator and discriminator (Radford et al. 2016, arXiv:1511.06434), of any size in the table.

Layers are numbered from the image side, so that a layer keeps its name when the size changes.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import layers, normalization
from trainer.dcgan.architecture import (
    BOTTOM_SIZE,
    FEATURES,
    FILTERED,
    FULL_SIZE_KERNEL,
    REFINED,
    SELF_MODULATED,
    Architecture,
)
from trainer.dcgan.updates import Updates

GENERATOR, DISCRIMINATOR = 'generator', 'discriminator'
LAST_OF_DISCRIMINATOR = f'{DISCRIMINATOR}/dense'
_FULL_SIZE_CONV, _FEATURES_CONV, _PROJECTION = 'full_size_conv', 'features_conv', 'projection'
_REFINING_DECONV = 'refining_deconv'
# px. Smaller maps have no checkerboard to see, and lose by a filter: on hands at 32 px, KID 0.125 instead of
# 0.107 (docs/experiments.md).
_SMALLEST_FILTERED_MAP = 32


def generator(
    noise: tf.Tensor,
    architecture: Architecture,
    updates: Updates | None = None,
    compute_dtype: str = 'float32',
    for_tpu: bool = False,
    classes: tf.Tensor | None = None,
) -> tf.Tensor:
    """Noise -> images.

    Args:
      noise: float32 [B, noise_dim] from N(0, 1).
      architecture: the shape of the network.
      updates: collects what a training pass changes besides weights; None normalises by the moving averages.
      compute_dtype: 'float32' or 'bfloat16'; variables and the output are float32 in either case.
      for_tpu: whether to use the convolutions that are faster on a TPU; B must then be known.
      classes: float32 [B, architecture.classes], one-hot times their strength; None if the architecture has none.

    Returns:
      float32 [B, image_size, image_size, channels] in [-1, 1].
    """
    filters, filtered = architecture.filters, filtered_deconvs(architecture)

    def deconv(x: tf.Tensor, filters: int, name: str) -> tf.Tensor:
        return layers.deconv(x, filters, architecture.kernel_size, name, for_tpu, name in filtered)

    def norm(x: tf.Tensor, name: str) -> tf.Tensor:
        if architecture.generator_norm == SELF_MODULATED:
            return layers.modulated_batch_norm(x, z, name, updates, of_class)
        return layers.batch_norm(x, name, updates, of_class)

    _check_classes(classes, architecture)
    with v1.variable_scope(GENERATOR, reuse=v1.AUTO_REUSE):
        x = z = tf.cast(noise, compute_dtype)
        of_class = None if classes is None else tf.cast(classes, compute_dtype)
        x = layers.dense(x, BOTTOM_SIZE * BOTTOM_SIZE * filters[-1], 'dense')
        x = tf.reshape(x, [-1, BOTTOM_SIZE, BOTTOM_SIZE, filters[-1]])
        x = tf.nn.relu(norm(x, f'norm{len(filters)}'))
        for i in range(len(filters) - 1, 0, -1):
            x = deconv(x, filters[i - 1], f'deconv{i}')  # [B, 2H, 2W, filters[i - 1]]
            x = tf.nn.relu(norm(x, f'norm{i}'))
        image = deconv(x, architecture.channels, 'deconv0')
        if architecture.generator_output == REFINED:
            x = deconv(x, architecture.refining_filters, _REFINING_DECONV)
            x = tf.nn.relu(norm(x, 'refining_norm'))  # [B, image_size, image_size, refining_filters]
            image += layers.same_conv(x, architecture.channels, FULL_SIZE_KERNEL, 'refining_conv')
        return tf.tanh(tf.cast(image, tf.float32))


def filtered_deconvs(architecture: Architecture) -> tuple[str, ...]:
    """Names of the generator's transposed convolutions that have a low-pass filter: those to maps of 32 px and more."""
    if architecture.generator_upsampling != FILTERED:
        return ()
    sides = (architecture.image_size >> i for i in range(len(architecture.filters)))
    names = tuple(f'deconv{i}' for i, side in enumerate(sides) if side >= _SMALLEST_FILTERED_MAP)
    return (*names, _REFINING_DECONV) if architecture.generator_output == REFINED else names


def judges_images_alone(architecture: Architecture) -> bool:
    """Whether the discriminator's logit of an image depends on that image alone, and not on its batch."""
    coupled = normalization.NORMS[architecture.discriminator_norm].couples_images
    return not (coupled or architecture.minibatch_stddev)


class FreeLayers(NamedTuple):
    """Layers whose weights may be scaled by any one factor, because the batch norm after them cancels it.

    Attributes:
      names: scopes of the layers, whose outputs are added.
      biases: scopes of the layers whose bias must be scaled too: these, and any layer between them and the norm.
      norm: scope of the batch norm.
    """

    names: tuple[str, ...]
    biases: tuple[str, ...]
    norm: str


def free_layers(architecture: Architecture) -> list[FreeLayers]:
    """All such layers of both networks.

    The first layers of D have no norm of their own, but leaky ReLU passes their factor on to the next layer. D's
    convolution for full-size features is not such a layer: the image itself, which D sees beside them, has no factor.
    """
    count = len(architecture.filters)
    pairs = [(f'{GENERATOR}/dense', f'{GENERATOR}/norm{count}')]
    pairs += [(f'{GENERATOR}/deconv{i}', f'{GENERATOR}/norm{i}') for i in range(1, count)]
    if architecture.generator_output == REFINED:
        pairs.append((f'{GENERATOR}/{_REFINING_DECONV}', f'{GENERATOR}/refining_norm'))
    if not normalization.NORMS[architecture.discriminator_norm].couples_images:
        return [FreeLayers((name,), (name,), norm) for name, norm in pairs]
    pairs += [(f'{DISCRIMINATOR}/conv{i}', f'{DISCRIMINATOR}/norm{i}') for i in range(1, count)]
    features = (f'{DISCRIMINATOR}/{_FEATURES_CONV}',) if architecture.input_filters else ()
    first = (f'{DISCRIMINATOR}/conv0', *features)
    before_norm = FreeLayers(first, (*first, f'{DISCRIMINATOR}/conv1'), f'{DISCRIMINATOR}/norm1')
    return [before_norm, *(FreeLayers((name,), (name,), norm) for name, norm in pairs)]


def discriminator_scopes(layers_: int) -> tuple[str, ...]:
    """Prefixes of the variable names in the discriminator's first `layers_` layers, counted from the image side."""
    scopes = [f'{part}{i}' for i in range(layers_) for part in ('conv', 'norm')]
    # The full-size features belong to the first layer.
    features = [_FULL_SIZE_CONV, _FEATURES_CONV] if scopes else []
    return tuple(f'{DISCRIMINATOR}/{scope}/' for scope in (*features, *scopes))


def discriminator(
    images: tf.Tensor,
    architecture: Architecture,
    updates: Updates | None = None,
    compute_dtype: str = 'float32',
    for_tpu: bool = False,
    classes: tf.Tensor | None = None,
) -> tf.Tensor:
    """Images -> logits, high for images that look real.

    Args:
      images: float32 [B, image_size, image_size, channels] in [-1, 1].
      architecture, updates, compute_dtype, for_tpu, classes: as in `generator`.

    Returns:
      float32 logits [B, 1].
    """
    norm = normalization.NORMS[architecture.discriminator_norm]

    def kernel_norm(kernel: tf.Tensor) -> tf.Tensor:
        return norm.kernel(kernel, updates)

    def conv(x: tf.Tensor, filters: int, name: str) -> tf.Tensor:
        return layers.conv(x, filters, architecture.kernel_size, name, for_tpu, kernel_norm)

    _check_classes(classes, architecture)
    with v1.variable_scope(DISCRIMINATOR, reuse=v1.AUTO_REUSE):
        x = tf.cast(images, compute_dtype)
        for i, filters in enumerate(architecture.filters):
            y = conv(x, filters, f'conv{i}')  # [B, H / 2, W / 2, filters]
            if i > 0:
                y = norm.output(y, f'norm{i}', updates)
            elif architecture.discriminator_input == FEATURES:
                full_size = architecture.input_filters, FULL_SIZE_KERNEL
                features = layers.same_conv(x, *full_size, _FULL_SIZE_CONV, kernel_norm)  # [B, H, W, input_filters]
                y += conv(layers.leaky_relu(features), filters, _FEATURES_CONV)
            x = layers.leaky_relu(y)
        if architecture.minibatch_stddev:
            x = layers.minibatch_stddev(x)
        x = tf.reshape(x, [-1, math.prod(x.shape[1:])])  # [B, 4 * 4 * filters[-1]]
        logits = tf.cast(layers.dense(x, 1, 'dense', kernel_norm), tf.float32)
        return logits if classes is None else logits + layers.projection(x, classes, _PROJECTION, kernel_norm)


def _check_classes(classes: tf.Tensor | None, architecture: Architecture) -> None:
    if (0 if classes is None else classes.shape[-1]) != architecture.classes:
        raise ValueError(f'classes must be [B, {architecture.classes}], not {classes}')
