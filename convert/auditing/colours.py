"""How bright and how colourful the images are."""

from __future__ import annotations

import dataclasses

import numpy as np

from trainer.data.image_set import ImageSet

_BATCH = 256
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
# A grey photograph saved as a JPEG is off grey by one level at most. Sensor noise alone gives a contrast above 4.
_GREY_CHROMA = 2.0
_FLAT_CONTRAST = 4.0


@dataclasses.dataclass(frozen=True)
class Colours:
    """Statistics of N images, all in grey levels, 0 to 255.

    Attributes:
      mean, std: of each channel over all images.
      brightness, contrast: mean and standard deviation of the grey values of each image, float32 [N].
      chroma: the largest channel minus the smallest, averaged over each image, float32 [N]; 0 is grey.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    brightness: np.ndarray
    contrast: np.ndarray
    chroma: np.ndarray

    @property
    def grey(self) -> np.ndarray:
        """Which images have no colour, bool [N]."""
        return self.chroma < _GREY_CHROMA

    @property
    def flat(self) -> np.ndarray:
        """Which images have almost no contrast, bool [N]."""
        return self.contrast < _FLAT_CONTRAST


def measure(images: ImageSet) -> Colours:
    """Measures all images, a batch at a time."""
    each, sums, squares, pixels = [], np.zeros(images.channels), np.zeros(images.channels), 0
    for batch in images.batches(_BATCH):
        values = batch.astype(np.float32)
        grey = values @ _LUMA if images.channels == 3 else values[..., 0]
        chroma = (batch.max(axis=-1) - batch.min(axis=-1)).mean(axis=(1, 2))
        each.append(np.stack([grey.mean(axis=(1, 2)), grey.std(axis=(1, 2)), chroma]))
        sums += values.sum(axis=(0, 1, 2), dtype=np.float64)
        squares += np.square(values).sum(axis=(0, 1, 2), dtype=np.float64)
        pixels += values[..., 0].size
    mean = sums / pixels
    std = np.sqrt(np.maximum(squares / pixels - mean**2, 0))
    brightness, contrast, chroma = np.concatenate(each, axis=1).astype(np.float32)
    return Colours(tuple(mean.tolist()), tuple(std.tolist()), brightness, contrast, chroma)
