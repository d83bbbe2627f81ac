"""Generated images for classifiers to learn from: as they come, and filtered."""

from __future__ import annotations

import collections
import math
from collections.abc import Sequence

import numpy as np
from absl import logging

from trainer.evaluation import known_images
from trainer.evaluation.agreement import KEPT, Judge
from trainer.evaluation.known_images import KnownImages
from trainer.features import extraction
from trainer.generator.sampler import Generator

_MOST_TRIES = 20  # Pictures to make for each real one, if the filter drops many.
_MADE = 10_000  # Pictures to make in all, if there are not more real ones than that for all repetitions.
_AT_ONCE = 256


class SyntheticPool:
    """Pictures of each class of a generator: made, judged and described by features once, and used by all repetitions.

    Each repetition has pictures of its own for what is not filtered. The filtered ones begin with those, and go on with
    the others if the filter drops many.

    Attributes:
      verdicts: for each class, how many pictures got which verdict of the judge.
    """

    def __init__(self, generator: Generator, judge: Judge, counts: Sequence[int], repetitions: int):
        """Makes the pictures, from the seeds 0, 1, 2 ... of each class.

        Args:
          generator: with classes.
          judge: of the filter.
          counts: of the real images of each class, which the pictures are to equal in number.
          repetitions: how many.
        """
        assert generator.classes
        self._counts = counts
        self._tries = max(repetitions, min(_MOST_TRIES, _MADE // max(sum(counts), 1)))
        self._stride = self._tries // repetitions
        self._images, self._kept = list[KnownImages](), list[np.ndarray]()
        self.verdicts = list[dict[str, int]]()
        for label, count in enumerate(counts):
            made, verdicts = _made(generator, judge, label, count * self._tries)
            self._images.append(made)
            self._kept.append(np.array([verdict == KEPT for verdict in verdicts]))
            self.verdicts.append(dict(collections.Counter(verdicts)))
            kept = self.verdicts[-1].get(KEPT, 0)
            logging.info('%s: %d generated, %d pass the filter', generator.classes.names[label], len(made), kept)

    def unfiltered(self, repetition: int) -> KnownImages:
        """As many pictures of each class as there are real images, labelled by their classes."""
        return known_images.joined(
            [
                images.part(self._order(label, repetition)[: self._counts[label]])
                for label, images in enumerate(self._images)
            ]
        )

    def filtered(self, repetition: int, share: float) -> KnownImages:
        """Kept pictures, so many of each class as `share` of its real images, rounded up; fewer if fewer are kept."""
        parts = []
        for label, images in enumerate(self._images):
            order = self._order(label, repetition)
            kept = order[self._kept[label][order]]
            parts.append(images.part(kept[: self.wanted(label, share)]))
        return known_images.joined(parts)

    def wanted(self, label: int, share: float) -> int:
        """How many filtered pictures of a class `share` of its real images is."""
        return math.ceil(round(share * self._counts[label], 6))

    def kept(self, label: int) -> int:
        """How many pictures of a class the filter has kept."""
        return int(self._kept[label].sum())

    def _order(self, label: int, repetition: int) -> np.ndarray:
        """The numbers of a class's pictures, those of the repetition first."""
        return np.roll(np.arange(len(self._images[label])), -repetition * self._stride * self._counts[label])


def _made(generator: Generator, judge: Judge, label: int, count: int) -> tuple[KnownImages, list[str]]:
    """Pictures of a class, and the judge's verdict on each."""
    parts, verdicts = [], []
    for begin in range(0, count, _AT_ONCE):
        seeds = range(begin, min(begin + _AT_ONCE, count))
        labels = np.full(len(seeds), label, np.int64)
        pixels = generator.images(generator.latents(seeds, labels))
        features = extraction.of_pixels(pixels, judge.extractor)
        verdicts += judge.verdicts_of(features, label)
        halved = {layer: values.astype(np.float16) for layer, values in features.items()}  # As those of data sets are.
        parts.append(KnownImages(pixels, labels, halved))
    return known_images.joined(parts), verdicts
