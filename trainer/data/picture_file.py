"""Reads one picture file that may come from anybody, as a square of the size of the network's pictures.

The converter has its own decoder, which repairs files and keeps colour profiles; this one is for single pictures that
are compared with a data set.
"""

from __future__ import annotations

import io
import threading
import warnings

import numpy as np
from PIL import Image, ImageOps

from trainer import errors

MOST_MEGAPIXELS = 89.0  # Of a picture before it is decoded; a megapixel takes 8 MB. The converter's default.
# An untrusted file should reach few of Pillow's decoders.
_FORMATS = ('JPEG', 'PNG', 'WEBP', 'GIF', 'BMP', 'DIB', 'TIFF', 'AVIF', 'PPM')
_MODES = {1: 'L', 3: 'RGB'}
_DEEP = ('I', 'I;16', 'I;16B', 'I;16L', 'I;16N')  # 16 bits a pixel; Pillow would clip them to 8.
_TO_8_BITS = 257
# Pillow warns of odd files through Python's filters, which all threads share. One picture at a time also bounds the
# memory of a server.
_ONE_AT_A_TIME = threading.Lock()


def decoded(data: bytes, size: int, channels: int) -> np.ndarray:
    """Decodes a picture file, takes its central square and resamples it.

    Args:
      data: the file.
      size: side of the square, px.
      channels: 3 or 1.

    Returns:
      uint8 [size, size, channels].

    Raises:
      errors.UserError: the bytes are no picture of a format that is read here, are damaged, or hold more than
        MOST_MEGAPIXELS.
    """
    with _ONE_AT_A_TIME, warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Of odd files that it reads nevertheless, and of large ones.
        try:
            picture = Image.open(io.BytesIO(data), formats=[name for name in _FORMATS if name in _known()])
            megapixels = picture.width * picture.height / 1e6
            if megapixels <= MOST_MEGAPIXELS:
                return fitted(picture, size, channels)
        except Image.DecompressionBombError:
            megapixels = 2 * MOST_MEGAPIXELS  # From there on, Pillow refuses to open it.
        except Exception as error:  # Its decoders raise many types for damaged files.
            found = errors.one_line(str(error))[:200] or type(error).__name__
            # Pillow names the buffer by its address in memory.
            cause = f'not {", ".join(_FORMATS)}' if 'cannot identify' in found else found
            raise errors.UserError(f'{len(data):,} bytes are not a picture that can be read: {cause}') from None
    raise errors.UserError(
        f'the picture has {megapixels:.0f} megapixels or more, and at most {MOST_MEGAPIXELS:.0f} are read: '
        'scale it down'
    )


def fitted(picture: Image.Image, size: int, channels: int) -> np.ndarray:
    """The central square of an opened picture, upright, on white, resampled: uint8 [size, size, channels]."""
    picture.draft(_MODES[channels], (2 * size, 2 * size))  # A JPEG is decoded at a half, a quarter or an eighth.
    picture = ImageOps.exif_transpose(picture)
    if picture.mode in _DEEP:
        levels = np.asarray(picture, np.int64) // _TO_8_BITS
        picture = Image.fromarray(np.clip(levels, 0, 255).astype(np.uint8))
    if picture.has_transparency_data:
        over = picture.convert('RGBA')
        picture = Image.new('RGB', picture.size, 'white')
        picture.paste(over, mask=over)
    picture = picture.convert(_MODES[channels])
    if picture.size != (size, size):
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(size, size, channels)


def _known() -> dict:
    Image.init()
    return Image.OPEN
