"""The pictures to read, with their names: of a folder of images, or of a data set."""

from __future__ import annotations

import dataclasses
import functools
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np

from convert import marks, options
from convert.listing import sources
from convert.pictures import decode
from trainer.data import image_set
from trainer.data.image_set import ImageSet
from trainer.filesystem import paths
from trainer.storage import gcs

_LONGEST = 640  # Pixels a side. Engines see one line of text, and gain nothing from more.


@dataclasses.dataclass(frozen=True)
class Picture:
    """One image.

    Attributes:
      name: as the records of a data set have it: its path below the input folder, with '/' between folders.
      load: gives its pixels, uint8 [H, W, 3], or raises rejection.Rejected; within `decode.prepared_pillow`.
    """

    name: str
    load: Callable[[], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Pictures in a fixed order.

    Attributes:
      count: how many there are.
      each: gives them once.
      threads: that may load at once.
    """

    count: int
    each: Iterable[Picture]
    threads: int


def of_folder(folder: str, output: str) -> Pictures:
    """The files below a local or gs:// folder, without `output`, in the order of their names.

    Raises:
      errors.UserError: it is not a folder, is empty, cannot be listed, or is a data set or a run.
    """
    listing = sources.find(folder, output)
    own = posixpath.relpath(paths.identity(output), paths.identity(folder))
    names = [name for name in listing.names if name != own]
    each = [Picture(name, functools.partial(_decoded, listing, name)) for name in names]
    return Pictures(len(names), each, gcs.CONNECTIONS if gcs.is_remote(folder) else os.cpu_count() or 1)


def of_data_set(data: str) -> Pictures:
    """The images of a data-set folder, local or gs://, those held out after those to train on.

    Raises:
      errors.DataError: there are none, or they are damaged or have no names.
    """
    splits = [images for images in image_set.open_both(data) if images]
    marks.Names([entry for images in splits for entry in images.entries()])  # Raises if they have no names.
    return Pictures(sum(map(len, splits)), _recorded(splits), os.cpu_count() or 1)


def _decoded(listing: sources.Listing, name: str) -> np.ndarray:
    with listing.open(name) as file:
        return decode.decode(file, options.Whole(_LONGEST))


def _recorded(splits: Sequence[ImageSet]) -> Iterator[Picture]:
    for images in splits:
        each = (pixels for batch in images.batches(256) for pixels in batch)
        for entry, pixels in zip(images.entries(), each):
            yield Picture(entry.name, functools.partial(_in_colour, pixels))


def _in_colour(pixels: np.ndarray) -> np.ndarray:
    """uint8 [H, W, 3] of uint8 [H, W, 1 or 3]."""
    return np.broadcast_to(pixels, (*pixels.shape[:2], 3))
