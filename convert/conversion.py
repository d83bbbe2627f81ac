"""The whole conversion: list, decode, write, describe, publish."""

from __future__ import annotations

import functools
import posixpath
import random
import tempfile
from collections.abc import MutableSequence, Sequence

import tensorflow as tf
from absl import logging

from convert import preview, progress, rejection, sources, writer
from convert.collection import Collection, collect
from convert.moments import Moments
from convert.options import ConvertOptions
from convert.remote_staging import RemoteStaging
from convert.spool import Spool
from convert.staging import Staging
from trainer import errors, manifest, records, storage

_MIB = 1 << 20
_MIN_IMAGES = 2
_BYTES_BESIDE_PIXELS = 200  # Names and lengths of the features, and a file name.


def convert(options: ConvertOptions) -> manifest.Manifest:
    """Turns a folder of images into a data set; the same input and options give the same bytes.

    Raises:
      errors.UserError: nothing to convert, too few images left, or a folder that cannot be read or written; its kinds
        `AccessDenied` and `Transient` are Cloud Storage's.
    """
    listing = sources.find(options.input_dir, options.output_dir)
    remote = storage.is_remote(options.output_dir)
    make = RemoteStaging if remote else Staging
    through = f' by way of {tempfile.gettempdir()}, which TMPDIR sets' if remote else ''
    try:
        with make(options.output_dir, options.overwrite) as stage:
            dataset = _write_dataset(listing, options, stage.folder)
            stage.publish(dataset)
    except (OSError, tf.errors.OpError) as error:
        raise errors.UserError(f'--output_dir={options.output_dir} cannot be written{through}: {error}') from error
    _log_summary(dataset, options)
    return dataset


def _write_dataset(listing: sources.Listing, options: ConvertOptions, folder: str) -> manifest.Manifest:
    """Writes all files but the manifest into the local `folder`, and returns the manifest."""
    shape = (options.image_size, options.image_size, options.channels)
    with Spool(folder, shape) as spool:
        with rejection.RejectionList(folder) as rejections:
            collection = collect(listing, options, spool, rejections)
        if len(collection) < _MIN_IMAGES:
            raise errors.UserError(
                f'{len(collection)} images are left of {len(listing.names)} files in --input_dir={options.input_dir} '
                f'({rejection.summary(rejections.counts)}): give at least {_MIN_IMAGES} different images'
            )
        splits, moments = _write_splits(collection, options, folder)
    preview.write_preview(folder, splits[manifest.TRAIN], options.image_size, options.channels)
    return manifest.Manifest(
        image_size=options.image_size,
        channels=options.channels,
        layout=records.HWC,
        splits=splits,
        labels=listing.labels,
        mean=moments.mean(),
        std=moments.std(),
        rejected=dict(rejections.counts),
        options=options.shaping(),
        source=options.input_dir,
    )


def _write_splits(
    collection: Collection, options: ConvertOptions, folder: str
) -> tuple[dict[str, tuple[manifest.Shard, ...]], Moments]:
    """The second pass: the records of both splits in their final order, and the moments of those to train on."""
    record_bytes = options.image_size**2 * options.channels + _BYTES_BESIDE_PIXELS
    splits, moments = {}, {split: Moments(options.channels) for split in manifest.SPLITS}
    with progress.Progress('writing', len(collection)) as bar:

        def encode(split: str, number: int) -> bytes:
            pixels = collection.pixels(number)
            moments[split].add(pixels)
            bar.advance()
            return collection.record(number, pixels)

        for split, numbers in collection.splits.items():
            order = _shuffled(numbers, options.seed)
            shards = writer.shard_count(len(order), record_bytes, options.shard_mib * _MIB)
            splits[split] = writer.write_shards(folder, split, order, shards, functools.partial(encode, split))
    return splits, moments[manifest.TRAIN]


def _shuffled(numbers: MutableSequence[int], seed: int) -> Sequence[int]:
    order = numbers[:]
    random.Random(seed).shuffle(order)
    return order


def _log_summary(dataset: manifest.Manifest, options: ConvertOptions) -> None:
    """Ends the log with what was made, what was left out, and what to type next."""
    for reason, count in rejection.by_frequency(dataset.rejected):
        logging.info('%8d rejected: %s', count, reason)
    train, holdout = dataset.records(manifest.TRAIN), dataset.records(manifest.HOLDOUT)
    shards = [shard for split in dataset.splits.values() for shard in split]
    size = sum(shard.bytes for shard in shards) / _MIB
    logging.info('%8d kept: %d to train on, %d held out', train + holdout, train, holdout)
    logging.info('%d shards, %.1f MiB in %s', len(shards), size, options.output_dir)
    logging.info('look at %s', posixpath.join(options.output_dir, preview.FILE_NAME))
    logging.info(
        'next: python -m trainer.task --train_data=%s --image_size=%d --channels=%d --model_dir=runs/%s',
        options.output_dir,
        options.image_size,
        options.channels,
        posixpath.basename(options.output_dir.rstrip('/')),  # The default model_dir is the demo's.
    )
