"""Sprite sheets: many small pictures in a few files, so that thousands load in a few requests."""

from __future__ import annotations

import dataclasses
import io
import math
from collections.abc import Iterator

import numpy as np
from PIL import Image

from trainer.data import images
from trainer.page.content import Images

_ROWS = 25
COLUMNS = 40
TILES = _ROWS * COLUMNS  # In a sheet: 1,666 px by 2,640 px at 64 px, which a phone decodes.
BORDER = 1  # px of each tile's edge repeated around it; else scaled tiles would show the edges of their neighbours.

_THUMBNAIL_PIXELS = 18_000_000  # 4,394 thumbnails of 64 px, 11,250 of 40 px.
_SMALLEST, _LARGEST, _LARGEST_OF_PART, _STEP = 16, 128, 64, 8
_SMALL, _SMALL_QUALITY = 40, 60  # px and quality of thumbnails where room is short.
_THUMBNAIL_QUALITY = 78
# Of the sheets of samples, 0 for lossless; below them the most pixels that the first and the second are for. The last
# is only for pages without room.
SAMPLE_QUALITIES = (0, 92, 80, 60)
_LOSSLESS_PIXELS = 2_000_000  # 488 samples of 64 px: about 4 MB.
_FINE_PIXELS = 6_000_000


@dataclasses.dataclass(frozen=True)
class Sheet:
    """One file of up to TILES pictures.

    Attributes:
      data: the file.
      suffix: of its name, '.webp' or '.jpg'.
      count: pictures in it.
    """

    data: bytes
    suffix: str
    count: int


def thumbnail_side(count: int, image_size: int, total: int = 0, small: bool = False) -> int:
    """The side in px at which pictures are shown: fewer pictures are shown larger.

    Args:
      count: how many.
      image_size: of each, px.
      total: of how many these are the ones that have room, 0 if they are all; more than _LARGEST_OF_PART would take the
        room that was to be saved.
      small: whether room is very short.
    """
    side = int(math.sqrt(_THUMBNAIL_PIXELS / max(count, 1))) // _STEP * _STEP
    largest = _SMALL if small else max(_LARGEST_OF_PART, thumbnail_side(total, image_size)) if total else _LARGEST
    return min(image_size, max(_SMALLEST, min(side, largest)))


def thumbnails(pictures: Images, side: int, small: bool = False) -> Iterator[Sheet]:
    """Yields the sheets of a data set, its pictures scaled down to `side`; small ones are also coarser."""
    quality = _SMALL_QUALITY if small else _THUMBNAIL_QUALITY
    for batch in pictures.batches(TILES):
        shown = batch if side == batch.shape[1] else np.stack([_shrink(picture, side) for picture in batch])
        yield Sheet(_webp(_lay_out(shown), quality=quality), '.webp', len(batch))


def sample_quality(pixels: np.ndarray, coarseness: int = 0) -> int:
    """The place in SAMPLE_QUALITIES of the sheets of these pictures: at least `coarseness`, more if they are many."""
    total = pixels[..., 0].size
    return max(coarseness, 0 if total <= _LOSSLESS_PIXELS else 1 if total <= _FINE_PIXELS else 2)


def samples(pixels: np.ndarray, coarseness: int = 0) -> Iterator[Sheet]:
    """Yields the sheets of generated pictures uint8 [N, H, W, C], unscaled, because people look for their flaws.

    Up to two megapixels the sheets are lossless. Larger ones are JPEG without chroma subsampling, because subsampling
    would hide noise in colour. `coarseness` is the least place in SAMPLE_QUALITIES.
    """
    quality = SAMPLE_QUALITIES[sample_quality(pixels, coarseness)]
    for begin in range(0, len(pixels), TILES):
        tiles = pixels[begin : begin + TILES]
        sheet = _lay_out(tiles)
        if quality == 0:
            yield Sheet(_webp(sheet, lossless=True), '.webp', len(tiles))
        else:
            yield Sheet(_encode(sheet, 'JPEG', quality=quality, subsampling=0), '.jpg', len(tiles))


def _lay_out(tiles: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, C] -> one picture of COLUMNS tiles a row, each within its BORDER."""
    edges = ((0, 0), (BORDER, BORDER), (BORDER, BORDER), (0, 0))
    return images.tile_grid(np.pad(tiles, edges, mode='edge'), COLUMNS)


def _shrink(picture: np.ndarray, side: int) -> np.ndarray:
    """uint8 [H, W, C] -> uint8 [side, side, C]."""
    flat = Image.fromarray(picture[..., 0] if picture.shape[-1] == 1 else picture)
    small = np.asarray(flat.resize((side, side), Image.Resampling.LANCZOS))
    return small.reshape(side, side, picture.shape[-1])


def _webp(sheet: np.ndarray, **options: int) -> bytes:
    return _encode(sheet, 'WEBP', **options)


def _encode(sheet: np.ndarray, kind: str, **options: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(sheet[..., 0] if sheet.shape[-1] == 1 else sheet).save(buffer, kind, **options)
    return buffer.getvalue()
