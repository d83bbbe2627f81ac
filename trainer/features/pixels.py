"""The extractor without weights: small grey pictures."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from trainer.features.eager import eagerly
from trainer.features.extractor import Extractor

_SIDE = 16
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601


class Pixels(Extractor):
    """16 x 16 grey levels; enough to detect mode collapse and plain copies, but not content."""

    name = 'pixels'
    version = '1'
    title = '16x16 grey pixels, area-averaged'
    layers = ('grey16',)

    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See the base class; D is 256, values in [0, 1]."""
        grey = pixels.astype(np.float32) / 255.0
        grey = grey @ _LUMA[:, None] if grey.shape[-1] == 3 else grey
        small = eagerly(lambda: tf.image.resize(grey, [_SIDE, _SIDE], 'area').numpy())
        return {'grey16': small.reshape(len(small), -1)}
