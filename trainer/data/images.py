"""Defines the pixel range and writes pictures; no other module does.

The network sees float32 in [-1, 1]; everything on disk is uint8 in [0, 255].
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont, PngImagePlugin

from trainer.filesystem import files

_HALF_RANGE = 127.5
_SMALLEST_FONT, _LARGEST_FONT, _LONGEST_NAME = 9, 20, 16  # px, px, letters.
_SOFTWARE = 'Software'  # The keyword of the PNG specification.
GENERATED = 'tpu-dcgan generated'  # The software of generated pictures, by which the converter knows them.


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
      columns: images per row; 0 chooses the squarest grid.
    """
    count, height, width, channels = images.shape
    columns = grid_columns(count, columns)
    rows = math.ceil(count / columns)
    tiles = np.zeros((rows * columns, height, width, channels), np.uint8)
    tiles[:count] = images
    grid = tiles.reshape(rows, columns, height, width, channels).transpose(0, 2, 1, 3, 4)
    return grid.reshape(rows * height, columns * width, channels)


def with_row_names(grid: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Adds a margin at the left of uint8 [rows * H, W, C] with the name of each row, white on black."""
    height = len(grid) // len(names)
    font = ImageFont.load_default(size=max(_SMALLEST_FONT, min(height // 3, _LARGEST_FONT)))
    shown = [name if len(name) <= _LONGEST_NAME else f'{name[: _LONGEST_NAME - 1]}…' for name in names]
    width = math.ceil(max(font.getlength(name) for name in shown)) + height // 4
    margin = Image.new('L', (width, len(grid)))
    for row, name in enumerate(shown):
        ImageDraw.Draw(margin).text((width - height // 8, (row + 0.5) * height), name, 255, font, anchor='rm')
    return np.concatenate([np.repeat(np.asarray(margin)[..., None], grid.shape[-1], axis=2), grid], axis=1)


def grid_columns(count: int, columns: int = 0) -> int:
    """How many of `count` tiles lie in a row of the grid when `columns` are asked for; 0 chooses the squarest."""
    return min(columns or math.ceil(math.sqrt(count)), count)


def encode_png(image: np.ndarray, software: str = '') -> bytes:
    """uint8 [H, W, C], C of 1 or 3 -> the bytes of a PNG file, whose metadata name `software`, if given."""
    buffer, text = io.BytesIO(), PngImagePlugin.PngInfo()
    if software:
        text.add_text(_SOFTWARE, software)
    # Level 1 takes a third of the time, for 3 % more bytes.
    _to_pillow(image).save(buffer, 'PNG', compress_level=1, pnginfo=text)
    return buffer.getvalue()


def software_of(head: bytes) -> str:
    """The software named in the beginning of a PNG file; '' if there is none, or if it is not a PNG file."""
    try:
        with Image.open(io.BytesIO(head), formats=['PNG']) as picture:
            return str(picture.info.get(_SOFTWARE, ''))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return ''


def encode_gif(frames: Sequence[np.ndarray], frame_ms: int) -> bytes:
    """uint8 frames [H, W, C], shown `frame_ms` milliseconds each -> the bytes of an endless animated GIF."""
    buffer = io.BytesIO()
    first, *rest = [_to_pillow(frame) for frame in frames]
    first.save(buffer, 'GIF', save_all=True, append_images=rest, duration=frame_ms, loop=0)
    return buffer.getvalue()


def write_png(path: str, image: np.ndarray, software: str = '') -> None:
    """Writes one uint8 picture [H, W, C] to a local or gs:// path, whole or not at all; `software` as `encode_png`."""
    files.write_bytes(path, encode_png(image, software))


def _to_pillow(image: np.ndarray) -> Image.Image:
    return Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
