"""Drives the stages of a conversion on the threads of this machine, in two passes with a spool on disk between them."""

from __future__ import annotations

import array
import contextlib
import functools
import os
import threading
from collections.abc import Sequence

import numpy as np

from convert import parallel, progress, rejection
from convert.listing import sources
from convert.options import ConvertOptions
from convert.output import preview, staging, writer
from convert.output.moments import Moments
from convert.output.spool import Spool
from convert.pictures import decode, depth
from convert.stages import describing, encoding, fitting, ordering, planning
from trainer.data import manifest
from trainer.storage import gcs


class Collection:
    """The images that are kept, in the order of their files: pixels on disk, and a few facts about each in memory.

    Attributes:
      splits: the numbers of the images in each split.
      synthetic: how many are pictures of trainer.generate.
    """

    def __init__(self, listing: sources.Listing, options: ConvertOptions, spool: Spool):
        """Starts without images."""
        self._listing, self._options, self._spool = listing, options, spool
        self._first_with: dict[bytes, int] = {}
        self._files = array.array('Q')  # For each image, the position of its file in the listing.
        self._keys = bytearray()  # For each image, its key in the order.
        self.splits = {split: array.array('Q') for split in manifest.SPLITS}
        self.synthetic = 0

    def add(self, file: int, fitted: fitting.Fitted) -> None:
        """Spools the image of the listing's `file`-th file.

        Raises:
          rejection.Rejected: an earlier file has the same pixels.
        """
        first = self._first_with.setdefault(fitted.digest, file)
        if first != file and not self._options.keep_duplicates:
            raise fitting.duplicate_of(self._listing.names[first])
        self.synthetic += fitted.synthetic
        self.splits[ordering.split_of(fitted.digest, fitted.synthetic, self._options)].append(len(self))
        self._files.append(file)
        self._keys += ordering.key(self._options.seed, fitted.digest, self._listing.names[file])
        self._spool.append(fitted.pixels)

    def ordered(self, planned: planning.Plan) -> dict[str, Sequence[int]]:
        """The numbers of the images in each split of the plan, in the order of the records."""
        words = np.frombuffer(self._keys, '>u8').reshape(len(self), 2)
        order = np.lexsort((words[:, 1], words[:, 0]))  # Images of equal keys stay in the order of their files.
        if planned.merged:
            return {manifest.TRAIN: order.tolist(), manifest.HOLDOUT: ()}
        held_out = np.zeros(len(self), bool)
        held_out[np.frombuffer(self.splits[manifest.HOLDOUT], np.uint64).astype(np.int64)] = True
        return {
            manifest.TRAIN: order[~held_out[order]].tolist(),
            manifest.HOLDOUT: order[held_out[order]].tolist(),
        }

    def record(self, number: int, moments: Moments) -> bytes:
        """The serialised record of the image, whose pixels are added to the moments."""
        name = self._listing.names[self._files[number]]
        return encoding.encode(self._spool.read(number), name, self._listing.labels, moments)

    def __len__(self) -> int:
        return len(self._files)


def write_dataset(listing: sources.Listing, options: ConvertOptions, stage: staging.Stage) -> manifest.Manifest:
    """Writes all files except the manifest into the folder of the stage, and returns the manifest.

    Raises:
      errors.UserError: too few images are left, or Cloud Storage fails or refuses.
    """
    with contextlib.ExitStack() as spools:
        levels = depth.Levels()
        collection, rejected = _collected(listing, options, stage.folder, levels, spools)
        if levels.of_the_set() != levels.white:
            levels = depth.Levels(levels.of_the_set())
            describing.say_white(levels.white)
            collection, rejected = _collected(listing, options, stage.folder, levels, spools)
        planned = planning.plan({split: len(numbers) for split, numbers in collection.splits.items()}, options)
        planning.check(planned, len(listing.names), rejected, options)
        splits, moments = _write_splits(collection, planned, options, stage.folder)
    preview.write_preview(stage.folder, splits[manifest.TRAIN], options.image_size, options.channels)
    written = describing.Written(splits, moments, rejected, collection.synthetic, levels.white)
    return describing.describe(written, listing.labels, options)


def _collected(
    listing: sources.Listing, options: ConvertOptions, folder: str, levels: depth.Levels, spools: contextlib.ExitStack
) -> tuple[Collection, dict[str, int]]:
    """Runs the first pass; returns the images, spooled as long as `spools` lives, and the rejected files by reason."""
    spool = spools.enter_context(Spool(folder, (options.image_size, options.image_size, options.channels)))
    with rejection.RejectionList(folder) as rejections:
        collection = _collect(listing, options, spool, rejections, levels)
    return collection, dict(rejections.counts)


def _collect(
    listing: sources.Listing,
    options: ConvertOptions,
    spool: Spool,
    rejections: rejection.RejectionList,
    levels: depth.Levels,
) -> Collection:
    """Decodes all files, several at a time, and adds them in the order of their names."""
    collection = Collection(listing, options, spool)
    workers = options.workers or os.cpu_count() or 1
    # Downloads mostly wait, so many threads run at once. The semaphore limits how many images are decoded at once.
    threads = gcs.CONNECTIONS if gcs.is_remote(listing.folder) else workers
    # The threads do as little as possible: only one at a time runs Python (GIL).
    decoding = threading.Semaphore(workers)
    fit = functools.partial(fitting.fit, listing.folder, options=options, white=levels.white, decoding=decoding)
    with decode.prepared_pillow(options.max_megapixels), progress.Progress('decoding', len(listing.names)) as bar:
        for file, outcome in enumerate(parallel.map_in_order(fit, listing.names, threads)):
            levels.note(outcome.highest)
            try:
                if isinstance(outcome.result, rejection.Rejected):
                    raise outcome.result
                collection.add(file, outcome.result)
            except rejection.Rejected as rejected:
                rejections.add(listing.names[file], rejected)
            bar.advance()
    return collection


def _write_splits(
    collection: Collection, planned: planning.Plan, options: ConvertOptions, folder: str
) -> tuple[dict[str, tuple[manifest.Shard, ...]], Moments]:
    """Runs the second pass: writes both splits in their final order, and measures the moments of the training split."""
    splits, moments = {}, {split: Moments(options.channels) for split in manifest.SPLITS}
    with progress.Progress('writing', len(collection)) as bar:

        def encode(split: str, number: int) -> bytes:
            bar.advance()
            return collection.record(number, moments[split])

        for split, order in collection.ordered(planned).items():
            encode_one = functools.partial(encode, split)
            splits[split] = writer.write_shards(folder, split, order, planned.shards[split], encode_one)
    return splits, moments[manifest.TRAIN]
