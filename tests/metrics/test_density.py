from __future__ import annotations

import numpy as np
import pytest

from trainer.features.space import Space
from trainer.metrics import neighbours
from trainer.metrics.density import local_density


def directions(count: int, centre: int, spread: float, seed: int) -> np.ndarray:
    """float32 [count, 40], about one of the axes."""
    rows = np.random.default_rng(seed).normal(size=(count, 40)) * spread
    rows[:, centre] += 1
    return rows.astype(np.float32)


def contaminated(share: float) -> tuple[np.ndarray, np.ndarray]:
    """Features of a set in which a share of images is foreign but alike, and a mask of the foreign ones."""
    foreign = round(400 * share)
    raw = np.concatenate([directions(400 - foreign, 0, 0.2, 0), directions(foreign, 1, 0.03, 1)])
    return raw, np.arange(400) >= 400 - foreign


@pytest.mark.parametrize('share', [0.05, 0.2, 0.25])
def test_foreign_images_are_least_typical_also_where_they_are_densest(share):
    raw, foreign = contaminated(share)
    lowest = np.argsort(local_density(raw))[: foreign.sum()]
    assert foreign[lowest].mean() > 0.95
    # By nearest neighbours each foreign image is more typical than any other image.
    embedded = Space.of(raw).embed(raw)
    distances = neighbours.nearest(embedded, embedded, 10, exclude_self=True)[1].mean(axis=1)
    assert distances[foreign].max() < distances[~foreign].min()


def test_a_lone_foreign_image_is_the_least_typical():
    raw = np.concatenate([directions(200, 0, 0.2, 0), directions(1, 5, 0.2, 1)])
    assert np.argmin(local_density(raw)) == 200


def test_typical_images_get_about_minus_one_half():
    density = local_density(directions(500, 0, 0.2, 0))
    assert density.dtype == np.float32
    assert np.median(density) == pytest.approx(-0.55, abs=0.1)
    assert density.max() < 0


def test_only_the_direction_of_the_features_counts():
    raw = directions(100, 0, 0.2, 0)
    longer = raw * np.random.default_rng(1).uniform(1, 50, (100, 1)).astype(np.float32)
    np.testing.assert_allclose(local_density(longer), local_density(raw), rtol=1e-3)


def test_rounded_features_as_they_are_kept_give_the_same():
    raw = directions(100, 0, 0.2, 0)
    np.testing.assert_allclose(local_density(raw.astype(np.float16)), local_density(raw), rtol=0.05)


@pytest.mark.parametrize('raw', [np.ones([2, 8]), np.zeros([9, 8]), np.eye(3), np.full([50, 3], 1e4)])
def test_images_that_are_few_or_all_alike_are_no_trouble(raw):
    density = local_density(raw.astype(np.float32))
    assert density.shape == (len(raw),)
    assert np.isfinite(density).all()


def test_more_images_than_the_components_are_found_from():
    raw = np.concatenate([directions(5000, 0, 0.2, 0), directions(500, 1, 0.03, 1)])
    assert (np.argsort(local_density(raw))[:500] >= 5000).mean() > 0.95
