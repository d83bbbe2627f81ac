"""What a conditional DCGAN is conditioned on: the classes of its images, and how strongly they count in a step.

A step starts without classes and blends them in (transitional conditional GAN, Shahbazi et al. 2022, arXiv:2201.06578),
because a class with few images collapses where the whole set does not. Both networks take the classes of a batch as one
tensor, each row one-hot times that strength; a row of zeros is an image without a class.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan.hparams import HParams

UNLABELLED = -1
# Classes are drawn by this power of their size, between as they come (1) and all alike (0): a rare class is seen more
# often without being seen ten times as often as its images can bear.
_POWER = 0.5
_SHOWN = 12
STRENGTH = 'generator/class_strength'  # In checkpoints: of the last step, for the pictures that are made from them.


@dataclasses.dataclass(frozen=True)
class Classes:
    """The classes of a conditional run.

    Attributes:
      names: of the classes, in the order of their numbers; no two are alike.
      images: how many training images each has.
      unlabelled: how many have none.
    """

    names: tuple[str, ...]
    images: tuple[int, ...]
    unlabelled: int = 0

    def __post_init__(self) -> None:
        if len(self.names) != len(self.images) or len(set(self.names)) < len(self.names):
            raise ValueError(f'{len(self.images)} numbers of images are not one for each of {len(self.names)} names')
        if min(self.images, default=0) < 0 or self.unlabelled < 0 or not sum(self.images):
            raise ValueError('there are no images, or fewer')

    @classmethod
    def of(cls, names: Sequence[str], labels: np.ndarray) -> Classes:
        """The classes of images whose labels are int [N], -1 for none."""
        counts = np.bincount(labels + 1, minlength=len(names) + 1)
        return cls(tuple(names), tuple(counts[1:].tolist()), int(counts[0]))

    @property
    def summary(self) -> str:
        """The names and sizes of the largest classes, and how many images have none, for the log."""
        order = sorted(range(len(self.names)), key=lambda number: -self.images[number])
        shown = [f'{self.names[number]} {self.images[number]:,}' for number in order[:_SHOWN]]
        more = [f'{len(order) - _SHOWN} more'] if len(order) > _SHOWN else []
        return ', '.join([*shown, *more, *([f'{self.unlabelled:,} without a label'] if self.unlabelled else [])])

    @property
    def shares(self) -> np.ndarray:
        """The share of the images that have no label, then that of each class: float64 [1 + K]."""
        counts = np.array([self.unlabelled, *self.images], np.float64)
        return counts / counts.sum()

    @property
    def drawn_shares(self) -> np.ndarray:
        """The share of a training batch that has no label, then that of each class: float64 [1 + K].

        Images without a label keep their share; the classes divide the rest by the square root of their size.
        """
        shares = self.shares
        powers = shares[1:] ** _POWER
        return np.concatenate([shares[:1], (1 - shares[0]) * powers / max(powers.sum(), 1e-12)])

    @property
    def weights(self) -> np.ndarray:
        """How often an image of each class is drawn, relative to an even draw; [0] is for no label. float32 [1 + K]."""
        shares = self.shares
        return np.divide(self.drawn_shares, shares, out=np.zeros_like(shares), where=shares > 0).astype(np.float32)


def strength(hparams: HParams, step: tf.Tensor) -> tf.Tensor:
    """How strongly classes count at a step, float32 scalar: 0 at first, and 1 after `condition_after_kimg` twice."""
    after = 1000.0 * hparams.condition_after_kimg
    if not after:
        return tf.ones([])
    seen = tf.cast(step, tf.float32) * hparams.train_batch_size
    return tf.clip_by_value((seen - after) / after, 0.0, 1.0)


def one_hot(labels: tf.Tensor, classes: int, weight: tf.Tensor | float = 1.0) -> tf.Tensor:
    """int32 [B] -> float32 [B, classes]: `weight` in the column of each label, and zeros for -1."""
    return weight * tf.one_hot(labels, classes)


def kept_strength() -> tf.Variable:
    """The variable that keeps the strength of the last step, for pictures made from a checkpoint."""
    with v1.variable_scope('', reuse=v1.AUTO_REUSE):
        return v1.get_variable(STRENGTH, [], initializer=v1.zeros_initializer(), trainable=False)


def draw(seeds: tf.Tensor, shares: np.ndarray) -> tf.Tensor:
    """The class that each seed stands for, with the given shares; each row depends on its own seed alone.

    Args:
      seeds: int32 [N].
      shares: float64 [1 + K], of images without a class and of each class.

    Returns:
      int32 [N], from -1 to K - 1.
    """
    uniform = tf.map_fn(
        lambda seed: tf.random.stateless_uniform([], tf.stack([seed, 3])),
        seeds,
        fn_output_signature=tf.TensorSpec([], tf.float32),
    )
    return at_quantile(uniform, shares)


def at_quantile(uniform: tf.Tensor, shares: np.ndarray) -> tf.Tensor:
    """float32 [N] in [0, 1] -> int32 [N], from -1 to K - 1: the classes lie side by side, as wide as their shares."""
    # The last edge is left out, so that 1.0 itself falls into the last class.
    edges = tf.constant(np.cumsum(shares)[:-1], tf.float32)
    return tf.searchsorted(edges, uniform, side='right') + UNLABELLED
