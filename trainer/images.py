"""The one place for the pixel range, and for writing pictures.

The network sees float32 in [-1, 1]; everything on disk is uint8 in [0, 255].
"""

from __future__ import annotations

import io
import math
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image

from trainer import storage

_HALF_RANGE = 127.5


def to_model_range(images: tf.Tensor) -> tf.Tensor:
    """uint8 [...] in [0, 255] -> float32 [...] in [-1, 1]."""
    return tf.cast(images, tf.float32) / _HALF_RANGE - 1.0


def to_uint8(images: tf.Tensor) -> tf.Tensor:
    """float [...] in [-1, 1] -> uint8 [...] in [0, 255]; rounds, so that it undoes `to_model_range` exactly."""
    pixels = tf.round((tf.cast(images, tf.float32) + 1.0) * _HALF_RANGE)
    return tf.cast(tf.clip_by_value(pixels, 0.0, 255.0), tf.uint8)


def tile_grid(images: np.ndarray, columns: int = 0) -> np.ndarray:
    """Lays uint8 images [N, H, W, C] out as one uint8 picture [rows * H, columns * W, C], row by row.

    Args:
      images: any number of images, at least one; empty tiles at the end stay black.
      columns: images a row; 0 chooses the squarest grid.
    """
    count, height, width, channels = images.shape
    columns = grid_columns(count, columns)
    rows = math.ceil(count / columns)
    tiles = np.zeros((rows * columns, height, width, channels), np.uint8)
    tiles[:count] = images
    grid = tiles.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, channels)


def grid_columns(count: int, columns: int = 0) -> int:
    """How many of `count` tiles lie in a row of the grid when `columns` are asked for; 0 chooses the squarest."""
    return min(columns or math.ceil(math.sqrt(count)), count)


def encode_png(image: np.ndarray) -> bytes:
    """uint8 [H, W, C], C of 1 or 3 -> the bytes of a PNG file."""
    buffer = io.BytesIO()
    _to_pillow(image).save(buffer, 'PNG', compress_level=1)  # A third of the time, for 3 % more bytes.
    return buffer.getvalue()


def encode_gif(frames: Sequence[np.ndarray], frame_ms: int) -> bytes:
    """uint8 frames [H, W, C], shown `frame_ms` milliseconds each -> the bytes of an endless animated GIF."""
    buffer = io.BytesIO()
    first, *rest = [_to_pillow(frame) for frame in frames]
    first.save(buffer, 'GIF', save_all=True, append_images=rest, duration=frame_ms, loop=0)
    return buffer.getvalue()


def write_png(path: str, image: np.ndarray) -> None:
    """Writes one uint8 picture [H, W, C] to a local or gs:// path, whole or not at all."""
    write_bytes(path, encode_png(image))


def write_bytes(path: str, data: bytes) -> None:
    """Writes a file to a local or gs:// path so that no reader ever sees half of it; makes its folder."""
    # An object appears when it is whole; a file must be renamed into place.
    temporary = path if storage.is_remote(path) else f'{path}.tmp'
    make_folder(os.path.dirname(path))
    with tf.io.gfile.GFile(temporary, 'wb') as file:
        file.write(data)
    if temporary != path:
        tf.io.gfile.rename(temporary, path, overwrite=True)


def make_folder(path: str) -> None:
    """Makes a local folder; on gs:// there are none, and to ask for one in a bucket that is not there takes minutes."""
    if not storage.is_remote(path):
        tf.io.gfile.makedirs(path or '.')


def _to_pillow(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
