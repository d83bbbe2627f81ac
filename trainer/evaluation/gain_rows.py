"""What generated images gain for a classifier: hold-out accuracy with and without them, for two classifiers.

Training on generated images only and testing on real ones is the classification accuracy score (CAS; Ravuri and Vinyals
2019, arXiv:1905.10887). Training on real ones and testing on generated ones is GAN-test (Shmelkov et al. 2018,
arXiv:1807.09499).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from absl import logging

from trainer.evaluation import known_images, small_cnn
from trainer.evaluation.agreement import Judge
from trainer.evaluation.known_images import KnownImages
from trainer.evaluation.small_cnn import SmallCnn
from trainer.evaluation.synthetic_pool import SyntheticPool
from trainer.features import extraction
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.generator.sampler import Generator
from trainer.labelling import ridge

RIDGE, CNN = CLASSIFIERS = ('ridge', 'cnn')
REAL, SHIFTS, SYNTHETIC = 'real', 'real + shifts', 'synthetic only'
SHARES = (0.1, 0.3, 1.0)
FILTERED = {f'real + shifts + {share:.0%} filtered': share for share in SHARES}
ROWS = (REAL, SHIFTS, SYNTHETIC, *FILTERED)


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to measure.

    Attributes:
      seeds: how often, each time with other weights, orders, shifts, synthetic images and, perhaps, real ones.
      per_label: real images of each label to train on, drawn by seed; 0 for all.
      steps: of the small network.
    """

    seeds: int
    per_label: int
    steps: int


@dataclasses.dataclass(frozen=True)
class Result:
    """One classifier, trained once.

    Attributes:
      row: what it was trained on, of ROWS.
      classifier: of CLASSIFIERS.
      seed: from 0.
      real, synthetic: images that it was trained on; shifted copies do not count.
      right: bool [M], whether it tells the label of each hold-out image.
      labels: int64 [M], these labels.
    """

    row: str
    classifier: str
    seed: int
    real: int
    synthetic: int
    right: np.ndarray
    labels: np.ndarray

    @property
    def accuracy(self) -> float:
        """The share of the hold-out images whose label it tells."""
        return float(self.right.mean())

    @property
    def mean_over_labels(self) -> float:
        """The mean, over the labels that the hold-out has, of the share that it tells."""
        return float(np.mean([self.right[self.labels == label].mean() for label in np.unique(self.labels)]))


@dataclasses.dataclass(frozen=True)
class Gain:
    """All that was measured.

    Attributes:
      results: of each row, classifier and seed; a row for which the filter has kept nothing has none.
      gan_test: for each seed, the share of the unfiltered pictures that the ridge classifier, trained on real images,
        gives their class: float64 [seeds].
      gan_test_of: the same of each class, float64 [seeds, K].
      verdicts: see `SyntheticPool`.
      short: for each class with fewer filtered pictures than the largest share takes: how many, and how many it takes.
    """

    results: tuple[Result, ...]
    gan_test: np.ndarray
    gan_test_of: np.ndarray
    verdicts: Sequence[Mapping[str, int]]
    short: Mapping[int, tuple[int, int]]

    def of(self, row: str, classifier: str) -> list[Result]:
        """The results of a row, by seed."""
        return [result for result in self.results if (result.row, result.classifier) == (row, classifier)]


def measure(train: KnownImages, holdout: KnownImages, generator: Generator, judge: Judge, settings: Settings) -> Gain:
    """Trains and tests all classifiers.

    Args:
      train, holdout: the real images; only these are held out, and only these count as real.
      generator: with classes, whose pictures are tried.
      judge: of the filter.
      settings: how often and how long.
    """
    assert generator.classes
    names = generator.classes.names
    counts = np.bincount(train.labels, minlength=len(names))
    if settings.per_label:
        counts = np.minimum(counts, settings.per_label)
    pool = SyntheticPool(generator, judge, counts.tolist(), settings.seeds)
    ridges, network = _Ridges(train, judge.extractor, len(names)), SmallCnn(train.pixels.shape[-1], len(names))
    results, tests = list[Result](), list[np.ndarray]()
    for seed in range(settings.seeds):
        random = np.random.default_rng(seed)
        real, unfiltered = train.drawn(settings.per_label, random), pool.unfiltered(seed)
        moved = _moved(real, judge.extractor, random)
        for row, known, copies, synthetic in _materials(real, moved, unfiltered, pool, seed):
            by_ridge, of_unfiltered = ridges.labels(
                [part for part in (known, copies, synthetic) if part], [holdout, unfiltered]
            )
            learned = known_images.joined([part for part in (known, synthetic) if part])
            network.train(learned.pixels, learned.labels, settings.steps, seed, shifts=copies is not None)
            sizes = len(known or ()), len(synthetic or ())
            found = [
                Result(row, classifier, seed, *sizes, given == holdout.labels, holdout.labels)
                for classifier, given in ((RIDGE, by_ridge), (CNN, network.labels(holdout.pixels)))
            ]
            logging.info('seed %d, %s: %s', seed, row, ', '.join(f'{r.classifier} {r.accuracy:.3f}' for r in found))
            results += found
            if row == REAL:
                tests.append(of_unfiltered == unfiltered.labels)
    kept = {label: (pool.kept(label), pool.wanted(label, max(SHARES))) for label in range(len(names))}
    return Gain(
        tuple(results),
        np.array([right.mean() for right in tests]),
        np.array([_by_class(right, unfiltered.labels, len(names)) for right in tests]),
        pool.verdicts,
        {label: (found, wanted) for label, (found, wanted) in kept.items() if found < wanted},
    )


def _materials(
    real: KnownImages, moved: KnownImages, unfiltered: KnownImages, pool: SyntheticPool, seed: int
) -> Iterator[tuple[str, KnownImages | None, KnownImages | None, KnownImages | None]]:
    """Each row that has images: its name, real images, shifted copies of these, and synthetic ones."""
    yield REAL, real, None, None
    yield SHIFTS, real, moved, None
    yield SYNTHETIC, None, None, unfiltered
    for row, share in FILTERED.items():
        kept = pool.filtered(seed, share)
        if len(kept):
            yield row, real, moved, kept


def _moved(real: KnownImages, extractor: Extractor, random: np.random.Generator) -> KnownImages:
    """One shifted copy of each image."""
    pixels = small_cnn.shifted(real.pixels, random)
    return KnownImages(pixels, real.labels, extraction.of_pixels(pixels, extractor))


def _by_class(right: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """The share that is right of each label, float64 [count]."""
    return np.bincount(labels, right, count) / np.maximum(np.bincount(labels, minlength=count), 1)


class _Ridges:
    """Ridge classifiers in one space: that of all training images, as `labelling.labeller` has it."""

    def __init__(self, train: KnownImages, extractor: Extractor, labels: int):
        layers = dict.fromkeys((extractor.early, extractor.late))
        self._spaces = {layer: Space.of(train.features[layer]) for layer in layers}
        self._labels = labels

    def labels(self, parts: Sequence[KnownImages], tested: Sequence[KnownImages]) -> list[np.ndarray]:
        """The labels that a classifier trained on all parts gives to other images: for each set of them int64 [N]."""
        vectors, labels = np.concatenate([self._vectors(part) for part in parts]), [part.labels for part in parts]
        fitted = ridge.regression(vectors, np.concatenate(labels), self._labels)
        return [fitted.scores(self._vectors(images)).argmax(axis=1) for images in tested]

    def _vectors(self, images: KnownImages) -> np.ndarray:
        return np.concatenate([space.embed(images.features[layer]) for layer, space in self._spaces.items()], axis=1)
