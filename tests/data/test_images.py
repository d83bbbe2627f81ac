from __future__ import annotations

import io

import numpy as np
import tensorflow as tf
from PIL import Image

from trainer.data import images


def test_all_256_values_survive_the_round_trip():
    pixels = np.arange(256, dtype=np.uint8)
    seen = images.to_model_range(tf.constant(pixels))
    assert seen.dtype == tf.float32
    assert (float(seen[0]), float(seen[255])) == (-1.0, 1.0)
    np.testing.assert_array_equal(images.to_uint8(seen).numpy(), pixels)


def test_all_256_values_survive_in_bfloat16_to_within_its_precision():
    pixels = np.arange(256, dtype=np.uint8)
    seen = tf.cast(images.to_model_range(tf.constant(pixels)), tf.bfloat16)
    assert np.abs(images.to_uint8(seen).numpy().astype(int) - pixels).max() <= 1


def test_values_out_of_range_are_clipped_and_not_wrapped():
    np.testing.assert_array_equal(images.to_uint8(tf.constant([-1.5, 1.5])).numpy(), [0, 255])


def test_grid_puts_tiles_row_by_row():
    tiles = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones([1, 2, 3, 1], np.uint8)
    grid = images.tile_grid(tiles + 1, columns=2)
    assert grid.shape == (3 * 2, 2 * 3, 1)
    np.testing.assert_array_equal(grid[::2, ::3, 0], [[1, 2], [3, 4], [5, 0]])


def test_grid_of_any_count_is_nearly_square():
    assert [images.grid_columns(count) for count in (1, 2, 5, 64, 100)] == [1, 2, 3, 8, 10]
    assert images.grid_columns(3, columns=10) == 3


def test_png_is_lossless_for_grey_and_colour(tmp_path):
    for channels in (1, 3):
        picture = np.random.default_rng(0).integers(0, 256, [5, 7, channels], dtype=np.uint8)
        path = str(tmp_path / 'new' / f'{channels}.png')
        images.write_png(path, picture)
        np.testing.assert_array_equal(np.asarray(Image.open(path)).reshape(picture.shape), picture)
    assert sorted(path.name for path in (tmp_path / 'new').iterdir()) == ['1.png', '3.png']


def test_gif_has_all_frames():
    frames = [np.full([4, 4, 3], level, np.uint8) for level in (0, 100, 200)]
    assert Image.open(io.BytesIO(images.encode_gif(frames, 50))).n_frames == 3
