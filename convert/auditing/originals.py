"""The sizes of the files that the images were made from, if these can still be read."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from convert import headers, options
from convert.listing.sources import Listing
from trainer import errors
from trainer.data.image_set import Entry
from trainer.data.manifest import Manifest

_OBLONG = 1.5  # An image of a larger aspect ratio loses a third or more, or gets a third or more of border.


@dataclasses.dataclass(frozen=True)
class Originals:
    """Sizes of original files.

    Attributes:
      sizes: width and height in px, int64 [M, 2], M at least 1.
      governing: the side that is fitted to `image_size`, int64 [M]: the short side of an image that is cropped, the
        long side of an image that is padded.
      image_size: the side of the converted images, px.
    """

    sizes: np.ndarray
    governing: np.ndarray
    image_size: int

    @property
    def aspect(self) -> np.ndarray:
        """The long side divided by the short one, [M]; 1 is square. EXIF orientation may swap width and height."""
        return self.sizes.max(axis=1) / self.sizes.min(axis=1)

    @property
    def oblong(self) -> float:
        """The share that is longer than 3:2."""
        return float((self.aspect > _OBLONG).mean())

    def smaller_than(self, side: int) -> float:
        """The share that was enlarged to reach `side` px, or would have to be."""
        return float((self.governing < side).mean())


def read(described: Manifest | None, entries: Sequence[Entry]) -> tuple[Originals | None, str]:
    """Reads the sizes of all files, or of an evenly spread sample of them.

    Args:
      described: the manifest of the data set, None if it has none.
      entries: name and label of each image.

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
        return None, f'{described.source}, from which they were made, no longer has them'
    fit = described.options.get('fit', options.CROP)
    governing = sizes.max(axis=1) if fit == options.PAD else sizes.min(axis=1)
    return Originals(sizes, governing, described.image_size), ''
