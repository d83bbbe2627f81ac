"""Frechet distance between two sets of features, each modelled as a normal distribution."""

from __future__ import annotations

import numpy as np

_BLOCK = 1024


def frechet_distance(real: np.ndarray, fake: np.ndarray) -> float:
    """|m - n|^2 + tr(S + T - 2 (S T)^(1/2)) of means m, n and covariances S, T; Heusel et al. 2017, arXiv:1706.08500.

    It is biased upwards, and more so with fewer rows: compare only distances of equally many rows. With fewer than D
    rows the covariances are singular, but the distance is still defined.

    Args:
      real, fake: float [N, D] and [M, D], at least 2 rows each.
    """
    (real_mean, real_covariance), (fake_mean, fake_covariance) = _moments(real), _moments(fake)
    values, vectors = np.linalg.eigh(real_covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0)) @ vectors.T
    # root T root has the eigenvalues of S T and is symmetric, so they are real, and only rounding makes one negative.
    products = np.linalg.eigvalsh(root @ fake_covariance @ root)
    shared = np.sqrt(np.maximum(products, 0.0)).sum()
    apart = real_mean - fake_mean
    return float(apart @ apart + np.trace(real_covariance) + np.trace(fake_covariance) - 2 * shared)


def _moments(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean [D] and covariance [D, D], in float64."""
    mean = rows.mean(axis=0, dtype=np.float64)
    products = np.zeros((rows.shape[1], rows.shape[1]))
    for begin in range(0, len(rows), _BLOCK):
        centred = rows[begin : begin + _BLOCK] - mean
        products += centred.T @ centred
    return mean, products / (len(rows) - 1)
