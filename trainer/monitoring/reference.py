"""The real images that a run's pictures are held against."""

from __future__ import annotations

import numpy as np

from trainer.data.image_set import ImageSet
from trainer.features import extraction
from trainer.features.extraction import Tick
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.metrics import copying, kid
from trainer.metrics.copying import Copying
from trainer.metrics.kid import Kid

# Fewer hold-out images than this say little.
_MIN_HOLDOUT = 20


class Reference:
    """Training and hold-out images as vectors, through the late layer of an extractor."""

    def __init__(self, train: ImageSet, holdout: ImageSet | None, extractor: Extractor, tick: Tick):
        """Extracts the features of both sets, or finds them in their cache."""
        self._extractor = extractor
        raw = extraction.of_set(train, extractor, tick)[extractor.late]
        self._space = Space.of(raw)
        self._train = self._space.embed(raw)
        self._holdout: np.ndarray | None = None
        if holdout and len(holdout) >= _MIN_HOLDOUT:
            self._holdout = self._space.embed(extraction.of_set(holdout, extractor, tick)[extractor.late])

    def kid(self, samples: np.ndarray, tick: Tick) -> Kid:
        """The distance of uint8 [N, H, W, C] to the training images."""
        return kid.cosine_kid(self._train, self._embed(samples, tick))

    def kid_of_holdout(self) -> float | None:
        """The distance of the hold-out, which no generator is to beat; None if there are too few images of it."""
        return None if self._holdout is None else kid.cosine_kid(self._train, self._holdout).mean

    def copying(self, samples: np.ndarray, tick: Tick) -> Copying | None:
        """Whether uint8 [N, H, W, C] are copies of training images; None if the hold-out has too few images."""
        if self._holdout is None:
            return None
        return copying.copying_test(self._train, self._holdout, self._embed(samples, tick))

    def _embed(self, samples: np.ndarray, tick: Tick) -> np.ndarray:
        return self._space.embed(extraction.of_pixels(samples, self._extractor, tick)[self._extractor.late])
