"""What an engine sees of a picture."""

from __future__ import annotations

import numpy as np
import pytest

from convert.reading import passes


def picture(height: int, width: int, ground, ink) -> np.ndarray:
    """A bar on a ground, uint8 [height, width, 3]."""
    pixels = np.full((height, width, 3), ground, np.uint8)
    pixels[height // 4 : -height // 4, width * 2 // 5 : width * 3 // 5] = ink
    return pixels


def within_variance(grey: np.ndarray, threshold: int) -> float:
    """The definition that Otsu's formula rearranges."""
    parts = [grey[grey <= threshold].astype(float), grey[grey > threshold].astype(float)]
    return sum(part.var() * part.size for part in parts if part.size)


@pytest.mark.parametrize('seed', range(4))
def test_the_threshold_leaves_the_least_variance_in_the_classes(seed):
    random = np.random.default_rng(seed)
    low, high = np.sort(random.integers(20, 230, 2))
    grey = np.where(random.random((20, 30)) < 0.3, random.normal(low, 15, (20, 30)), random.normal(high, 25, (20, 30)))
    grey = np.clip(grey, 0, 255).astype(np.uint8)
    least = min(within_variance(grey, threshold) for threshold in range(255))
    assert within_variance(grey, passes.otsu(grey)) == pytest.approx(least, rel=1e-12)


def test_the_threshold_lies_between_two_levels_and_a_flat_picture_has_none():
    assert 10 <= passes.otsu(np.array([[10, 10, 10, 240]], np.uint8)) < 240
    assert passes.otsu(np.full((3, 3), 200, np.uint8)) == 0


@pytest.mark.parametrize(
    ('ground', 'ink'), [((250, 240, 230), (20, 0, 60)), ((20, 0, 60), (250, 240, 230)), ((120, 40, 40), (90, 200, 90))]
)
def test_the_ground_becomes_white_whichever_is_lighter(ground, ink):
    seen = passes.black_on_white(picture(30, 30, ground, ink))
    assert set(np.unique(seen)) == {0, 255}
    assert (seen[[0, -1]] == 255).all() and (seen[:, [0, -1]] == 255).all()
    middle = len(seen) // 2
    assert (seen[middle, middle] == 0).all()
    assert (seen == 0).mean() < 0.2


@pytest.mark.parametrize('see', [passes.as_it_is, passes.black_on_white])
@pytest.mark.parametrize('level', [0, 255])
def test_a_blank_picture_stays_blank(see, level):
    blank = np.full((9, 5, 3), level, np.uint8)
    assert len(np.unique(see(blank))) == 1
    assert passes.is_blank(blank) and not passes.is_blank(picture(9, 5, level, 128))


def test_small_pictures_are_enlarged_and_framed_in_their_own_colour():
    seen = passes.as_it_is(picture(16, 8, (200, 10, 30), 0))
    assert seen.dtype == np.uint8 and seen.shape[2] == 3
    assert 64 <= seen.shape[0] <= 96 and seen.shape[0] - seen.shape[1] == 32
    assert (seen[0] == (200, 10, 30)).all() and (seen[:, -1] == (200, 10, 30)).all()


@pytest.mark.parametrize(('height', 'width'), [(1, 1), (2, 600), (600, 2), (300, 400)])
def test_no_shape_makes_a_huge_picture(height, width):
    for see in (passes.as_it_is, passes.black_on_white):
        seen = see(np.zeros((height, width, 3), np.uint8))
        assert min(seen.shape[:2]) >= 1 and seen.size <= 3 * 1600 * 800
