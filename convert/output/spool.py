"""Keeps fitted images on disk until all are known, because only then can they be put in their order."""

from __future__ import annotations

import os
import tempfile

import numpy as np

_BUFFER_BYTES = 1 << 20


class Spool:
    """Stores images of one shape, then returns them in any order; memory does not grow with them.

    The file has no name, so that it never stays behind, however a run ends.
    """

    def __init__(self, folder: str, shape: tuple[int, int, int]):
        """Opens the file on the disk of the existing local `folder`; `shape` is height, width and channels."""
        self._file = tempfile.TemporaryFile(dir=folder, buffering=_BUFFER_BYTES)  # noqa: SIM115  Closed by __exit__.
        self._shape = shape
        self._image_bytes = shape[0] * shape[1] * shape[2]

    def append(self, pixels: np.ndarray) -> None:
        """Adds a uint8 image; all are added before the first is read."""
        self._file.write(pixels.data)

    def read(self, number: int) -> np.ndarray:
        """Reads back the uint8 image that was added as the `number`-th, from 0."""
        self._file.flush()
        data = os.pread(self._file.fileno(), self._image_bytes, number * self._image_bytes)  # Without read-ahead.
        return np.frombuffer(data, np.uint8).reshape(self._shape)

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
