"""How large the files were that the images were made of, where they can still be reached."""

from __future__ import annotations

import dataclasses
import os
import stat
import warnings
from collections.abc import Sequence
from typing import BinaryIO

import numpy as np
from PIL import Image

from convert import decode, options, parallel, rejection
from convert.sources import Listing
from trainer import errors, storage
from trainer.image_set import Entry
from trainer.manifest import Manifest

_LOOK_AT = 2000  # Files; a header each.
_LOOK_AT_REMOTE = 200  # Downloaded whole.
_OBLONG = 1.5  # An image whose sides differ more loses a third, or gets a third of border.


@dataclasses.dataclass(frozen=True)
class Originals:
    """Sizes of original files.

    Attributes:
      sizes: width and height in px, int64 [M, 2], M at least 1.
      governing: the side that is fitted to `image_size`, int64 [M]: the short one of an image that is cut, the long
        one of an image that gets a border.
      image_size: what they became.
    """

    sizes: np.ndarray
    governing: np.ndarray
    image_size: int

    @property
    def aspect(self) -> np.ndarray:
        """The long side by the short one, [M]; 1 is square. Which of them is the height, EXIF may turn round."""
        return self.sizes.max(axis=1) / self.sizes.min(axis=1)

    @property
    def oblong(self) -> float:
        """The share that is longer than 3:2."""
        return float((self.aspect > _OBLONG).mean())

    def smaller_than(self, side: int) -> float:
        """The share that had to be enlarged to be `side` px large, or would have to be."""
        return float((self.governing < side).mean())


def read(described: Manifest | None, entries: Sequence[Entry]) -> tuple[Originals | None, str]:
    """Reads the sizes of files, of all or of enough of them, evenly spread.

    Args:
      described: the manifest of the data set, None if it has none.
      entries: of all images.

    Returns:
      The sizes, or None and the reason in words.
    """
    if described is None or not described.source:
        return None, 'the records do not say where they come from'
    names = [entry.name for entry in entries if entry.name]
    names = names[:: -(-len(names) // (_LOOK_AT_REMOTE if storage.is_remote(described.source) else _LOOK_AT)) or 1]
    listing = Listing(described.source, tuple(names), ())
    threads = storage.CONNECTIONS if storage.is_remote(described.source) else 1
    try:
        with decode.prepared_pillow(float(options.ConvertOptions.max_megapixels)), warnings.catch_warnings():
            warnings.simplefilter('ignore', Image.DecompressionBombWarning)  # Nothing is decoded here.
            found = list(parallel.map_in_order(lambda name: _size(listing, name), names, threads))
    except errors.UserError as error:
        return None, str(error)
    sizes = np.array([size for size in found if size], np.int64)
    if not len(sizes):
        return None, f'{described.source}, where they were made from, does not have them now'
    fit = described.options.get('fit', options.CROP)
    governing = sizes.max(axis=1) if fit == options.PAD else sizes.min(axis=1)
    return Originals(sizes, governing, described.image_size), ''


def _size(listing: Listing, name: str) -> tuple[int, int] | None:
    try:
        with _open(listing, name) as file, Image.open(file) as image:
            return image.size
    except errors.UserError:
        raise
    except Exception:  # Gone, or replaced by what is no image: a plug-in may raise anything.
        return None


def _open(listing: Listing, name: str) -> BinaryIO:
    if storage.is_remote(listing.folder):
        return listing.open(name)
    path = os.path.join(listing.folder, name)
    if not stat.S_ISREG(os.stat(path).st_mode):  # To open a pipe would wait for its other end, for ever.
        raise rejection.Rejected(rejection.UNREADABLE)
    return open(path, 'rb')
