"""Data copying: whether generated images are nearer to the training images than new real images are."""

from __future__ import annotations

import dataclasses

import numpy as np

from trainer.metrics import neighbours

CLOSE = 5  # The percentile of the hold-out's distances below which an image is close to a training image.


@dataclasses.dataclass(frozen=True)
class Copying:
    """How near samples are to the training set, compared with a hold-out.

    Attributes:
      z: z-score of the Mann-Whitney test. 0: as near to training images as hold-out images are; below -3: nearer than
        chance explains, so they are copied; above 3: farther, so the generator underfits.
      nearer: probability that a sample is nearer to its nearest training image than a hold-out image is to its own, in
        [0, 1]; 0.5 if nothing is copied. Unlike z it does not grow with the number of images.
      close: share of samples that are as near to a training image as the nearest 5 % of the hold-out; about 0.05 if
        nothing is copied. Unlike z it detects a few copies among many samples.
    """

    z: float
    nearer: float
    close: float


def copying_test(train: np.ndarray, holdout: np.ndarray, samples: np.ndarray) -> Copying:
    """The test C_T of Meehan, Chaudhuri & Dasgupta 2020, arXiv:2004.05675, with one cell for the whole space.

    The paper splits the space into cells; a hold-out of a few hundred images would leave most of them empty. With one
    cell, samples that crowd where training images are dense count as copies too, and z counts every repetition of a
    sample. So z means nothing after mode collapse: read it beside coverage.

    Args:
      train, holdout, samples: float32 [N, D], at least one row each.
    """
    of_holdout, of_samples = (neighbours.nearest(rows, train, 1)[1][:, 0] for rows in (holdout, samples))
    _, order, ties = np.unique(np.concatenate([of_holdout, of_samples]), return_inverse=True, return_counts=True)
    ranks = (np.cumsum(ties) - (ties - 1) / 2)[order]  # From 1; equal distances share their mean rank.
    n, m = len(of_holdout), len(of_samples)
    farther = ranks[n:].sum() - m * (m + 1) / 2  # Pairs in which the sample is the farther one; ties count half.
    total = n + m
    variance = n * m / 12 * (total + 1 - (ties**3 - ties).sum() / (total * (total - 1)))
    z = (farther - n * m / 2) / np.sqrt(variance) if variance > 0 else 0.0
    close = of_samples <= np.percentile(of_holdout, CLOSE)
    return Copying(float(z), float(1 - farther / (n * m)), float(close.mean()))
