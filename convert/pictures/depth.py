"""Converts images of more than 8 bits a channel, or of signed values, to 8 bits, by what their values mean.

Pillow returns the values of such files as they are. The file itself says which values are black and white: a TIFF by
the tags BitsPerSample, SampleFormat, PhotometricInterpretation and MaxSampleValue (TIFF 6.0), a PGM by its maxval.
"""

from __future__ import annotations

import dataclasses
import threading
from typing import Any

import numpy as np
from PIL import Image

_WHITE_16_BIT = 65535
# Cameras and microscopes store 10, 12 or 14 bits as 16.
LESS_THAN_16_BIT = (1023, 4095, 16383)
_BITS, _PHOTOMETRIC, _MAX_VALUE, _FORMAT = 258, 262, 281, 339  # TIFF tags.
_WHITE_IS_ZERO, _SIGNED = 0, 2
_BLOCK = 1 << 20  # Pixels to work on at once, because the floats of a whole large image take gigabytes.
_MAXVAL = 'maxval'  # Key in the `info` of a PGM.
# libtiff returns the values of a compressed file in native byte order. Pillow knows that only of 16-bit unsigned ones.
_NATIVE = {
    'F;32F': 'F;32NF', 'F;32BF': 'F;32NF', 'I;16S': 'I;16NS', 'I;16BS': 'I;16NS', 'I;32S': 'I;32NS', 'I;32BS': 'I;32NS',
}  # fmt: skip


class Levels:
    """The value of white in those 16-bit files of a set that do not state it, the same for all of them.

    Attributes:
      white: the value; 65535 unless the whole set is known to have fewer bits.
      highest: the largest value noted, 0 if there is none.
    """

    def __init__(self, white: int = _WHITE_16_BIT):
        """Starts without having seen an image."""
        self.white = white
        self.highest, self._lock = 0, threading.Lock()

    def note(self, value: int) -> None:
        """Records the highest value of an image; threads may share this object."""
        with self._lock:
            self.highest = max(self.highest, value)

    def of_the_set(self) -> int:
        """The value of white, by all images seen: one image may be dark, a whole set is not."""
        if not self.highest:
            return self.white
        return next((white for white in LESS_THAN_16_BIT if self.highest <= white), _WHITE_16_BIT)


@dataclasses.dataclass(frozen=True)
class _Meaning:
    """What the values of an image mean.

    Attributes:
      white: the value of white if it is known, else 0.
      stored: NumPy's name of their dtype where Pillow reads another one, else ''.
      inverted: whether the smallest value is white.
    """

    white: int = 0
    stored: str = ''
    inverted: bool = False


def is_deep(image: Image.Image) -> bool:
    """Whether the values are anything but bytes from black to white; Pillow itself would clip them at 255."""
    return image.mode == 'F' or image.mode.startswith('I') or (image.mode == 'L' and _is_signed(image))


def correct(image: Any) -> None:
    """Makes Pillow read values of more than 8 bits as the file means them, and notes the maxval that loading loses.

    Args:
      image: opened but not loaded.
    """
    if image.format == 'TIFF':
        image.tile = [tile._replace(args=(_raw_mode(image, tile), *tile.args[1:])) for tile in image.tile]
    if image.format == 'PPM' and image.mode == 'I' and image.tile[0].codec_name != 'raw':
        image.info[_MAXVAL] = image.tile[0].args[-1]


def _raw_mode(image: Any, tile: Any) -> str:
    """Pillow's raw mode for the values in a part of a TIFF."""
    mode, tags = tile.args[0], image.tag_v2
    if tile.codec_name == 'libtiff':
        return _NATIVE.get(mode, mode)
    if len(mode) == 1 and number(tags, _BITS) == 16:  # A plane for each colour, which Pillow would read as 8-bit.
        return f'{mode};16{"L" if tags.prefix.startswith(b"II") else "B"}'
    return mode


def to_8_bit(image: Image.Image, levels: Levels | None = None, exponent: float = 1.0) -> Image.Image:
    """Converts mode I;16, I, F or signed L to L, or to LA if the file names a transparent value.

    Integers range from 0 to the largest value that the file's bits can hold. If the file does not say, and they fit 16
    bits, they range from 0 to `levels.white`. Floats range from 0 to 1 or from 0 to 255 where they fit. Any other image
    is stretched from its smallest to its largest value. NaN becomes black.

    Args:
      image: loaded.
      levels: those of the set that it belongs to.
      exponent: values in [0, 1] are raised to it before they are rounded.
    """
    meaning = _meaning(image)
    values = np.asarray(image)  # [height, width]
    if meaning.stored:
        values = values.view(meaning.stored)
    low, high = _range(image.mode, values, meaning, levels or Levels())
    grey = np.empty(values.shape, np.uint8)
    flat, out = values.reshape(-1), grey.reshape(-1)
    for begin in range(0, flat.size, _BLOCK):
        block = np.clip(flat[begin : begin + _BLOCK].astype(np.float64), low, high)
        share = ((block - low) / (high - low)) ** exponent
        share = np.nan_to_num(1.0 - share if meaning.inverted else share, nan=0.0)
        out[begin : begin + _BLOCK] = np.rint(255.0 * share)
    made = Image.fromarray(grey)
    if 'transparency' in image.info:
        made.putalpha(Image.fromarray((values != image.info['transparency']).astype(np.uint8) * 255))
    return made


def _meaning(image: Image.Image) -> _Meaning:
    tags = getattr(image, 'tag_v2', {})
    bits = number(tags, _BITS)
    inverted = bool(tags) and number(tags, _PHOTOMETRIC) == _WHITE_IS_ZERO
    if image.format == 'PPM' and _MAXVAL in image.info:
        return _Meaning(_WHITE_16_BIT)  # Pillow has scaled the values to this.
    if not bits or image.mode == 'F':
        return _Meaning(inverted=inverted)
    if _is_signed(image):
        return _Meaning((1 << (bits - 1)) - 1 if bits < 32 else 0, 'int8' if bits == 8 else '', inverted)
    if bits < 16:
        return _Meaning((1 << bits) - 1, inverted=inverted)
    largest = number(tags, _MAX_VALUE)
    return _Meaning(largest if largest in LESS_THAN_16_BIT else 0, 'uint32' if bits == 32 else '', inverted)


def _is_signed(image: Image.Image) -> bool:
    return number(getattr(image, 'tag_v2', {}), _FORMAT) == _SIGNED


def number(tags: Any, tag: int) -> int:
    """The first number in a TIFF tag, 0 if there is none."""
    value = tags.get(tag, 0) if tags else 0
    value = value[0] if isinstance(value, tuple) and value else value
    return int(value) if isinstance(value, (int, float)) else 0


def _range(mode: str, values: np.ndarray, meaning: _Meaning, levels: Levels) -> tuple[float, float]:
    """The values of the two ends, lower first."""
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
    """The smallest and the largest finite value; 0 and 1 if there is none."""
    if values.dtype.kind != 'f':
        return float(values.min()), float(values.max())
    low, high = np.inf, -np.inf
    flat = values.reshape(-1)
    for begin in range(0, flat.size, _BLOCK):
        finite = flat[begin : begin + _BLOCK][np.isfinite(flat[begin : begin + _BLOCK])]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if high >= low else (0.0, 1.0)
