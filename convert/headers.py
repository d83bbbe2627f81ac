"""Finds the sizes of images from their headers, and decodes a few of them to see whether they have colours."""

from __future__ import annotations

import dataclasses
import os
import warnings
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image

from convert import options, parallel, rejection
from convert.listing.sources import Listing
from convert.pictures import decode
from trainer import errors
from trainer.dcgan import architecture
from trainer.filesystem import files
from trainer.storage import gcs

_LOOK_AT = 2000  # Local files whose headers are read.
_LOOK_AT_REMOTE = 200  # Fewer, because each is downloaded whole.
_DECODE = 200  # Images that are decoded to look for colours.
_MOST = 0.5
_GREY_MODES = ('1', 'L', 'LA', 'La', 'I', 'F')
_GREY_CHROMA = 2.0  # As in convert/auditing/colours.py: a grey JPEG is off grey by one level at most.
_SIDE = 32


@dataclasses.dataclass(frozen=True)
class Headers:
    """The sizes and colours of some files of a folder.

    Attributes:
      sizes: width and height in px, int64 [M, 2].
      coloured: how many of the decoded images have colours.
    """

    sizes: np.ndarray
    coloured: int

    def largest_size(self) -> int:
        """The largest size of a network that most of the images can fill; the smallest size if there is none."""
        return max(
            (side for side in architecture.IMAGE_SIZES if self._share_of(side) > _MOST),
            default=min(architecture.IMAGE_SIZES),
        )

    def channels(self) -> int:
        """1 if no image has colours, else 3."""
        return 3 if self.coloured or not len(self.sizes) else 1

    def __str__(self) -> str:
        sides = ', '.join(f'{self._share_of(side):.0%} fill {side} px' for side in sorted(architecture.IMAGE_SIZES))
        colours = 'some have colours' if self.coloured else 'none has colours'
        return f'{len(self.sizes):,} examined images: {sides}; {colours}'

    def _share_of(self, side: int) -> float:
        return float((self.sizes.min(axis=1) >= side).mean()) if len(self.sizes) else 0.0


def look(listing: Listing) -> Headers:
    """Examines all files of a folder, or an evenly spread sample of them.

    Raises:
      errors.UserError: Cloud Storage fails or refuses.
    """
    sizes = read_sizes(listing, listing.names)
    fit = options.ConvertOptions(input_dir=listing.folder, output_dir='-', image_size=_SIDE, fit=options.STRETCH)
    some = _spread(listing.names, _DECODE)

    def is_coloured(name: str) -> bool:
        try:
            with listing.open(name) as file:
                pixels = decode.decode(file, fit).astype(int)
        except rejection.Rejected:
            return False
        return float((pixels.max(axis=-1) - pixels.min(axis=-1)).mean()) > _GREY_CHROMA

    with decode.prepared_pillow(fit.max_megapixels):
        coloured = sum(parallel.map_in_order(is_coloured, some, _threads(listing)))
    return Headers(sizes, coloured)


def read_sizes(listing: Listing, names: Sequence[str]) -> np.ndarray:
    """Width and height in px of a sample of the files, int64 [M, 2]; files that are not images are left out.

    Raises:
      errors.UserError: Cloud Storage fails or refuses.
    """
    some = _spread(names, _LOOK_AT_REMOTE if gcs.is_remote(listing.folder) else _LOOK_AT)
    with decode.prepared_pillow(float(options.ConvertOptions.max_megapixels)), warnings.catch_warnings():
        warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # Nothing is decoded here.
        found = list(parallel.map_in_order(lambda name: _size(listing, name), some, _threads(listing)))
    return np.array([size for size in found if size], np.int64).reshape(-1, 2)


def _spread(names: Sequence[str], count: int) -> Sequence[str]:
    return names[:: -(-len(names) // count) or 1]


def _threads(listing: Listing) -> int:
    return gcs.CONNECTIONS if gcs.is_remote(listing.folder) else os.cpu_count() or 1


def _size(listing: Listing, name: str) -> tuple[int, int] | None:
    try:
        with _open(listing, name) as file, decode.opened(file) as image:
            return image.size
    except errors.UserError:
        raise
    except Exception:  # Deleted, or replaced by something that is not an image: a plug-in may raise anything.
        return None


def _open(listing: Listing, name: str) -> BinaryIO:
    if gcs.is_remote(listing.folder):
        return listing.open(name)
    path = os.path.join(listing.folder, name)
    if not files.leads_to_regular(path):
        raise rejection.Rejected(rejection.UNREADABLE)
    return open(path, 'rb')
