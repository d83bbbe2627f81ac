"""The training images of a model, one by one in any order, without keeping them in memory."""

from __future__ import annotations

import tempfile

import numpy as np

from trainer.data.image_set import Entry, ImageSet

_AT_ONCE = 256


class TrainingImages:
    """Pixels, names and labels of a data set by the number of the image.

    Attributes:
      images: the data set.
    """

    def __init__(self, images: ImageSet):
        """Copies the pixels into a temporary file that goes with the process."""
        self.images = images
        self._entries = images.entries()
        shape = len(images), images.image_size, images.image_size, images.channels
        with tempfile.TemporaryFile() as file:  # The map keeps the file, which has no name, alive.
            self._pixels = np.memmap(file, np.uint8, 'w+', shape=shape)
        begin = 0
        for batch in images.batches(_AT_ONCE):
            self._pixels[begin : begin + len(batch)] = batch
            begin += len(batch)

    def pixels(self, number: int) -> np.ndarray:
        """uint8 [H, W, C]."""
        return np.array(self._pixels[number])

    def entry(self, number: int) -> Entry:
        """Name and label."""
        return self._entries[number]

    def label(self, number: int) -> str:
        """The name of its label; '' for none."""
        label = self._entries[number].label
        return self.images.label_name(label) if label >= 0 else ''
