"""The first pass: decodes, fits and spools every file, and keeps only a few facts about each in memory."""

from __future__ import annotations

import array
import functools
import hashlib
import os
import threading
from typing import NamedTuple

import numpy as np

from convert import parallel, progress, rejection
from convert.listing import sources
from convert.options import ConvertOptions
from convert.output.spool import Spool
from convert.pictures import decode, depth
from trainer.data import manifest, records
from trainer.storage import gcs

MIN_IMAGES = 2  # In a data set, and in its training split.
_DIGEST_BYTES = 16
_HOLDOUT_BUCKETS = 10000


class Fitted(NamedTuple):
    """One image: uint8 [image_size, image_size, channels], the hash of these pixels, and whether it is generated."""

    pixels: np.ndarray
    digest: bytes
    synthetic: bool


class Collection:
    """The images that are kept.

    Attributes:
      splits: the numbers of the images in each split, in the order of their files.
      synthetic: how many are pictures of trainer.generate; none of these is held out, because what is held out
        stands for real images.
    """

    def __init__(self, listing: sources.Listing, options: ConvertOptions, spool: Spool):
        """Starts without images."""
        self._listing, self._options, self._spool = listing, options, spool
        self._first_with: dict[bytes, int] = {}
        self._files = array.array('Q')  # For each image, the position of its file in the listing.
        self.splits = {split: array.array('Q') for split in manifest.SPLITS}
        self.synthetic = 0

    def add(self, file: int, fitted: Fitted) -> None:
        """Spools the image of the listing's `file`-th file.

        Raises:
          rejection.Rejected: an earlier file has the same pixels.
        """
        first = self._first_with.setdefault(fitted.digest, file)
        if first != file and not self._options.keep_duplicates:
            raise rejection.Rejected(rejection.DUPLICATE, f'same pixels as {self._listing.names[first]}')
        self.synthetic += fitted.synthetic
        percent = 0.0 if fitted.synthetic else self._options.holdout_percent
        self.splits[_split_of(fitted.digest, percent)].append(len(self))
        self._files.append(file)
        self._spool.append(fitted.pixels)

    def ensure_training(self) -> None:
        """Moves the hold-out into the training split if that has fewer than MIN_IMAGES, as in a tiny data set."""
        if len(self.splits[manifest.TRAIN]) < MIN_IMAGES:
            everything = sorted(number for numbers in self.splits.values() for number in numbers)
            self.splits = {manifest.TRAIN: array.array('Q', everything), manifest.HOLDOUT: array.array('Q')}

    def pixels(self, number: int) -> np.ndarray:
        """The image as uint8 [image_size, image_size, channels]."""
        return self._spool.read(number)

    def record(self, number: int, pixels: np.ndarray) -> bytes:
        """The serialised record of the image, given its pixels."""
        name = self._listing.names[self._files[number]]
        return records.encode_example(pixels, self._listing.label_of(name), name)

    def __len__(self) -> int:
        return len(self._files)


def collect(
    listing: sources.Listing,
    options: ConvertOptions,
    spool: Spool,
    rejections: rejection.RejectionList,
    levels: depth.Levels,
) -> Collection:
    """Decodes all files, several at a time, and adds them in the order of their names.

    Raises:
      errors.UserError: the files are in Cloud Storage, which fails or refuses; a bad file is only rejected.
    """
    collection = Collection(listing, options, spool)
    workers = options.workers or os.cpu_count() or 1
    # Downloads mostly wait, so many threads run at once. The semaphore limits how many images are decoded at once.
    threads = gcs.CONNECTIONS if gcs.is_remote(listing.folder) else workers
    fit = functools.partial(_fit, listing, options, threading.Semaphore(workers), levels)
    with decode.prepared_pillow(options.max_megapixels), progress.Progress('decoding', len(listing.names)) as bar:
        for file, result in enumerate(parallel.map_in_order(fit, listing.names, threads)):
            try:
                if isinstance(result, rejection.Rejected):
                    raise result
                collection.add(file, result)
            except rejection.Rejected as rejected:
                rejections.add(listing.names[file], rejected)
            bar.advance()
    collection.ensure_training()
    return collection


def _fit(
    listing: sources.Listing,
    options: ConvertOptions,
    decoding: threading.Semaphore,
    levels: depth.Levels,
    name: str,
) -> Fitted | rejection.Rejected:
    """Runs on a worker thread, and does as little as possible there: only one thread at a time runs Python (GIL)."""
    try:
        with listing.open(name) as file, decoding:
            synthetic = decode.is_synthetic(file)
            pixels = decode.decode(file, options, levels)
    except rejection.Rejected as rejected:
        # A new exception, because the traceback of the old one keeps the decoded image in memory.
        return rejection.Rejected(rejected.reason, rejected.detail)
    return Fitted(pixels, hashlib.sha256(pixels.data).digest()[:_DIGEST_BYTES], synthetic)


def _split_of(digest: bytes, holdout_percent: float) -> str:
    """Decides by the image alone, so that adding images never moves an image between the splits."""
    bucket = int.from_bytes(digest, 'big') % _HOLDOUT_BUCKETS
    return manifest.HOLDOUT if bucket < holdout_percent * _HOLDOUT_BUCKETS / 100 else manifest.TRAIN
