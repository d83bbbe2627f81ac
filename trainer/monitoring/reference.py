"""The real images that a run's pictures are compared with."""

from __future__ import annotations

import dataclasses
import functools

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


@dataclasses.dataclass(frozen=True)
class _Vectors:
    """Both sets in the space of an extractor, float32 [N, D]; no hold-out if it has too few images."""

    space: Space
    train: np.ndarray
    holdout: np.ndarray | None

    @functools.cached_property
    def kid_of_holdout(self) -> float | None:
        return None if self.holdout is None else kid.cosine_kid(self.train, self.holdout).mean


class Reference:
    """Training and hold-out images as vectors, by the late layer of an extractor; extracted at the first use."""

    def __init__(self, train: ImageSet, holdout: ImageSet | None, extractor: Extractor):
        """Takes the two sets, but does not read them yet."""
        self._train, self._holdout, self._extractor = train, holdout, extractor
        self._vectors: _Vectors | None = None

    def kid(self, samples: np.ndarray, tick: Tick) -> tuple[Kid, float | None]:
        """The KID of uint8 [N, H, W, C] to the training images, and that of the hold-out.

        A perfect generator gets the hold-out's KID, which is None if the hold-out has too few images.
        """
        vectors = self._known(tick)
        return kid.cosine_kid(vectors.train, self._embed(samples, vectors.space, tick)), vectors.kid_of_holdout

    def copying(self, samples: np.ndarray, tick: Tick) -> Copying | None:
        """Whether uint8 [N, H, W, C] are copies of training images; None if the hold-out has too few images."""
        vectors = self._known(tick)
        if vectors.holdout is None:
            return None
        return copying.copying_test(vectors.train, vectors.holdout, self._embed(samples, vectors.space, tick))

    def _known(self, tick: Tick) -> _Vectors:
        """Extracts the features of both sets, or reads them from the cache, once."""
        if self._vectors is None:
            late = self._extractor.late
            raw = extraction.of_set(self._train, self._extractor, tick)[late]
            space = Space.of(raw)
            holdout = None
            if self._holdout and len(self._holdout) >= _MIN_HOLDOUT:
                holdout = space.embed(extraction.of_set(self._holdout, self._extractor, tick)[late])
            self._vectors = _Vectors(space, space.embed(raw), holdout)
        return self._vectors

    def _embed(self, samples: np.ndarray, space: Space, tick: Tick) -> np.ndarray:
        return space.embed(extraction.of_pixels(samples, self._extractor, tick)[self._extractor.late])
