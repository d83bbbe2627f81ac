"""Compares samples with training images, and measures how near real images come to training images."""

from __future__ import annotations

import numpy as np

from trainer.features.extractor import Extractor
from trainer.metrics import neighbours
from trainer.page.content import Nearest, Scale

COPY_SHARE = 0.01  # A sample is marked if it is nearer to a training image than all but this share of the real images.
# A hold-out that contains copies of training images would set the mark out of reach. From this cosine on, two images
# show the same picture in any case.
_SAME = 0.999


def likenesses(extractor: Extractor) -> list[tuple[str, str]]:
    """The layers to compare by, the late one last, each with the kind of likeness that it measures."""
    if extractor.early == extractor.late:
        return [(extractor.late, 'overall')]
    return [(extractor.early, 'colour and texture'), (extractor.late, 'shape')]


def nearest(queries: np.ndarray, references: np.ndarray, count: int, *, exclude_self: bool = False) -> Nearest:
    """The `count` nearest references of each query, or all if there are fewer.

    Args:
      queries, references: float32 [N, D] and [M, D], of length 1.
      count: how many.
      exclude_self: the two are the same, and none is its own neighbour.
    """
    count = min(count, len(references) - exclude_self)
    indices, distances = neighbours.nearest(queries, references, count, exclude_self=exclude_self)
    return Nearest(indices, 1.0 - distances**2 / 2)


def scale(train: np.ndarray, holdout: np.ndarray | None) -> Scale:
    """How near real images come to training images: those of the hold-out, else each training image to the others.

    Args:
      train, holdout: float32 [N, D] of length 1; the hold-out may be None or empty.
    """
    if holdout is not None and len(holdout):
        cosines = nearest(holdout, train, 1).cosines[:, 0]
        name = f'the {len(holdout):,} hold-out images (which it was not trained on)'
    else:
        cosines = nearest(train, train, 1, exclude_self=True).cosines[:, 0]
        name = f'the {len(train):,} training images (each beside the others, as there is no hold-out)'
    return Scale(cosines, name, min(float(np.quantile(cosines, 1 - COPY_SHARE)), _SAME))


def share_below(cosines: np.ndarray, of: Scale) -> np.ndarray:
    """The share of the real images that are less near to a training image than each sample is, [N] in [0, 1]."""
    return np.searchsorted(np.sort(of.cosines), cosines, side='left') / len(of.cosines)
