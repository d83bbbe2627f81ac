"""What of the training images goes on a page, so that other pictures can be compared with them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.page.test_live import small_network
from tests.page.test_page import unit
from trainer.page import finder_fitting
from trainer.page.live_content import Finder

LENGTH = 512


def vectors(count: int, seed: int, rank: int = 16) -> np.ndarray:
    """Of length 1, in a few dimensions and little beside, as features are."""
    few = np.random.default_rng(7).normal(size=(rank, LENGTH)) + 0.05 * unit(rank, 8, LENGTH)
    rows = np.random.default_rng(seed).normal(size=(count, rank)) @ few + np.random.default_rng(seed + 1).normal(
        size=(count, LENGTH)
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def whole(images: int, samples: int) -> Finder:
    rows = vectors(images, 0)
    return Finder(small_network(), (0, 0, 0), np.zeros(LENGTH), None, rows, range(images), vectors(samples, 1))


def test_few_images_lose_nothing():
    finder = whole(50, 20)
    found = finder_fitting.fitted(finder, np.arange(50), finder_fitting.MOST_NUMBERS)
    assert (found.axes, found.note, list(found.numbers)) == (None, '', list(range(50)))
    np.testing.assert_array_equal(found.images, finder.images)


def test_more_images_keep_fewer_numbers_each_and_say_what_that_costs():
    finder = whole(300, 60)
    found = finder_fitting.fitted(finder, np.arange(300), 300 * 102)
    assert found.axes.shape == (100, LENGTH) and found.images.shape == (300, 100) and found.samples.shape == (60, 100)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(100), atol=1e-5)
    same = np.mean((finder.samples @ finder.images.T).argmax(1) == (found.samples @ found.images.T).argmax(1))
    assert same > 0.8
    assert found.note == (
        f'This page has room for 100 of 512 numbers of each: of the samples, {same:.0%} have the same nearest of these '
        'images as by all numbers.'
    )


@pytest.mark.parametrize(
    ('kept', 'most', 'numbers'), [(range(0, 299, 3), 10**6, range(100)), (range(299), 100 * 64, range(0, 299, 3))]
)
def test_images_that_are_not_on_the_page_are_left_out(kept, most, numbers):
    finder = whole(299, 20)
    found = finder_fitting.fitted(finder, np.array(kept), most)
    assert list(found.numbers) == list(numbers)
    np.testing.assert_allclose(
        found.images, finder.images[::3] if found.axes is None else finder.images[::3] @ found.axes.T, atol=1e-6
    )
    assert 'This page has room for 100 of 299 training images' in found.note
    assert found.note.endswith('One that is nearer may be missing.')
