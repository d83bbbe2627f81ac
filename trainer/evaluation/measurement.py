"""Measures what a generator has learned: features of training, hold-out and generated images, and their metrics."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
from absl import logging

from trainer import errors
from trainer.data.image_set import ImageSet
from trainer.evaluation.pictures import Pictures
from trainer.features import extraction
from trainer.features.extraction import Tick
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.metrics import copying, frechet, kid, manifold, twins

MIN_HOLDOUT = 20  # Fewer images say nothing about copying, and next to nothing about KID.
_FEWEST, _MOST = 1_000, 10_000
_LOG_S = 10


@dataclasses.dataclass(frozen=True)
class Settings:
    """How to measure; see the flags of `trainer.evaluate`."""

    k: int = 5
    subsets: int = 100
    seed: int = 0


@dataclasses.dataclass(frozen=True)
class Measure:
    """One metric of the generated images, and the value that real images get.

    Attributes:
      name: such as 'coverage'; a key of `report.MEANINGS`.
      generated: the metric.
      real: the same with real images in the place of generated ones.
      spread, real_spread: standard deviation over the subsets, None without subsets.
      compared: which images `generated` comes from, for people.
      real_compared: which images `real` comes from.
      parameters: other settings that decide the numbers.
    """

    name: str
    generated: float
    real: float
    compared: str
    real_compared: str
    spread: float | None = None
    real_spread: float | None = None
    parameters: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Vectors:
    """Images in one space, float32 [N, D], rows of length 1.

    Attributes:
      train, generated: the sets to compare.
      holdout: None if there is no hold-out, or if it has fewer than MIN_HOLDOUT images.
    """

    train: np.ndarray
    generated: np.ndarray
    holdout: np.ndarray | None


def default_count(train_images: int) -> int:
    """How many images to generate: as many as there are training images, but at least 1,000 and at most 10,000."""
    return min(max(train_images, _FEWEST), _MOST)


def check_size(train_images: int, generated: int, k: int) -> None:
    """Refuses sets that are too small for k nearest neighbours.

    Raises:
      errors.UserError: one of the sets has fewer than 2 (k + 1) images, so half of it may have no k-th neighbour.
    """
    least = 2 * (k + 1)
    for count, what, fix in (
        (train_images, 'training images', 'give more images, or a smaller --k'),
        (generated, 'generated images', f'give --count={least} or more, or a smaller --k'),
    ):
        if count < least:
            raise errors.UserError(f'{count} {what} are too few for --k={k}, which needs {least}: {fix}')


def embed(train: ImageSet, holdout: ImageSet | None, pictures: Pictures, extractor: Extractor) -> Vectors:
    """Vectors of the images by the extractor's late layer, centred by the mean of the training images."""
    raw = raw_features(train, extractor, 'training')
    space = Space.of(raw)
    of_train = space.embed(raw)
    del raw
    of_holdout = None
    if holdout and len(holdout) >= MIN_HOLDOUT:
        of_holdout = space.embed(raw_features(holdout, extractor, 'hold-out'))
    return Vectors(of_train, space.embed(generated_features(pictures, extractor)), of_holdout)


def raw_features(images: ImageSet, extractor: Extractor, what: str) -> np.ndarray:
    """Features of a data set by the late layer, as the network gives them, [N, D]."""
    return extraction.of_set(images, extractor, _log_progress(what, len(images)))[extractor.late]


def generated_features(pictures: Pictures, extractor: Extractor) -> np.ndarray:
    """Features of generated images by the late layer, [N, D]."""
    tick = _log_progress('generated', len(pictures))
    return extraction.of_batches(pictures.batches(extractor.batch), extractor, tick)[extractor.late]


def measure(vectors: Vectors, settings: Settings) -> list[Measure]:
    """All metrics that need only the vectors."""
    logging.info(
        'comparing %s training and %s generated images', f'{len(vectors.train):,}', f'{len(vectors.generated):,}'
    )
    measures = [_kid(vectors, settings), *_manifold(vectors, settings), _twins(vectors, settings)]
    return measures + (_copying(vectors, vectors.holdout) if vectors.holdout is not None else [])


def measure_fid(train: np.ndarray, generated: np.ndarray, settings: Settings) -> Measure:
    """Frechet distance of raw features [N, D] and [M, D] of Keras's Inception; not comparable with published FIDs."""
    logging.info('fid_keras: covariances of %d x %d', train.shape[1], train.shape[1])
    one, other = _halves(train, settings.seed)
    return Measure(
        'fid_keras',
        frechet.frechet_distance(train, generated),
        frechet.frechet_distance(one, other),
        f'{len(generated):,} generated, {len(train):,} training images',
        _HALVES.format(f'{len(one):,}'),
    )


_HALVES = 'two random halves of the training images, {} each'


def _kid(vectors: Vectors, settings: Settings) -> Measure:
    def distance(real: np.ndarray, fake: np.ndarray) -> kid.Kid:
        return kid.cosine_kid(real, fake, subsets=settings.subsets, seed=settings.seed)

    found = distance(vectors.train, vectors.generated)
    if vectors.holdout is not None:
        floor = distance(vectors.train, vectors.holdout)
        real_compared = f'{len(vectors.holdout):,} hold-out, {len(vectors.train):,} training images'
    else:
        one, other = _halves(vectors.train, settings.seed)
        floor, real_compared = distance(one, other), _HALVES.format(f'{len(one):,}')
    return Measure(
        'kid',
        found.mean,
        floor.mean,
        f'{len(vectors.generated):,} generated, {len(vectors.train):,} training images',
        real_compared,
        found.std,
        floor.std,
        {'subsets': settings.subsets, 'subset_size': found.subset_size, 'real_subset_size': floor.subset_size},
    )


def _manifold(vectors: Vectors, settings: Settings) -> list[Measure]:
    """Compares sets of equal size, because these metrics depend on the size."""
    count = min(len(vectors.train), len(vectors.generated))
    order = np.random.default_rng(settings.seed).permutation(len(vectors.train))
    real, fake = vectors.train[np.sort(order[:count])], vectors.generated[:count]
    found = dataclasses.asdict(manifold.manifold(real, fake, settings.k))
    one, other = (half[:count] for half in _halves(vectors.train, settings.seed))
    floor = dataclasses.asdict(manifold.manifold(one, other, settings.k))
    compared = f'{count:,} generated, {count:,} training images'
    real_compared = f'{len(other):,} training images against {len(one):,} others'
    return [
        Measure(name, found[name], floor[name], compared, real_compared, parameters={'k': settings.k}) for name in found
    ]


def _twins(vectors: Vectors, settings: Settings) -> Measure:
    count = min(len(vectors.train), len(vectors.generated))
    chosen = np.random.default_rng(settings.seed).permutation(len(vectors.train))[:count]
    return Measure(
        'twins',
        twins.twin_share(vectors.generated[:count]),
        twins.twin_share(vectors.train[chosen]),
        f'{count:,} generated images',
        f'{count:,} training images',
        parameters={'cosine': twins.NEAR},
    )


def _copying(vectors: Vectors, holdout: np.ndarray) -> list[Measure]:
    """Compared with itself, a hold-out gets 0, one half and 5 % by definition."""
    found = copying.copying_test(vectors.train, holdout, vectors.generated)
    compared = (
        f'{len(vectors.generated):,} generated, {len(holdout):,} hold-out, {len(vectors.train):,} training images'
    )
    return [
        Measure(name, value, expected, compared, 'by definition')
        for name, value, expected in (
            ('copying_z', found.z, 0.0),
            ('copying_nearer', found.nearer, 0.5),
            ('copying_close', found.close, copying.CLOSE / 100),
        )
    ]


def _halves(rows: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    order = np.random.default_rng(seed).permutation(len(rows))
    half = len(rows) // 2
    return rows[order[:half]], rows[order[half : 2 * half]]


def _log_progress(what: str, total: int) -> Tick:
    """A tick that logs at most every 10 s."""
    last = [time.monotonic()]

    def tick(done: int) -> None:
        if time.monotonic() - last[0] >= _LOG_S:
            last[0] = time.monotonic()
            logging.info('%s of %s %s images', f'{done:,}', f'{total:,}', what)

    return tick
