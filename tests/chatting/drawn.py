"""A model and a recogniser of the same interface as the real ones, which answer at once."""

from __future__ import annotations

import threading

import numpy as np

from trainer import errors
from trainer.inference.recognition import Neighbour, Recognition


class Drawn:
    """Paints a seed as the grey of its last byte, and notes what it was asked for."""

    def __init__(self, *labels: str, go: threading.Event | None = None):
        self.labels, self.asked, self._go = labels, [], go

    def of_seeds(self, seeds, label=''):
        if self._go:
            assert self._go.wait(10)
        self.asked += [(seed, label) for seed in seeds]
        (seed,) = seeds
        if abs(seed) >= 2**31:
            raise errors.UserError(f'seed {seed} must be smaller')
        return np.full((1, 8, 8, 3), seed % 256, np.uint8)

    def label_of(self, seed):
        return self.labels[seed % len(self.labels)] if self.labels else ''


class Recognising:
    """Finds every picture to be a rose, except those that are not PNG files."""

    copy, name = False, 'roses/1.png'

    def recognise(self, data):
        if not data.startswith(b'\x89PNG'):
            raise errors.UserError('4 bytes are not a picture')
        grey = np.full((8, 8, 3), 99, np.uint8)
        near = Neighbour(self.name, 'rose', 0.93, self.copy, grey)
        return Recognition('rose', 0.871, (near,), 17, grey + 1, 0.5)


PNG = b'\x89PNG and more'
