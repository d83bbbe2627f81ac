"""Images of 16 or 32 bits a pixel, brought to 8 bits by what their values mean."""

from __future__ import annotations

import numpy as np
from PIL import Image

_MAX_16_BIT = 65535.0


def is_deep(image: Image.Image) -> bool:
    """Whether the image has more than 8 bits a channel; Pillow itself clips those at 255."""
    return image.mode == 'F' or image.mode.startswith('I')


def to_8_bit(image: Image.Image) -> Image.Image:
    """Mode I;16, I or F -> L, or LA where the file names a transparent value.

    Integers that fit 16 bits are taken as 0 to 65535, and floats as 0 to 1 or as 0 to 255 where they fit; any other
    image is stretched from its smallest to its largest value. A float that is not a number becomes black.
    """
    values = np.asarray(image, np.float32)  # [height, width]
    low, high = _value_range(image.mode, values)
    clipped = np.nan_to_num(np.clip(values, low, high), nan=low)
    grey = Image.fromarray(np.rint((clipped - low) * (255.0 / (high - low))).astype(np.uint8))
    if 'transparency' in image.info:
        opaque = values != image.info['transparency']
        grey.putalpha(Image.fromarray(opaque.astype(np.uint8) * 255))
    return grey


def _value_range(mode: str, values: np.ndarray) -> tuple[float, float]:
    """The values that stand for black and for white."""
    finite = values[np.isfinite(values)]
    low, high = (float(finite.min()), float(finite.max())) if finite.size else (0.0, 1.0)
    for white in (1.0, 255.0) if mode == 'F' else (_MAX_16_BIT,):
        if low >= 0.0 and high <= white:
            return 0.0, white
    return low, max(high, low + 1.0)
