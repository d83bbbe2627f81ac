"""One file becomes one image of the set, or the reason why it does not."""

from __future__ import annotations

import contextlib
import hashlib
from contextlib import AbstractContextManager
from typing import NamedTuple, Union

import numpy as np

from convert import rejection
from convert.listing import sources
from convert.options import ConvertOptions
from convert.pictures import decode, depth

_DIGEST_BYTES = 16


class Fitted(NamedTuple):
    """One image: uint8 [image_size, image_size, channels], the hash of these pixels, and whether it is generated."""

    pixels: np.ndarray
    digest: bytes
    synthetic: bool


class Outcome(NamedTuple):
    """What a file gives.

    Attributes:
      result: the image, or why there is none.
      highest: the largest value of a 16-bit image that does not state its white, for `depth.Levels`; 0 for others.
    """

    result: Union[Fitted, rejection.Rejected]
    highest: int


def fit(
    folder: str,
    name: str,
    options: ConvertOptions,
    white: int,
    decoding: AbstractContextManager | None = None,
) -> Outcome:
    """Opens, decodes, fits and hashes the file `name` of the input folder, within `decode.prepared_pillow`.

    Args:
      folder: local or gs://, as in the listing.
      name: of the file, below it.
      options: how to fit it.
      white: the value of white in 16-bit files that do not state it.
      decoding: entered after a download and before decoding.

    Raises:
      errors.UserError: the file is in Cloud Storage, which fails or refuses; a bad file is only rejected.
    """
    levels = depth.Levels(white)
    try:
        with sources.open_file(folder, name) as file, decoding or contextlib.nullcontext():
            synthetic = decode.is_synthetic(file)
            pixels = decode.decode(file, options, levels)
    except rejection.Rejected as rejected:
        # A new exception, because the traceback of the old one keeps the decoded image in memory.
        return Outcome(rejection.Rejected(rejected.reason, rejected.detail), levels.highest)
    digest = hashlib.sha256(pixels.data).digest()[:_DIGEST_BYTES]
    return Outcome(Fitted(pixels, digest, synthetic), levels.highest)


def duplicate_of(first: str) -> rejection.Rejected:
    """Why an image is left out whose pixels are those of the earlier file `first`."""
    return rejection.Rejected(rejection.DUPLICATE, f'same pixels as {first}')
