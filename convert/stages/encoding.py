"""One image of the set becomes one record."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from convert.listing import sources
from convert.output.moments import Moments
from trainer.data import records


def encode(pixels: np.ndarray, name: str, labels: Sequence[str], moments: Moments) -> bytes:
    """The serialised record of the image of the file `name`, whose pixels are added to the moments of its split.

    Args:
      pixels: uint8 [image_size, image_size, channels].
      name: path below the input folder.
      labels: as in the listing.
      moments: of the split.
    """
    moments.add(pixels)
    return records.encode_example(pixels, sources.label_of(labels, name), name)
