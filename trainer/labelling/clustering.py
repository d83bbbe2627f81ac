"""k-means, for images that stand for the others of their kind."""

from __future__ import annotations

import numpy as np

_MOST_ROUNDS = 30


def centres(vectors: np.ndarray, count: int, seed: int = 0) -> np.ndarray:
    """Clusters vectors and chooses the one nearest to each centre.

    Spherical k-means, begun by k-means++ (Arthur and Vassilvitskii 2007). The same input gives the same result.

    Args:
      vectors: float32 [N, D] of length 1, as `space.Space` embeds features.
      count: of clusters; no more than N.

    Returns:
      int, ascending: the numbers of the chosen vectors, at most `count` different ones.
    """
    means = vectors[_begin(vectors, count, np.random.default_rng(seed))]
    previous = np.full(len(vectors), -1)
    for _ in range(_MOST_ROUNDS):
        cluster = np.argmax(vectors @ means.T, axis=1)
        if np.array_equal(cluster, previous):
            break
        previous = cluster
        for number in np.unique(cluster):
            mean = vectors[cluster == number].mean(axis=0)
            means[number] = mean / max(float(np.linalg.norm(mean)), 1e-12)
    return np.unique(np.argmax(vectors @ means.T, axis=0))


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
