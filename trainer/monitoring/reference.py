"""The real images that a run's pictures are held against."""

from __future__ import annotations

import dataclasses

import numpy as np

from trainer.features import extraction
from trainer.features.extraction import Tick
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.image_set import ImageSet
from trainer.metrics import copying, kid

# Fewer hold-out images than this say nothing about copying.
_MIN_HOLDOUT = 20


@dataclasses.dataclass(frozen=True)
class Distances:
    """How far generated images are from real ones.

    Attributes:
      kid, kid_std: kernel inception distance to the training images.
      copying: z-score of the data-copying test, None without a hold-out.
    """

    kid: float
    kid_std: float
    copying: float | None


class Reference:
    """Training and hold-out images as vectors, through the extractor's late layer."""

    def __init__(self, train: ImageSet, holdout: ImageSet | None, extractor: Extractor, tick: Tick):
        """Extracts the features of both sets, or finds them in their cache."""
        self._extractor = extractor
        raw = extraction.of_set(train, extractor, tick)[extractor.late]
        self._space = Space.of(raw)
        self._train = self._space.embed(raw)
        self._holdout: np.ndarray | None = None
        if holdout and len(holdout) >= _MIN_HOLDOUT:
            self._holdout = self._space.embed(extraction.of_set(holdout, extractor, tick)[extractor.late])
        self.kid_real = kid.cosine_kid(self._train, self._holdout).mean if self._holdout is not None else None

    def distances(self, samples: np.ndarray, tick: Tick) -> Distances:
        """How far uint8 [N, H, W, C] are from the training images."""
        embedded = self._space.embed(extraction.of_pixels(samples, self._extractor, tick)[self._extractor.late])
        found = kid.cosine_kid(self._train, embedded)
        copied = None
        if self._holdout is not None:
            copied = copying.copying_test(self._train, self._holdout, embedded).z
        return Distances(found.mean, found.std, copied)
