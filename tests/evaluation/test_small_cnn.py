"""The small classifier: it learns, by its seed alone, on images of any size; and shifts only move images."""

from __future__ import annotations

import numpy as np

from trainer.evaluation import small_cnn
from trainer.evaluation.small_cnn import SmallCnn


def striped(count: int, side: int, channels: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Noise under rows or columns of light, uint8 [count, side, side, channels], and which of the two each has."""
    random = np.random.default_rng(seed)
    labels = np.arange(count) % 2
    light = np.broadcast_to(np.arange(side) // 4 % 2 * 120, [side, side])
    pixels = random.integers(0, 120, [count, side, side, channels]) + np.stack([light, light.T])[labels][..., None]
    return pixels.astype(np.uint8), labels.astype(np.int64)


def test_it_tells_rows_from_columns_and_depends_on_the_seed_alone():
    """On images that it averages to half their size; tests/test_gain.py has others."""
    network, found = SmallCnn(1, 2), {}
    pixels, labels = striped(40, 64, 1, 0)
    tested, wanted = striped(60, 64, 1, 1)
    for name, seed in (('first', 0), ('other', 1), ('again', 0)):
        network.train(pixels, labels, 10, seed, shifts=False)
        found[name] = network._weights[-2].numpy()
        assert (network.labels(tested) == wanted).mean() > 0.9
    np.testing.assert_allclose(found['first'], found['again'], atol=1e-4)
    assert np.abs(found['first'] - found['other']).max() > 0.01
    assert network.labels(tested[:0]).shape == (0,)


def test_batches_have_all_images_equally_often():
    batches = small_cnn._batches(24, np.random.default_rng(0))
    counts = np.bincount(np.concatenate([next(batches) for _ in range(3)]), minlength=24)
    assert counts.tolist() == [8] * 24


def test_shifts_move_images_by_at_most_an_eighth_each_on_its_own():
    y, x = np.mgrid[0:32, 0:32]
    pixels = np.stack([np.stack([y, x], axis=-1)] * 900).astype(np.uint8)  # Each pixel says where it was.
    moved = small_cnn.shifted(pixels, np.random.default_rng(0)).astype(int)
    offsets = moved[:, 16, 16] - 16
    assert sorted(set(offsets.ravel().tolist())) == list(range(-4, 5))
    assert len(np.unique(offsets, axis=0)) == 81
    np.testing.assert_array_equal(moved[..., 0], np.clip(y + offsets[:, 0, None, None], 0, 31))
    np.testing.assert_array_equal(moved[..., 1], np.clip(x + offsets[:, 1, None, None], 0, 31))
