"""The two forms in which an engine sees a picture: as it is, and thresholded to black on white."""

from __future__ import annotations

import numpy as np
from PIL import Image

_HEIGHT = 64  # Engines want characters of 32 to 64 px, and crops are often smaller.
_LONGEST = 1280
_BORDER = 0.05  # Of the height, on each side, for characters that touch the edge.
_WHITE = 255
_LEAST_CONTRAST = 10  # Grey levels. Below it, a threshold makes shapes of noise, and Tesseract sees a 7.


def is_blank(pixels: np.ndarray) -> bool:
    """Whether a picture, uint8 [H, W, 3], has too little contrast to show a text."""
    levels = np.asarray(Image.fromarray(pixels).convert('L'))
    return int(levels.max()) - int(levels.min()) < _LEAST_CONTRAST


def as_it_is(pixels: np.ndarray) -> np.ndarray:
    """The picture, enlarged if it is small, in a border of its own colour.

    Args:
      pixels: uint8 [H, W, 3].

    Returns:
      uint8 [H', W', 3].
    """
    large = _enlarged(Image.fromarray(pixels))
    return _bordered(large, np.median(_edge(large), axis=0).astype(np.uint8))


def black_on_white(pixels: np.ndarray) -> np.ndarray:
    """The picture, enlarged if it is small, with two colours: what its edge mostly has becomes white.

    Args:
      pixels: uint8 [H, W, 3].

    Returns:
      uint8 [H', W', 3] of 0 and 255.
    """
    grey = _enlarged(Image.fromarray(pixels).convert('L'))
    light = grey > otsu(grey)
    if _edge(light).mean() < 0.5:
        light = ~light
    white = np.where(light, _WHITE, 0).astype(np.uint8)
    return _bordered(np.repeat(white[..., None], 3, axis=2), np.full(3, _WHITE, np.uint8))


def otsu(grey: np.ndarray) -> int:
    """The threshold that leaves the least variance within the two classes, `<= threshold` and above (Otsu, 1979).

    Args:
      grey: uint8 of any shape.

    Returns:
      0 to 254; 0 for a picture of one grey level.
    """
    counts = np.bincount(grey.ravel(), minlength=256).astype(np.float64)
    below, sums = counts.cumsum()[:-1], (counts * np.arange(256)).cumsum()
    above = grey.size - below
    apart = (sums[-1] * below - sums[:-1] * grey.size) ** 2
    between = np.divide(apart, below * above, out=np.zeros(255), where=(below > 0) & (above > 0))
    return int(between.argmax())


def _enlarged(image: Image.Image) -> np.ndarray:
    scale = min(_HEIGHT / image.height, _LONGEST / image.width)
    if scale > 1:
        size = (round(image.width * scale), round(image.height * scale))
        image = image.resize(size, Image.Resampling.BICUBIC)
    return np.asarray(image)


def _edge(pixels: np.ndarray) -> np.ndarray:
    """The pixels of the outermost rows and columns, [N, ...]."""
    return np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])


def _bordered(pixels: np.ndarray, colour: np.ndarray) -> np.ndarray:
    height, width, channels = pixels.shape
    border = round(height * _BORDER)
    framed = np.empty((height + 2 * border, width + 2 * border, channels), np.uint8)
    framed[:] = colour
    framed[border : border + height, border : border + width] = pixels
    return framed
