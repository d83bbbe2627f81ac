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
_LEVELS = 256


@dataclasses.dataclass(frozen=True)
class Fitted:
    """One image, ready to be written.

    Attributes:
      record: the serialised example.
      digest: hash of the pixels.
      histogram: how often each channel has each value, int64 [channels, 256].
    """

    record: bytes
    digest: bytes
    histogram: np.ndarray


class Collection:
    """The images kept so far.

    Attributes:
      splits: numbers of the spooled records of each split, in the order of their files.
    """

    def __init__(self, options: ConvertOptions, spool: spools.Spool):
        """Starts without images."""
        self._options, self._spool = options, spool
        self._first_with: dict[bytes, str] = {}
        self._histograms = {split: np.zeros((options.channels, _LEVELS), np.int64) for split in manifest.SPLITS}
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
        self._histograms[split] += fitted.histogram

    def ensure_training(self) -> None:
        """Trains on the hold-out images of a data set so small that all its images were held out."""
        if not self.splits[manifest.TRAIN]:
            self.splits = {manifest.TRAIN: self.splits[manifest.HOLDOUT], manifest.HOLDOUT: array.array('Q')}
            self._histograms[manifest.TRAIN] = self._histograms[manifest.HOLDOUT]

    def mean_and_std(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Per channel over the training split, in [0, 255]; exact, from sums of integers."""
        means, deviations = [], []
        for counts in self._histograms[manifest.TRAIN].tolist():
            number = sum(counts)
            total = sum(count * value for value, count in enumerate(counts))
            squares = sum(count * value * value for value, count in enumerate(counts))
            means.append(total / number)
            deviations.append(math.sqrt(squares * number - total * total) / number)
        return tuple(means), tuple(deviations)

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
    flat = pixels.reshape(-1, options.channels)
    return Fitted(
        record=records.encode_example(pixels, listing.label_of(name), name),
        digest=hashlib.blake2b(pixels.data, digest_size=_DIGEST_BYTES).digest(),
        histogram=np.stack([np.bincount(channel, minlength=_LEVELS) for channel in flat.T]),
    )


def _split_of(digest: bytes, holdout_percent: float) -> str:
    """Decided by the image alone, so that a larger collection never moves an image between the splits."""
    bucket = int.from_bytes(digest, 'big') % _HOLDOUT_BUCKETS
    return manifest.HOLDOUT if bucket < holdout_percent * _HOLDOUT_BUCKETS / 100 else manifest.TRAIN
