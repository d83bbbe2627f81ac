"""Images that a set holds twice: the same bytes, or the same picture stored, sized, lit or cut a little differently."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from trainer.image_set import ImageSet
from trainer.metrics import neighbours

_BATCH = 256
_NEIGHBOURS = 8
_CANDIDATE_COSINE = 0.8
_SIDE = 32  # px; of the pictures that are compared.
_EXPLAINED = 0.97
_PAIRS = 512


def find(images: ImageSet, embedded: np.ndarray) -> list[list[int]]:
    """Finds the clusters of exact and near duplicates.

    Args:
      images: N images.
      embedded: float32 [N, D], rows of length 1, of the same images in the same order.

    Returns:
      Clusters of at least two record numbers, each sorted, in the order of their first.
    """
    small, digests = _read(images)
    parent = list(range(len(digests)))
    first: dict[bytes, int] = {}
    for number, digest in enumerate(digests):
        parent[number] = first.setdefault(digest, number)
    distinct = np.array(sorted(first.values()))
    if len(distinct) > 1:
        for one, other in _same(small, _candidates(distinct, embedded[distinct])):
            _join(parent, one, other)
    clusters: dict[int, list[int]] = {}
    for number in range(len(parent)):
        clusters.setdefault(_root(parent, number), []).append(number)
    return [cluster for cluster in clusters.values() if len(cluster) > 1]


def _read(images: ImageSet) -> tuple[np.ndarray, list[bytes]]:
    """Small pictures, uint8 [N, 32, 32, C], and a hash of the whole pixels of each."""
    parts, digests = [], []
    for batch in images.batches(_BATCH):
        digests += [hashlib.sha256(picture.tobytes()).digest()[:16] for picture in batch]
        small = tf.image.resize(batch, [_SIDE, _SIDE], 'area').numpy()
        parts.append(np.round(small).astype(np.uint8))
    return np.concatenate(parts), digests


def _candidates(numbers: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Pairs of record numbers near in feature space, int64 [P, 2]."""
    k = min(_NEIGHBOURS, len(numbers) - 1)
    indices, distances = neighbours.nearest(embedded, embedded, k, exclude_self=True)
    rows, columns = np.nonzero(1 - distances**2 / 2 > _CANDIDATE_COSINE)
    pairs = np.stack([rows, indices[rows, columns]], axis=1)
    return numbers[np.unique(np.sort(pairs, axis=1), axis=0)]


def _same(small: np.ndarray, pairs: np.ndarray) -> np.ndarray:
    """Those of the pairs that are one picture."""
    kept = []
    for begin in range(0, len(pairs), _PAIRS):
        block = pairs[begin : begin + _PAIRS]
        kept.append(block[explained(small[block[:, 0]], small[block[:, 1]]) > _EXPLAINED])
    return np.concatenate(kept) if kept else pairs


def explained(one: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Share of the variance of `other` that a small shift, zoom and change of light of `one` explains, [P]."""
    one, other = (_smooth(part.astype(np.float32)) for part in (one, other))
    count, height, width, _ = one.shape
    down, right = np.gradient(one, axis=(1, 2))
    y = (np.arange(height, dtype=np.float32) - (height - 1) / 2)[:, None, None] / height
    x = (np.arange(width, dtype=np.float32) - (width - 1) / 2)[:, None] / width
    basis = np.stack([one, np.ones_like(one), down, right, y * down + x * right], axis=1)
    basis = basis.reshape(count, 5, -1).astype(np.float64)
    target = other.reshape(count, -1).astype(np.float64)
    gram = np.einsum('pik,pjk->pij', basis, basis) + 1e-3 * np.eye(5)
    weights = np.linalg.solve(gram, np.einsum('pik,pk->pi', basis, target)[..., None])
    rest = target - np.einsum('pi,pik->pk', weights[..., 0], basis)
    return 1 - rest.var(axis=1) / np.maximum(target.var(axis=1), 1.0)


def _smooth(pictures: np.ndarray) -> np.ndarray:
    """Blurs [P, H, W, C] with the kernel 1 4 6 4 1, so that edges are as wide as the shifts to be found."""
    for axis in (1, 2):
        padded = np.pad(pictures, [(2, 2) if i == axis else (0, 0) for i in range(4)], mode='edge')
        length = pictures.shape[axis]
        taken = [np.take(padded, range(i, i + length), axis=axis) for i in range(5)]
        pictures = (taken[0] + 4 * taken[1] + 6 * taken[2] + 4 * taken[3] + taken[4]) / 16
    return pictures


def _join(parent: list[int], one: int, other: int) -> None:
    first, second = sorted((_root(parent, one), _root(parent, other)))
    parent[second] = first


def _root(parent: list[int], number: int) -> int:
    while parent[number] != number:
        number = parent[number]
    return number
