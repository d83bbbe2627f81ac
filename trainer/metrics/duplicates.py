"""Duplicates in a set: the same pixels, or a picture compressed, sized, lit or cropped a little differently."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from trainer.data.image_set import ImageSet
from trainer.metrics import neighbours, registration

_BATCH = 256
_NEIGHBOURS = 8
# All pairs of a picture and its slightly altered copy were above this in every layer
# (tests/benchmarks/audit_quality.py).
_LEAST_COSINE = 0.75
_PAIRS = 256


def find(images: ImageSet, embedded: np.ndarray) -> list[list[int]]:
    """Finds the clusters of exact duplicates and near-duplicates; mirror images do not count.

    Near neighbours by features are compared pixel by pixel, because photographs of two white shirts are near too.

    Args:
      images: N images.
      embedded: float32 [N, D], rows of length 1, of the same images in the same order, by any layer; the late one is
        the smallest.

    Returns:
      Clusters of at least two record numbers, each sorted, in the order of their first numbers.
    """
    small, digests = _read(images)
    first: dict[bytes, int] = {}
    parent = [first.setdefault(digest, number) for number, digest in enumerate(digests)]
    distinct = np.array(sorted(first.values()))
    for one, other in _near(small, distinct, embedded[distinct]):
        low, high = sorted((_root(parent, one), _root(parent, other)))
        parent[high] = low
    clusters: dict[int, list[int]] = {}
    for number in range(len(parent)):
        clusters.setdefault(_root(parent, number), []).append(number)
    return [cluster for cluster in clusters.values() if len(cluster) > 1]


def _read(images: ImageSet) -> tuple[np.ndarray, list[bytes]]:
    """Small pictures, uint8 [N, 32, 32, C], and a hash of the pixels of each image."""
    parts, digests = [], []
    for batch in images.batches(_BATCH):
        digests += [hashlib.sha256(picture.tobytes()).digest()[:16] for picture in batch]
        small = tf.image.resize(batch, [registration.SIDE, registration.SIDE], 'area').numpy()
        parts.append(np.round(small).astype(np.uint8))
    return np.concatenate(parts), digests


def _near(small: np.ndarray, numbers: np.ndarray, embedded: np.ndarray) -> np.ndarray:
    """Pairs of record numbers that show the same picture, int64 [P, 2]."""
    k = min(_NEIGHBOURS, len(numbers) - 1)
    if not k:
        return np.empty([0, 2], np.int64)
    indices, distances = neighbours.nearest(embedded, embedded, k, exclude_self=True)
    rows, columns = np.nonzero(1 - distances**2 / 2 > _LEAST_COSINE)
    pairs = np.sort(np.stack([rows, indices[rows, columns]], axis=1), axis=1)
    pairs = numbers[np.unique(pairs, axis=0)]
    blocks = [pairs[begin : begin + _PAIRS] for begin in range(0, len(pairs), _PAIRS)]
    same = [registration.same_picture(small[block[:, 0]], small[block[:, 1]]) for block in blocks]
    return pairs[np.concatenate([np.zeros(0, bool), *same])]


def _root(parent: list[int], number: int) -> int:
    while parent[number] != number:
        number = parent[number]
    return number
