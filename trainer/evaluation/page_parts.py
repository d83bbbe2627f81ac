"""The parts of the page of trainer.explore: samples and training images beside those that they are like."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
from absl import logging

from trainer.data.image_set import ImageSet
from trainer.evaluation import finder
from trainer.features import extraction
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.metrics import density, duplicates
from trainer.page import comparison
from trainer.page.content import DatasetPart, Generated, Layer, Vectors
from trainer.page.live_content import Finder


@dataclasses.dataclass(frozen=True)
class Samples:
    """What the generator made.

    Attributes:
      pixels: uint8 [N, H, W, C].
      seeds: of each.
      command: makes a sample again if ` --seeds=SEED` is appended.
      labels: the name of each one's class, '' for none; () for an unconditional generator.
    """

    pixels: np.ndarray
    seeds: range
    command: str
    labels: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Compared:
    """What `compare` finds.

    Attributes:
      generated, dataset: the two tabs, without the neighbours of training images.
      vectors: by which a page compares those training images that it has room for.
      finder: finds the images nearest to any other picture; None if it cannot be on a page.
      finder_note: why it cannot.
    """

    generated: Generated
    dataset: DatasetPart
    vectors: tuple[Vectors, ...]
    finder: Finder | None
    finder_note: str


def compare(samples: Samples, train: ImageSet, holdout: ImageSet | None, extractor: Extractor, count: int) -> Compared:
    """Compares samples with training images.

    Args:
      samples: the generated images.
      train, holdout: the data set.
      extractor: the features to compare by.
      count: number of neighbours of each sample.
    """
    logging.info('%s: %d samples, %d training images', extractor.name, len(samples.seeds), len(train))
    raw = extraction.of_set(train, extractor)
    raw_samples = extraction.of_pixels(samples.pixels, extractor)
    raw_holdout = extraction.of_set(holdout, extractor) if holdout else {}
    to_training, vectors = [], []
    for layer, likeness in comparison.likenesses(extractor):
        space = Space.of(raw[layer])
        images, made = space.embed(raw[layer]), space.embed(raw_samples[layer])
        to_training.append(Layer(likeness, comparison.nearest(made, images, count)))
        vectors.append(Vectors(likeness, images, made))
    real = space.embed(raw_holdout[layer]) if raw_holdout else None  # The late layer is the last of the loop.
    generated = Generated(
        pixels=samples.pixels,
        seeds=samples.seeds,
        command=samples.command,
        to_training=tuple(to_training),
        from_training=(),
        nearest_cosines=to_training[-1].nearest.cosines[:, 0],
        scale=comparison.scale(images, real),
        labels=samples.labels,
    )
    dataset = DatasetPart(
        images=train,
        entries=train.entries(),
        label_names=train.labels,
        density=density.local_density(raw[extractor.late]),
        clusters=duplicates.find(train, images),
    )
    return Compared(generated, dataset, tuple(vectors), *finder.of(extractor, space, images, made))
