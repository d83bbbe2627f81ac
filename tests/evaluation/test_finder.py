"""What of the training images goes on a page, so that other pictures can be compared with them."""

from __future__ import annotations

import numpy as np
import pytest

from tests.page.test_page import unit
from trainer.evaluation import finder
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.features.squeezenet import SqueezeNet

LENGTH = 512


@pytest.fixture(scope='module')
def extractor() -> SqueezeNet:
    return SqueezeNet()


def vectors(count: int, seed: int, rank: int = 16) -> np.ndarray:
    """Of length 1, in a few dimensions and little beside, as features are."""
    few = np.random.default_rng(7).normal(size=(rank, LENGTH)) + 0.05 * unit(rank, 8, LENGTH)
    rows = np.random.default_rng(seed).normal(size=(count, rank)) @ few + np.random.default_rng(seed + 1).normal(
        size=(count, LENGTH)
    )
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


SPACE = Space(np.zeros(LENGTH, np.float32))


def test_few_images_lose_nothing(extractor):
    images, samples = vectors(50, 0), vectors(20, 1)
    found, reason = finder.of(extractor, SPACE, images, samples)
    assert (found.axes, found.note, reason) == (None, '', '')
    np.testing.assert_array_equal(found.images, images)
    assert list(found.numbers) == list(range(50))


def test_more_images_keep_fewer_numbers_each_and_say_what_that_costs(extractor, monkeypatch):
    monkeypatch.setattr(finder, '_MOST_NUMBERS', 300 * 102)
    images, samples = vectors(300, 0), vectors(60, 1)
    found, _ = finder.of(extractor, SPACE, images, samples)
    assert found.axes.shape == (100, LENGTH) and found.images.shape == (300, 100) and found.samples.shape == (60, 100)
    np.testing.assert_allclose(found.axes @ found.axes.T, np.eye(100), atol=1e-5)
    same = np.mean((samples @ images.T).argmax(1) == (found.samples @ found.images.T).argmax(1))
    assert same > 0.8
    assert found.note == (
        f'This page has room for 100 of 512 numbers of each: of the samples, {same:.0%} have the same nearest training '
        'image as by all of them.'
    )


def test_of_very_many_images_some_are_left_out(extractor, monkeypatch):
    monkeypatch.setattr(finder, '_MOST_NUMBERS', 100 * 64)
    found, _ = finder.of(extractor, SPACE, vectors(299, 0), vectors(20, 1))
    assert list(found.numbers) == list(range(0, 299, 3)) and found.images.shape == (100, 64)
    assert 'room for 100 of 299 training images and 64 of 512 numbers of each' in found.note


def test_another_extractor_gives_the_reason_instead():
    found, reason = finder.of(Pixels(), SPACE, vectors(9, 0), vectors(3, 1))
    assert found is None and 'compared by pixels' in reason and '--extractor=squeezenet' in reason
