"""Nearest neighbours by brute force, a block of the matrix of distances at a time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

_BLOCK_BYTES = 64 << 20
_ROUNDING = 1e-12  # Share of the largest squared length; smaller squared distances count as 0.


def nearest(
    queries: np.ndarray, references: np.ndarray, k: int, *, exclude_self: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """The k nearest references of each query, nearest first.

    Args:
      queries: float32 [N, D].
      references: float32 [M, D], M at least k (k + 1 with exclude_self).
      k: how many.
      exclude_self: queries are the references, and none is its own neighbour.

    Returns:
      Indices int64 [N, k] into the references, and Euclidean distances float32 [N, k]. For vectors of length 1
      the cosine is 1 - distance^2 / 2.
    """
    indices = np.empty((len(queries), k), np.int64)
    distances = np.empty((len(queries), k), np.float32)
    for rows, squared in squared_distances(queries, references):
        if exclude_self:
            squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf
        found = np.argpartition(squared, k - 1, axis=1)[:, :k]
        values = np.take_along_axis(squared, found, axis=1)
        order = np.argsort(values, axis=1, kind='stable')
        indices[rows] = np.take_along_axis(found, order, axis=1)
        distances[rows] = np.sqrt(np.take_along_axis(values, order, axis=1))
    return indices, distances


def squared_distances(queries: np.ndarray, references: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yields blocks of rows of the matrix of squared distances, float32, each with its slice of the queries.

    No block is larger than 64 MiB, so memory does not grow with the product of the two sizes. The distances are
    computed in float64: in float32 a row could be 0.001 away from its own copy, and rounding would decide between equal
    distances.
    """
    lengths, dimensions = _squared_lengths(references), references.shape[1]
    smallest = _ROUNDING * max(lengths.max(initial=0.0), _squared_lengths(queries).max(initial=0.0))
    rows = max(1, _BLOCK_BYTES // (8 * max(dimensions, len(references))))
    columns = max(1, _BLOCK_BYTES // (8 * max(dimensions, rows)))
    for begin in range(0, len(queries), rows):
        block = queries[begin : begin + rows].astype(np.float64)
        squared = np.empty((len(block), len(references)), np.float32)
        for left in range(0, len(references), columns):
            part = block @ references[left : left + columns].astype(np.float64).T
            part *= -2.0
            part += _squared_lengths(block)[:, None]
            part += lengths[left : left + columns]
            part[part < smallest] = 0.0
            squared[:, left : left + columns] = part
        yield slice(begin, begin + len(block)), squared


def _squared_lengths(rows: np.ndarray) -> np.ndarray:
    return np.einsum('nd,nd->n', rows, rows, dtype=np.float64)
