"""The extractor without weights: small grey pictures."""

from __future__ import annotations

import numpy as np

from trainer.features.extractor import Extractor

_SIDE = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Pixels(Extractor):
    """16 x 16 grey levels; enough to see collapse and plain copies, blind to meaning."""

    name = 'pixels'
    title = '16x16 grey pixels, area-averaged'
    layers = ('grey16',)

    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See the base class; D is 256, values in [0, 1]."""
        grey = pixels.astype(np.float32) / 255.0
        grey = grey @ _LUMA if grey.shape[-1] == 3 else grey[..., 0]  # [N, H, W]
        small = _averaging(grey.shape[1]) @ grey @ _averaging(grey.shape[2]).T
        return {'grey16': small.reshape(len(small), -1)}


def _averaging(size: int) -> np.ndarray:
    """float32 [16, size]: what each pixel weighs in the mean of each of 16 equal stretches."""
    edges = np.linspace(0, size, _SIDE + 1)
    pixel = np.arange(size)
    overlap = np.minimum(edges[1:, None], pixel + 1) - np.maximum(edges[:-1, None], pixel)
    return (np.clip(overlap, 0, None) * _SIDE / size).astype(np.float32)
