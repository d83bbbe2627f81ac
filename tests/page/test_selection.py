"""A page with some of its training images."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.page.test_page import make_page, unit
from trainer.page import selection
from trainer.page.content import Page, Vectors


def compared(samples: int = 30, count: int = 120) -> Page:
    """The page of `make_page`, with the vectors that it was made from."""
    train, made = unit(count, 0), unit(samples, 2)
    made[3] = train[7]
    layers = tuple(Vectors(likeness, train, made) for likeness in ('colour and texture', 'shape'))
    return dataclasses.replace(make_page(samples, count), vectors=layers)


def test_all_images_are_as_they_were():
    page = compared()
    whole = selection.part(page, 999, 24)
    assert (whole.dataset.numbers, whole.dataset.total, whole.vectors) == ((), 0, ())
    for made, given in (
        (whole.dataset.nearest[1], page.dataset.nearest[1]),
        (whole.generated.to_training[1], page.generated.to_training[1]),
        (whole.generated.from_training[1], page.generated.from_training[1]),
    ):
        np.testing.assert_array_equal(made.nearest.indices, given.nearest.indices)
        np.testing.assert_allclose(made.nearest.cosines, given.nearest.cosines)


def test_the_nearest_the_duplicates_and_the_outliers_stay_first():
    page = compared()
    kept = set(selection.chosen(page, 60).tolist())
    assert len(kept) == 60
    nearest = page.generated.to_training[1].nearest.indices[:, 0]
    assert set(nearest.tolist()) <= kept
    assert {number for cluster in page.dataset.clusters for number in cluster} <= kept
    assert {119, 118, 117} <= kept  # The least dense.
    assert all(len(selection.chosen(page, count)) == count for count in range(1, 121))


def test_images_without_a_reason_are_spread_over_the_set():
    page = compared(count=1000)
    bare = dataclasses.replace(page, dataset=dataclasses.replace(page.dataset, clusters=(), density=None))
    quarters = np.bincount(selection.chosen(bare, 400) // 250)
    assert quarters.min() > 70


@pytest.mark.parametrize('count', [1, 41, 60])
def test_what_is_said_of_an_image_goes_with_it(count):
    page = compared()
    small = selection.part(page, count, 5)
    numbers = np.array(small.dataset.numbers)
    assert small.dataset.total == 120 and len(small.dataset.images) == len(numbers) == count
    pixels = np.concatenate(list(small.dataset.images.batches(16)))
    assert [len(batch) for batch in small.dataset.images.batches(16)][:-1] == [16] * ((count - 1) // 16)
    np.testing.assert_array_equal(pixels, page.dataset.images.pixels[numbers])
    assert [entry.name for entry in small.dataset.entries] == [page.dataset.entries[i].name for i in numbers]
    np.testing.assert_array_equal(small.dataset.density, page.dataset.density[numbers])
    for suspect in small.dataset.suspects:
        assert numbers[suspect.number] in (3, 7)
    for cluster in small.dataset.clusters:
        assert numbers[cluster].tolist() in page.dataset.clusters
    rows = page.vectors[1].images[numbers]
    (_, layer), (_, back) = small.generated.to_training, small.generated.from_training
    expected = page.vectors[1].samples @ rows.T
    np.testing.assert_allclose(layer.nearest.cosines, -np.sort(-expected, axis=1)[:, :24], atol=1e-5)
    assert back.nearest.indices.shape == (count, 5)
    assert small.dataset.nearest[1].nearest.indices.shape == (count, min(5, count - 1))
