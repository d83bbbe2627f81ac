"""The first pass: every file decoded, fitted and spooled, with a few facts about each kept in memory."""

from __future__ import annotations

import array
import dataclasses
import functools
import hashlib
import math
import os

import numpy as np

from convert import decode, parallel, progress, rejection, sources
from convert import spool as spools
from convert.options import ConvertOptions
from trainer import manifest, records

_DIGEST_BYTES = 16
_HOLDOUT_BUCKETS = 10000


@dataclasses.dataclass(frozen=True)
class Fitted:
    """One image, ready to be written.

    Attributes:
      record: the serialised example.
      digest: hash of the pixels.
      sums: of the values and of their squares, int64 [2, channels].
    """

    record: bytes
    digest: bytes
    sums: np.ndarray


class Collection:
    """The images kept so far.

    Attributes:
      splits: numbers of the spooled records of each split, in the order of their files.
    """

    def __init__(self, options: ConvertOptions, spool: spools.Spool):
        """Starts without images."""
        self._options, self._spool = options, spool
        self._first_with: dict[bytes, str] = {}
        self._sums = {split: np.zeros((2, options.channels), np.int64) for split in manifest.SPLITS}
        self.splits = {split: array.array('Q') for split in manifest.SPLITS}

    def add(self, name: str, fitted: Fitted) -> None:
        """Spools the image of the file `name`.

        Raises:
          rejection.Rejected: an earlier file has the same pixels.
        """
        first = self._first_with.setdefault(fitted.digest, name)
        if first is not name and not self._options.keep_duplicates:
            raise rejection.Rejected(rejection.DUPLICATE, f'same pixels as {first}')
        split = _split_of(fitted.digest, self._options.holdout_percent)
        self.splits[split].append(self._spool.append(fitted.record))
        self._sums[split] += fitted.sums

    def ensure_training(self) -> None:
        """Trains on the hold-out images of a data set so small that all its images were held out."""
        if not self.splits[manifest.TRAIN]:
            self.splits = {manifest.TRAIN: self.splits[manifest.HOLDOUT], manifest.HOLDOUT: array.array('Q')}
            self._sums[manifest.TRAIN] = self._sums[manifest.HOLDOUT]

    def mean_and_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Per channel over the training split, in [0, 255]; exact, from sums of integers."""
        number = len(self.splits[manifest.TRAIN]) * self._options.image_size**2
        totals, squares = self._sums[manifest.TRAIN].tolist()
        mean = tuple(total / number for total in totals)
        std = tuple(math.sqrt(square * number - total**2) / number for total, square in zip(totals, squares))
        return mean, std

    def __len__(self) -> int:
        return sum(len(numbers) for numbers in self.splits.values())


def collect(
    listing: sources.Listing, options: ConvertOptions, spool: spools.Spool, rejections: rejection.RejectionList
) -> Collection:
    """Decodes all files, several at a time, and takes them in the order of their names."""
    collection = Collection(options, spool)
    fit = functools.partial(_fit, listing, options)
    workers = options.workers or os.cpu_count() or 1
    with decode.prepared_pillow(options.max_megapixels), progress.Progress('decoding', len(listing.names)) as bar:
        for name, result in zip(listing.names, parallel.map_in_order(fit, listing.names, workers)):
            try:
                if isinstance(result, rejection.Rejected):
                    raise result
                collection.add(name, result)
            except rejection.Rejected as rejected:
                rejections.add(name, rejected)
            bar.advance()
    collection.ensure_training()
    return collection


def _fit(listing: sources.Listing, options: ConvertOptions, name: str) -> Fitted | rejection.Rejected:
    """Runs on a worker thread: one file, from disk to record."""
    try:
        with listing.open(name) as file:
            pixels = decode.decode(file, options)
    except rejection.Rejected as rejected:
        # A new one, because the traceback of the old one holds the decoded image.
        return rejection.Rejected(rejected.reason, rejected.detail)
    # Whole numbers add up to the same in any order, and 32 bits hold the squares of 33,000 pixels.
    values = pixels.reshape(-1, options.channels).T.astype(np.int32, order='C')
    return Fitted(
        record=records.encode_example(pixels, listing.label_of(name), name),
        digest=hashlib.sha256(pixels.data).digest()[:_DIGEST_BYTES],
        sums=np.array([values.sum(axis=1), np.einsum('cp,cp->c', values, values)], np.int64),
    )


def _split_of(digest: bytes, holdout_percent: float) -> str:
    """Decided by the image alone, so that a larger collection never moves an image between the splits."""
    bucket = int.from_bytes(digest, 'big') % _HOLDOUT_BUCKETS
    return manifest.HOLDOUT if bucket < holdout_percent * _HOLDOUT_BUCKETS / 100 else manifest.TRAIN
