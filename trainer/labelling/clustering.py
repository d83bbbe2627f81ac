"""k-means: images that look alike, and those that stand for the others of their kind."""

from __future__ import annotations

import numpy as np

_MOST_ROUNDS = 30


def centres(vectors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Clusters vectors and chooses the one nearest to each centre.

    Args:
      vectors, count, seed: as in `means`.

    Returns:
      int, ascending: the numbers of the chosen vectors, at most `count` different ones.
    """
    return np.unique(np.argmax(vectors @ means(vectors, count, seed).T, axis=0))


def means(vectors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """The directions round which vectors gather, float32 [count, D] of length 1; `nearest` assigns a vector to one.

    Spherical k-means, begun by k-means++ (Arthur and Vassilvitskii 2007). The same input gives the same result.

    Args:
      vectors: float32 [N, D] of length 1, as `space.Space` embeds features.
      count: of clusters; no more than N.
      seed: of the beginning.
    """
    found = vectors[_begin(vectors, count, np.random.default_rng(seed))]
    previous = np.full(len(vectors), -1)
    for _ in range(_MOST_ROUNDS):
        cluster = nearest(vectors, found)
        if np.array_equal(cluster, previous):
            break
        previous = cluster
        for number in np.unique(cluster):
            mean = vectors[cluster == number].mean(axis=0)
            found[number] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return found


def nearest(vectors: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """The number of the nearest centre, int [N], for vectors [N, D] of length 1."""
    return np.argmax(vectors @ centres.T, axis=1)


def _begin(vectors: np.ndarray, count: int, random: np.random.Generator) -> list[int]:
    chosen = [int(random.integers(len(vectors)))]
    nearest = 1 - vectors @ vectors[chosen[0]]
    while len(chosen) < count:
        weights = np.maximum(nearest, 0).astype(np.float64)
        total = weights.sum()
        weights = weights / total if total > 0 else np.full(len(vectors), 1 / len(vectors))
        chosen.append(int(random.choice(len(vectors), p=weights)))
        nearest = np.minimum(nearest, 1 - vectors @ vectors[chosen[-1]])
    return chosen
