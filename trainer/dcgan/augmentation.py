"""Differentiable augmentation: random changes to all that the discriminator sees (Zhao et al. 2020, arXiv:2006.10738).

Real and generated images are changed alike, in the loss of the discriminator and in that of the generator, so that
nothing of it shows in the samples, while the discriminator has far more images to learn by heart. Shapes are static
and every change is a sum, a product or a matrix product, as a TPU wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from trainer import errors

AUTO, NONE = 'auto', 'none'
_COLOR, _TRANSLATION, _CUTOUT = 'color', 'translation', 'cutout'
# Gains shrink with the size of the set and turn into losses at about 70,000 images (tables of the paper's repository).
# One change is too little for 232 flags, and all three are too much for 3,601 clothes; for 2,059 hands they are as good
# (docs/quality.md). All begin once a discriminator has seen the images too often: from the first step on, a young
# generator learns slower. Below 200 images when to begin was not measured here, and the paper's own choice stands.
_VERY_FEW, _FEW, _SOME = 200, 1000, 50_000  # Images.
_FEW_PASSES = 30
_SHIFT = 1 / 8  # Of the side, at most.
_HOLE = 1 / 2  # Side of the grey square, of the image's.


def parse(text: str) -> tuple[str, ...]:
    """'color,cutout' -> ('color', 'cutout'); 'none' -> (); 'auto' -> all, as for a set of which nothing is known.

    Raises:
      errors.UserError: a name is none of them.
    """
    if text == AUTO:
        return tuple(_TRANSFORMS)
    names = tuple(text.split(',')) if text != NONE else ()
    for name in names:
        if name not in _TRANSFORMS:
            known = ', '.join(_TRANSFORMS)
            raise errors.UserError(
                f'--augment={text}: {name!r} is no augmentation; give auto, none, or some of {known}, with commas '
                'between them'
            )
    return names


def resolve(images: int, channels: int) -> tuple[str, int]:
    """What 'auto' stands for with so many images, and after how many passes over them it begins."""
    if images > _SOME:
        return NONE, 0
    passes = 0 if images < _VERY_FEW else _FEW_PASSES
    if images >= _FEW:
        return _TRANSLATION, passes
    # Grey pictures differ in little but brightness: it would be the subject.
    return ','.join(name for name in _TRANSFORMS if name != _COLOR or channels > 1), passes


def augment(
    images: tf.Tensor, names: Sequence[str], share: float, seed: tf.Tensor, begun: tf.Tensor | bool = True
) -> tf.Tensor:
    """Changes images at random.

    Where every image is changed, a generator may make what is changed already, for a discriminator cannot tell (Karras
    et al. 2020, arXiv:2006.06676, section 2.2). With half of them it can.

    Args:
      images: float32 [B, H, W, C] in [-1, 1], B known.
      names: which changes, of `parse`.
      share: of the images to which each change is made, in [0, 1]; one is made or not whatever the others are.
      seed: int32 [2].
      begun: bool, scalar; before it is time, the changes are such that images stay what they are, but for rounding,
        as with those that are not chosen. To choose between changed images and others would cost a TPU 3 % of its step.

    Returns:
      float32 [B, H, W, C], which colours may take out of [-1, 1].
    """
    for number, name in enumerate(names):
        transform = _TRANSFORMS[name]
        uniform = _uniform(images, tf.random.experimental.stateless_fold_in(seed, number), 1 + transform.numbers)
        chosen = tf.logical_and(begun, uniform[:, :1] < share)
        images = transform.change(images, tf.where(chosen, uniform[:, 1:], transform.neutral))
    return images


def flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors about half of the images, float32 [B, H, W, C], left to right: for real ones only, to double the set."""
    chosen = _uniform(images, seed, 1)[:, 0, :, None, None] < 0.5
    return tf.where(chosen, tf.reverse(images, [2]), images)


def _color(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Brightness by up to 0.5 either way, then saturation to 0 to 2 times, then contrast to 0.5 to 1.5 times."""
    brightness, saturation, contrast = tf.unstack(uniform[:, :, :, None, None], axis=1)
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + 2.0 * saturation * (images - grey)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (0.5 + contrast) * (images - mean)


def _translate(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Shifts by up to an eighth of the side each way; what comes in is grey.

    By products with shifted unit matrices: a gather for each image would have a scatter for its gradient, slow on TPUs.
    Columns are shifted with their channels, so that no product needs its image transposed.
    """
    height, width, channels = images.shape[1:]
    down, right = tf.unstack(uniform[:, :, 0], axis=1)
    lines = tf.reshape(images, [-1, height, width * channels])
    lines = tf.matmul(_shift_matrices(down, height, 1), lines)
    lines = tf.matmul(lines, _shift_matrices(right, width, channels), transpose_b=True)
    return tf.reshape(lines, [-1, height, width, channels])


def _shift_matrices(uniform: tf.Tensor, side: int, channels: int) -> tf.Tensor:
    """[B] in [0, 1) -> float32 [B, N, N], N = side * channels; row i of each has its one at column i less the shift."""
    most = round(side * _SHIFT)
    shift = channels * (tf.floor(uniform * (2 * most + 1)) - most)
    line = tf.range(side * channels, dtype=tf.float32)
    return tf.cast(tf.equal(line[None, :, None] - line[None, None, :], shift[:, None, None]), tf.float32)


def _cut_out(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Makes a square of half the side grey, which may reach over the edge (DeVries and Taylor 2017, 1708.04552)."""
    height, width = images.shape[1:3]
    rows, columns = tf.unstack(uniform[:, :, 0], axis=1)
    hole = tf.logical_and(_in_hole(rows, height)[:, :, None], _in_hole(columns, width)[:, None, :])
    return tf.where(hole[..., None], 0.0, images)


def _in_hole(uniform: tf.Tensor, side: int) -> tf.Tensor:
    """[B] in [0, 1) -> bool [B, side]: whether a row or a column meets the hole, whose centre is drawn."""
    centre = tf.floor(uniform * (side + 1))[:, None]
    line = tf.range(side, dtype=tf.float32)[None, :]
    half = round(side * _HOLE) / 2
    return tf.logical_and(line >= centre - half, line < centre + half)


def _uniform(images: tf.Tensor, seed: tf.Tensor, count: int) -> tf.Tensor:
    """float32 [B, count, 1] in [0, 1): random numbers for each image."""
    return tf.random.stateless_uniform([images.shape[0], count, 1], seed)


class _Transform(NamedTuple):
    """A change by `numbers` random numbers of each image, uniform in [0, 1); `neutral` ones change nothing."""

    change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    numbers: int
    neutral: float


_TRANSFORMS = {
    _COLOR: _Transform(_color, 3, 0.5),
    _TRANSLATION: _Transform(_translate, 2, 0.5),
    _CUTOUT: _Transform(_cut_out, 2, 2.0),  # Far outside.
}
