"""Differentiable augmentation: random changes to all that the discriminator sees (Zhao et al. 2020, arXiv:2006.10738).

Real and generated images are augmented alike, in the discriminator's loss and in the generator's, so the changes do not
show in the samples. The discriminator sees far more distinct images and memorises them less. Shapes are static, and
every change is a sum, a product or a matrix product, which suits a TPU.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import tensorflow as tf

from trainer import errors

AUTO, NONE = 'auto', 'none'
_COLOR, _TRANSLATION, _CUTOUT = 'color', 'translation', 'cutout'
# The gain shrinks with the size of the set and becomes a loss at about 70,000 images (tables of the paper's
# repository). One kind of change is too little for 232 flags. All three are too much for 3,601 clothes, and as good as
# one for 2,059 hands (docs/experiments.md). Augmentation from the first step slows down a young generator, so it begins
# only when the discriminator has seen the images too often. Below 200 images the paper's choice stands, the
# first step: at 32 px it is better on hands and worse on clothes, at 64 px worse on hands (docs/experiments.md).
_VERY_FEW, _FEW, _SOME = 200, 1000, 50_000  # Images.
_FEW_PASSES = 30
_SHIFT = 1 / 8  # Largest shift, as a share of the image's side.
_HOLE = 1 / 2  # Side of the grey square, as a share of the image's side.


def parse(text: str) -> tuple[str, ...]:
    """'color,cutout' -> ('color', 'cutout'); 'none' -> (); 'auto' -> all, as if nothing were known of the set.

    Raises:
      errors.UserError: a name is unknown.
    """
    if text == AUTO:
        return tuple(_TRANSFORMS)
    names = tuple(text.split(',')) if text != NONE else ()
    for name in names:
        if name not in _TRANSFORMS:
            known = ', '.join(_TRANSFORMS)
            raise errors.UserError(
                f'--augment={text}: {name!r} is not an augmentation; give auto, none, or some of {known}, separated by '
                'commas'
            )
    return names


def resolve(images: int, channels: int) -> tuple[str, int]:
    """The augmentations that 'auto' chooses for so many images, and the number of epochs after which they begin."""
    if images > _SOME:
        return NONE, 0
    passes = 0 if images < _VERY_FEW else _FEW_PASSES
    if images >= _FEW:
        return _TRANSLATION, passes
    # Grey images differ in little besides brightness, so changing it would change the subject.
    return ','.join(name for name in _TRANSFORMS if name != _COLOR or channels > 1), passes


def augment(
    images: tf.Tensor, names: Sequence[str], share: float, seed: tf.Tensor, begun: tf.Tensor | bool = True
) -> tf.Tensor:
    """Augments images at random.

    If every image were changed, the generator could learn to make images that look changed, because the discriminator
    could not tell the difference (Karras et al. 2020, arXiv:2006.06676, section 2.2). If half of them are, it can.

    Args:
      images: float32 [B, H, W, C] in [-1, 1], B known.
      names: the changes, as `parse` returns them.
      share: share of the images that get each change, in [0, 1]; each change is decided independently.
      seed: int32 [2].
      begun: bool scalar, whether augmentation has begun. Before, every image gets neutral changes, which alter it by
        rounding only; so does an image that is not chosen. Selecting between changed and unchanged images would cost a
        TPU 3 % of its step.

    Returns:
      float32 [B, H, W, C]; the change of colours may leave [-1, 1].
    """
    for number, name in enumerate(names):
        transform = _TRANSFORMS[name]
        uniform = _uniform(images, tf.random.experimental.stateless_fold_in(seed, number), 1 + transform.numbers)
        chosen = tf.logical_and(begun, uniform[:, :1] < share)
        images = transform.change(images, tf.where(chosen, uniform[:, 1:], transform.neutral))
    return images


def flip(images: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Mirrors about half of the float32 images [B, H, W, C] left to right; for real images only, to double the set."""
    chosen = _uniform(images, seed, 1)[:, 0, :, None, None] < 0.5
    return tf.where(chosen, tf.reverse(images, [2]), images)


def _color(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Shifts brightness by -0.5 to 0.5, then multiplies saturation by 0 to 2, then contrast by 0.5 to 1.5."""
    brightness, saturation, contrast = tf.unstack(uniform[:, :, :, None, None], axis=1)
    images += brightness - 0.5
    grey = tf.reduce_mean(images, axis=3, keepdims=True)
    images = grey + 2.0 * saturation * (images - grey)
    mean = tf.reduce_mean(images, axis=[1, 2, 3], keepdims=True)
    return mean + (0.5 + contrast) * (images - mean)


def _translate(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Shifts by up to an eighth of the side in each direction and fills the gap with grey.

    The shifts are products with shifted identity matrices. A gather for each image would have a scatter as its
    gradient, which is slow on TPUs. Columns are shifted with their channels, so no product needs a transposed image.
    """
    height, width, channels = images.shape[1:]
    down, right = tf.unstack(uniform[:, :, 0], axis=1)
    lines = tf.reshape(images, [-1, height, width * channels])
    lines = tf.matmul(_shift_matrices(down, height, 1), lines)
    lines = tf.matmul(lines, _shift_matrices(right, width, channels), transpose_b=True)
    return tf.reshape(lines, [-1, height, width, channels])


def _shift_matrices(uniform: tf.Tensor, side: int, channels: int) -> tf.Tensor:
    """[B] in [0, 1) -> float32 [B, N, N], N = side * channels; row i of each has its 1 at column i - shift."""
    most = round(side * _SHIFT)
    shift = channels * (tf.floor(uniform * (2 * most + 1)) - most)
    line = tf.range(side * channels, dtype=tf.float32)
    return tf.cast(tf.equal(line[None, :, None] - line[None, None, :], shift[:, None, None]), tf.float32)


def _cut_out(images: tf.Tensor, uniform: tf.Tensor) -> tf.Tensor:
    """Makes a square of half the side grey; it may reach over the edge (DeVries and Taylor 2017, arXiv:1708.04552)."""
    height, width = images.shape[1:3]
    rows, columns = tf.unstack(uniform[:, :, 0], axis=1)
    hole = tf.logical_and(_in_hole(rows, height)[:, :, None], _in_hole(columns, width)[:, None, :])
    return tf.where(hole[..., None], 0.0, images)


def _in_hole(uniform: tf.Tensor, side: int) -> tf.Tensor:
    """[B] in [0, 1), the place of the hole's centre -> bool [B, side]: whether a row or a column crosses the hole."""
    centre = tf.floor(uniform * (side + 1))[:, None]
    line = tf.range(side, dtype=tf.float32)[None, :]
    half = round(side * _HOLE) / 2
    return tf.logical_and(line >= centre - half, line < centre + half)


def _uniform(images: tf.Tensor, seed: tf.Tensor, count: int) -> tf.Tensor:
    """float32 [B, count, 1] in [0, 1): random numbers for each image."""
    return tf.random.stateless_uniform([images.shape[0], count, 1], seed)


class _Transform(NamedTuple):
    """A change that takes `numbers` random numbers per image, uniform in [0, 1); `neutral` ones change nothing."""

    change: Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
    numbers: int
    neutral: float


_TRANSFORMS = {
    _COLOR: _Transform(_color, 3, 0.5),
    _TRANSLATION: _Transform(_translate, 2, 0.5),
    _CUTOUT: _Transform(_cut_out, 2, 2.0),  # The hole lies far outside the image.
}
