"""Images of more than 8 bits a channel, brought to 8 bits by what their values mean.

Pillow hands the values of such files over as they are. What stands for black and for white, the file itself says: in a
TIFF by the tags BitsPerSample, SampleFormat, PhotometricInterpretation and MaxSampleValue (TIFF 6.0).
"""

from __future__ import annotations

import dataclasses
import threading

import numpy as np
from PIL import Image

_WHITE_16_BIT = 65535
# Cameras and microscopes store 10, 12 or 14 bits as 16.
_LESS_THAN_16_BIT = (1023, 4095, 16383)
_BITS, _PHOTOMETRIC, _MAX_VALUE, _FORMAT = 258, 262, 281, 339  # TIFF tags.
_WHITE_IS_ZERO, _UNSIGNED, _SIGNED = 0, 1, 2
_BLOCK = 1 << 20  # Pixels to work on at once, for whole floats of a large image take gigabytes.


class Levels:
    """What stands for white in the 16-bit files of a set that do not say, the same for all of them.

    Attributes:
      white: the value, 65535 until a whole set is known to have less.
    """

    def __init__(self, white: int = _WHITE_16_BIT):
        """Starts without having seen an image."""
        self.white = white
        self._highest, self._lock = 0, threading.Lock()

    def note(self, value: int) -> None:
        """Takes in the highest value of an image; threads may share it."""
        with self._lock:
            self._highest = max(self._highest, value)

    def of_the_set(self) -> int:
        """The value that stands for white, by all images seen: one image may be dark, a whole set is not."""
        if not self._highest:
            return self.white
        return next((white for white in _LESS_THAN_16_BIT if self._highest <= white), _WHITE_16_BIT)


@dataclasses.dataclass(frozen=True)
class _Meaning:
    """What the values of an image are.

    Attributes:
      white: what stands for it if it is known, else 0.
      unsigned: whether 32 bits that Pillow takes for signed are not.
      inverted: whether the smallest value is white.
    """

    white: int = 0
    unsigned: bool = False
    inverted: bool = False


def is_deep(image: Image.Image) -> bool:
    """Whether the image has more than 8 bits a channel; Pillow itself clips those at 255."""
    return image.mode == 'F' or image.mode.startswith('I')


def to_8_bit(image: Image.Image, levels: Levels | None = None, exponent: float = 1.0) -> Image.Image:
    """Mode I;16, I or F -> L, or LA where the file names a transparent value.

    Integers are taken from 0 to the largest that the file's bits can hold; where it does not say, those that fit 16
    bits from 0 to `levels.white`. Floats are taken as 0 to 1 or as 0 to 255 where they fit; any other image is
    stretched from its smallest to its largest value. A float that is not a number becomes black.

    Args:
      image: loaded.
      levels: of the set that it belongs to.
      exponent: to raise values in [0, 1] to, before they are rounded.
    """
    meaning = _meaning(image)
    values = np.asarray(image)  # [height, width]
    if meaning.unsigned:
        values = values.view(np.uint32)
    low, high = _range(image.mode, values, meaning, levels or Levels())
    grey = np.empty(values.shape, np.uint8)
    flat, out = values.reshape(-1), grey.reshape(-1)
    for begin in range(0, flat.size, _BLOCK):
        block = np.nan_to_num(np.clip(flat[begin : begin + _BLOCK].astype(np.float64), low, high), nan=low)
        share = ((block - low) / (high - low)) ** exponent
        out[begin : begin + _BLOCK] = np.rint(255.0 * (1.0 - share if meaning.inverted else share))
    made = Image.fromarray(grey)
    if 'transparency' in image.info:
        made.putalpha(Image.fromarray((values != image.info['transparency']).astype(np.uint8) * 255))
    return made


def _meaning(image: Image.Image) -> _Meaning:
    tags = getattr(image, 'tag_v2', {})
    bits, form = _number(tags, _BITS), _number(tags, _FORMAT) or _UNSIGNED
    inverted = bool(tags) and _number(tags, _PHOTOMETRIC) == _WHITE_IS_ZERO
    if not bits or image.mode == 'F':
        return _Meaning(inverted=inverted)
    if form == _SIGNED:
        return _Meaning(white=(1 << 15) - 1 if bits == 16 else 0, inverted=inverted)
    largest = _number(tags, _MAX_VALUE)
    if bits < 16:
        return _Meaning(white=(1 << bits) - 1, inverted=inverted)
    return _Meaning(largest if largest in _LESS_THAN_16_BIT else 0, unsigned=bits == 32, inverted=inverted)


def _number(tags: dict, tag: int) -> int:
    """The first number that a TIFF tag has, 0 if it has none."""
    value = tags.get(tag, 0) if tags else 0
    value = value[0] if isinstance(value, tuple) and value else value
    return int(value) if isinstance(value, (int, float)) else 0


def _range(mode: str, values: np.ndarray, meaning: _Meaning, levels: Levels) -> tuple[float, float]:
    """The values that stand for the two ends."""
    low, high = _extremes(values)
    if mode == 'F':
        fits = next((white for white in (1.0, 255.0) if low >= 0.0 and high <= white), 0.0)
    elif meaning.white:
        fits = float(meaning.white) if low >= 0 and high <= meaning.white else 0.0
    else:
        fits = float(_WHITE_16_BIT) if low >= 0 and high <= _WHITE_16_BIT else 0.0
        if fits:
            levels.note(int(high))
            fits = float(max(levels.white, high))
    return (0.0, fits) if fits else (low, max(high, low + 1.0))


def _extremes(values: np.ndarray) -> tuple[float, float]:
    """The smallest and the largest number that is finite; 0 and 1 if none is."""
    if values.dtype.kind != 'f':
        return float(values.min()), float(values.max())
    low, high = np.inf, -np.inf
    flat = values.reshape(-1)
    for begin in range(0, flat.size, _BLOCK):
        finite = flat[begin : begin + _BLOCK][np.isfinite(flat[begin : begin + _BLOCK])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if high >= low else (0.0, 1.0)
