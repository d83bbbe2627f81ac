"""Ridge regression from vectors to labels.

The solution has a closed form, and so have the scores that each vector would get from all others (leave-one-out, Golub,
Heath and Wahba 1979), which show how far the regression can be trusted. tests/benchmarks/labelling.py measures it.
"""

from __future__ import annotations

import dataclasses

import numpy as np

_STRENGTH = 1.0  # For vectors of length about 1; from 0.3 to 3 little changes (tests/benchmarks/labelling.py).
_BLOCK = 4096


@dataclasses.dataclass(frozen=True)
class Ridge:
    """A fitted regression.

    Attributes:
      weights: float64 [D, L].
      bias: float64 [L].
    """

    weights: np.ndarray
    bias: np.ndarray

    def scores(self, vectors: np.ndarray) -> np.ndarray:
        """float [N, D] -> float64 [N, L], near 1 for the label of a vector and near 0 for the others."""
        blocks = [vectors[begin : begin + _BLOCK] @ self.weights for begin in range(0, len(vectors), _BLOCK)]
        return np.concatenate(blocks) + self.bias if blocks else np.empty([0, len(self.bias)])


def fit(vectors: np.ndarray, labels: np.ndarray, count: int) -> tuple[Ridge, np.ndarray]:
    """Fits a regression to labelled vectors.

    Args:
      vectors: float [N, D], of length about 1; N at least 2.
      labels: int [N], from 0 to `count` - 1.
      count: L, the number of labels.

    Returns:
      The regression, and for each vector the scores that a regression fitted without it would give, float64 [N, L].
    """
    targets = np.eye(count)[labels]
    bias = targets.mean(axis=0)
    solve = _by_vectors if len(vectors) < vectors.shape[1] else _by_dimensions
    weights, residuals = solve(vectors, targets - bias)
    return Ridge(weights, bias), targets - residuals


def regression(vectors: np.ndarray, labels: np.ndarray, count: int) -> Ridge:
    """The regression that `fit` returns, without the scores, which take most of the time of a large set."""
    targets = np.eye(count)[labels]
    bias = targets.mean(axis=0)
    if len(vectors) < vectors.shape[1]:
        points = vectors.astype(np.float64)
        duals = np.linalg.solve(points @ points.T + _STRENGTH * np.eye(len(points)), targets - bias)
        return Ridge(points.T @ duals, bias)
    return Ridge(np.linalg.solve(*_normal_equations(vectors, targets - bias)), bias)


def _by_vectors(vectors: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Weights, and residuals of each vector without itself, from an [N, N] system."""
    points = vectors.astype(np.float64)
    inverse = np.linalg.inv(points @ points.T + _STRENGTH * np.eye(len(points)))
    duals = inverse @ targets
    return points.T @ duals, duals / np.diag(inverse)[:, None]


def _by_dimensions(vectors: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same from a [D, D] system, and in blocks, for sets that are larger than their vectors are long."""
    gram, product = _normal_equations(vectors, targets)
    inverse = np.linalg.inv(gram)
    weights = inverse @ product
    residuals = np.empty(targets.shape)
    for block in _blocks(len(vectors)):
        points = vectors[block].astype(np.float64)
        leverage = np.einsum('nd,nd->n', points @ inverse, points)
        residuals[block] = (targets[block] - points @ weights) / (1 - leverage)[:, None]
    return weights, residuals


def _normal_equations(vectors: np.ndarray, targets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The matrix, float64 [D, D], and the right side, [D, L], whose solution are the weights."""
    size = vectors.shape[1]
    gram, product = _STRENGTH * np.eye(size), np.zeros([size, targets.shape[1]])
    for block in _blocks(len(vectors)):
        points = vectors[block].astype(np.float64)
        gram += points.T @ points
        product += points.T @ targets[block]
    return gram, product


def _blocks(count: int) -> list[slice]:
    return [slice(begin, begin + _BLOCK) for begin in range(0, count, _BLOCK)]
