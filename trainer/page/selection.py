"""A page with fewer of its training images: which ones stay, and what is then said of them."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from trainer.page import comparison, finder_fitting
from trainer.page.content import DatasetPart, Generated, Images, Layer, Page, Suspect, Vectors

# The largest share of the images for each reason to stay; the others are spread over the whole set.
_NEAR_SAMPLES, _DUPLICATES, _OUTLIERS = 0.5, 0.125, 0.0625


def part(page: Page, count: int, neighbours: int, numbers: int = finder_fitting.MOST_NUMBERS) -> Page:
    """The page with `count` of its training images, compared anew.

    Args:
      page: with `vectors`.
      count: at least 1; all if there are fewer.
      neighbours: the largest number of neighbours of each training image. Those of samples stay as many as they are.
      numbers: the most numbers that the finder may keep, of all images together.
    """
    assert page.dataset and page.generated
    total = len(page.dataset.images)
    kept = chosen(page, min(count, total))
    few = [dataclasses.replace(vectors, images=vectors.images[kept]) for vectors in page.vectors]
    dataset = page.dataset if len(kept) == total else _some(page.dataset, kept)
    live = page.live
    if live and live.finder:
        live = dataclasses.replace(live, finder=finder_fitting.fitted(live.finder, kept, numbers))
    return dataclasses.replace(
        page,
        dataset=dataclasses.replace(dataset, nearest=tuple(_among(few, neighbours))),
        generated=_generated(page.generated, few, page.neighbours, neighbours),
        live=live,
        vectors=(),
    )


def chosen(page: Page, count: int) -> np.ndarray:
    """The numbers of the training images that stay, int [count], rising.

    First come those that are nearest to the samples, duplicates and outliers, each up to a share; the rest is spread
    evenly over the set.
    """
    assert page.dataset
    total = len(page.dataset.images)
    if count >= total:
        return np.arange(total)
    stays = np.zeros(total, bool)
    for wanted, share in _wanted(page):
        new = [number for number in dict.fromkeys(wanted.tolist()) if not stays[number]]
        stays[new[: int(share * count)]] = True
    others = np.flatnonzero(~stays)
    left = count - (total - len(others))
    stays[others[np.arange(left) * len(others) // max(left, 1)]] = True
    return np.flatnonzero(stays)


def _wanted(page: Page) -> Iterator[tuple[np.ndarray, float]]:
    """Yields the numbers of images that should stay, the most wanted first, and their largest share of all."""
    assert page.dataset and page.generated
    layers = [np.asarray(layer.nearest.indices) for layer in reversed(page.generated.to_training)]
    ranks = range(layers[0].shape[1])
    yield np.concatenate([layer[:, rank] for rank in ranks for layer in layers]), _NEAR_SAMPLES
    yield np.array([number for cluster in page.dataset.clusters for number in cluster], int), _DUPLICATES
    if page.dataset.density is not None:
        yield np.argsort(page.dataset.density, kind='stable'), _OUTLIERS


def _some(dataset: DatasetPart, kept: np.ndarray) -> DatasetPart:
    numbers = kept.tolist()
    places = {number: place for place, number in enumerate(numbers)}
    clusters = ([places[number] for number in cluster if number in places] for cluster in dataset.clusters)
    return dataclasses.replace(
        dataset,
        images=_Some(dataset.images, kept),
        entries=[dataset.entries[number] for number in numbers],
        density=None if dataset.density is None else dataset.density[kept],
        clusters=[cluster for cluster in clusters if len(cluster) > 1],
        suspects=_moved(dataset.suspects, places),
        numbers=numbers,
        total=len(dataset.images),
    )


def _moved(suspects: Sequence[Suspect], places: Mapping[int, int]) -> list[Suspect]:
    return [dataclasses.replace(one, number=places[one.number]) for one in suspects if one.number in places]


def _among(vectors: Sequence[Vectors], count: int) -> Iterator[Layer]:
    for layer in vectors:
        yield Layer(layer.likeness, comparison.nearest(layer.images, layer.images, count, exclude_self=True))


def _generated(generated: Generated, vectors: Sequence[Vectors], of_samples: int, of_images: int) -> Generated:
    to, back = [], []
    for layer in vectors:
        to.append(Layer(layer.likeness, comparison.nearest(layer.samples, layer.images, of_samples)))
        back.append(Layer(layer.likeness, comparison.nearest(layer.images, layer.samples, of_images)))
    return dataclasses.replace(generated, to_training=tuple(to), from_training=tuple(back))


@dataclasses.dataclass(frozen=True)
class _Some:
    """Some of many pictures, which are read again each time."""

    images: Images
    kept: np.ndarray

    def __len__(self) -> int:
        return len(self.kept)

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """See `Images`."""
        begin, waiting, count = 0, [], 0
        for batch in self.images.batches(size):
            at = np.searchsorted(self.kept, [begin, begin + len(batch)])
            picked = batch[self.kept[at[0] : at[1]] - begin]
            begin, count = begin + len(batch), count + len(picked)
            waiting.append(picked)
            if count >= size:
                joined = np.concatenate(waiting)
                yield joined[:size]
                waiting, count = [joined[size:]], count - size
        if count:
            yield np.concatenate(waiting)
