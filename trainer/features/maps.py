"""Prepares pictures for a network, and pools the feature maps that come out of it."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

# A batch of any number of pictures of any size.
PICTURES = tf.TensorSpec([None, None, None, 3], tf.uint8)


def rgb(pixels: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, 3 or 1] -> uint8 [N, H, W, 3]: grey is repeated."""
    return np.broadcast_to(pixels, (*pixels.shape[:3], 3))


def resized(pixels: tf.Tensor, side: int | tf.Tensor) -> tf.Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, side, side, 3] in [0, 255], bilinearly."""
    return tf.image.resize(tf.cast(pixels, tf.float32), [side, side], 'bilinear')


def averaged(maps: tf.Tensor, cells: int | tf.Tensor) -> tf.Tensor:
    """Maps [N, H, W, C] -> [N, cells * cells * C]: the mean of each cell of a grid, row by row."""
    grid = tf.image.resize(maps, [cells, cells], 'area')
    return tf.reshape(grid, [-1, cells * cells * maps.shape[-1]])
