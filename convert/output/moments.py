"""Mean and standard deviation of many images, without keeping them in memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np


class Moments:
    """Sums integers, so that the results are exact and do not depend on the order."""

    def __init__(self, channels: int):
        """Starts with no image."""
        self._pixels = 0
        self._sums = np.zeros(channels, np.int64)
        self._squares = np.zeros(channels, np.int64)

    def add(self, pixels: np.ndarray) -> None:
        """Adds uint8 [height, width, channels], at most 128 x 128 pixels."""
        channels = pixels.shape[-1]
        # Channel by channel is several times faster; 32 bits hold the sum of squares of 33,000 pixels.
        values = pixels.reshape(-1, channels).T.astype(np.int32, order='C')
        self._pixels += values.shape[1]
        self._sums += values.sum(axis=1)
        self._squares += np.einsum('cp,cp->c', values, values)

    def state(self) -> tuple[int, list[int], list[int]]:
        """The number of pixels, and for each channel the sums of values and of squares."""
        return self._pixels, self._sums.tolist(), self._squares.tolist()

    def add_state(self, state: Sequence[Any]) -> None:
        """Adds what other moments have summed, by their `state`."""
        self._pixels += state[0]
        self._sums += np.array(state[1], np.int64)
        self._squares += np.array(state[2], np.int64)

    def mean(self) -> tuple[float, ...]:
        """Per channel, in [0, 255]."""
        return tuple(total / self._pixels for total in self._sums.tolist())

    def std(self) -> tuple[float, ...]:
        """Per channel, in [0, 255]."""
        pairs = zip(self._sums.tolist(), self._squares.tolist())
        return tuple(math.sqrt(square * self._pixels - total**2) / self._pixels for total, square in pairs)
