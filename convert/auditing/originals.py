"""How large the files were that the images were made of, where they can still be reached."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from convert import headers, options
from convert.listing.sources import Listing
from trainer import errors
from trainer.data.image_set import Entry
from trainer.data.manifest import Manifest

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
    listing = Listing(described.source, tuple(entry.name for entry in entries if entry.name), ())
    try:
        sizes = headers.read_sizes(listing, listing.names)
    except errors.UserError as error:
        return None, str(error)
    if not len(sizes):
        return None, f'{described.source}, where they were made from, does not have them now'
    fit = described.options.get('fit', options.CROP)
    governing = sizes.max(axis=1) if fit == options.PAD else sizes.min(axis=1)
    return Originals(sizes, governing, described.image_size), ''
