"""Tests whether images can be told from their mirror images; if so, training on mirror images adds wrong ones."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Sequence

import numpy as np

from trainer.data.image_set import ImageSet
from trainer.features import extraction
from trainer.features.extractor import Extractor

SAFE, DOUBTFUL, UNSAFE, TOO_FEW = 'safe', 'doubtful', 'unsafe', 'too few images to tell'
# Shares told apart by the late layer of SqueezeNet (tests/benchmarks/audit_quality.py): arrows both ways 0.47,
# photographs of clothes 0.55, noise 0.57, trousers alone in front of the same wall 0.63, flags 0.66, digits 0.89,
# charts 0.93, text and arrows 0.99.
_SAFE_BELOW, _UNSAFE_FROM = 0.57, 0.65
_MOST, _LEAST = 2000, 40  # Images.
_FOLDS = 5
_RIDGE = 1.0  # Times the mean squared length of a difference; 0.1 and 10 give the same shares within 0.03.
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Symmetry:
    """The outcome of the test.

    Attributes:
      told_apart: share of unseen images that a classifier tells from their mirror images; 0.5 is guessing.
      error: standard error of a share of one half.
      images: how many images were tested.
    """

    told_apart: float
    error: float
    images: int

    @property
    def verdict(self) -> str:
        """Whether mirroring is safe, one of the constants above."""
        if self.images < _LEAST:
            return TOO_FEW
        if self.told_apart < _SAFE_BELOW:
            return SAFE
        return UNSAFE if self.told_apart >= _UNSAFE_FROM else DOUBTFUL


def examine(images: ImageSet, numbers: Sequence[int], raw: np.ndarray, extractor: Extractor) -> Symmetry:
    """Extracts the features of the mirror images, and runs the test.

    Args:
      images: the set.
      numbers: which of them to use, rising, without duplicates: the classifier would learn from one copy and be tested
        on the other. Of more than 2,000 an evenly spread sample is used.
      raw: [N, D], the features of all images of the set by the late layer of the extractor.
      extractor: the one that gave `raw`.
    """
    chosen = np.asarray(numbers)[:: -(-len(numbers) // _MOST)]
    mirrored = extraction.of_batches(_mirrored(images, chosen, extractor.batch), extractor)[extractor.late]
    # Rounded as the features of the originals are; otherwise the rounding would give the mirror image away.
    return two_sample_test(raw[chosen].astype(np.float32), mirrored.astype(raw.dtype).astype(np.float32))


def two_sample_test(features: np.ndarray, mirrored: np.ndarray) -> Symmetry:
    """Classifier two-sample test (Lopez-Paz and Oquab 2017, arXiv 1610.06545), paired and linear, cross-validated.

    Args:
      features: float32 [N, D], of images; N at least 2.
      mirrored: those of their mirror images.
    """
    difference = (_unit(features) - _unit(mirrored)).astype(np.float64)
    folds = np.arange(len(difference)) % min(_FOLDS, len(difference))
    np.random.default_rng(0).shuffle(folds)
    told = np.empty(len(difference))
    for fold in range(folds.max() + 1):
        known, asked = difference[folds != fold], difference[folds == fold]
        products = known @ known.T  # Ridge regression in its dual form: there are often fewer images than features.
        ridge = _RIDGE * np.trace(products) / len(products) + _TINY
        answers = asked @ known.T @ np.linalg.solve(products + ridge * np.eye(len(products)), np.ones(len(products)))
        told[folds == fold] = (np.sign(answers) + 1) / 2  # An image equal to its mirror image counts half.
    share = float(told.mean())
    return Symmetry(share, 0.5 / math.sqrt(len(told)), len(told))


def _mirrored(images: ImageSet, numbers: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """Yields the mirror images of the images of these numbers, uint8 [n, H, W, C], n at most `size`."""
    begin = 0
    for batch in images.batches(size):
        within = numbers[(numbers >= begin) & (numbers < begin + len(batch))] - begin
        if len(within):
            yield batch[within][:, :, ::-1]
        begin += len(batch)


def _unit(rows: np.ndarray) -> np.ndarray:
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
