"""The space in which images are compared: features centred by the training set's mean and scaled to length 1."""

from __future__ import annotations

import dataclasses

import numpy as np

_BLOCK = 1024
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Space:
    """Centres features and scales them to length 1, so that the dot product of two is their cosine.

    Without centring all images look alike, because their common properties (photographs, on white) outweigh the rest.

    Attributes:
      mean: float32 [D], of the training set.
    """

    mean: np.ndarray

    @classmethod
    def of(cls, raw: np.ndarray) -> Space:
        """The space of a training set's raw features, [N, D]; N at least 2."""
        total = np.zeros(raw.shape[1], np.float64)
        for begin in range(0, len(raw), _BLOCK):
            total += raw[begin : begin + _BLOCK].sum(axis=0, dtype=np.float64)
        return cls((total / len(raw)).astype(np.float32))

    def embed(self, raw: np.ndarray) -> np.ndarray:
        """Raw features [N, D] -> float32 [N, D] of length 1 (or 0, for the mean itself)."""
        embedded = np.empty(raw.shape, np.float32)
        for begin in range(0, len(raw), _BLOCK):
            centred = raw[begin : begin + _BLOCK].astype(np.float32) - self.mean
            lengths = np.linalg.norm(centred, axis=1, keepdims=True)
            embedded[begin : begin + _BLOCK] = centred / np.maximum(lengths, _TINY)
        return embedded
