"""The whole conversion: lists, decodes, writes, describes and publishes."""

from __future__ import annotations

import contextlib
import functools
import posixpath
import random
import tempfile
from collections.abc import MutableSequence, Sequence

from absl import logging

from convert import progress, rejection
from convert.collection import MIN_IMAGES, Collection, collect
from convert.listing import sources
from convert.options import ConvertOptions
from convert.output import preview, writer
from convert.output.moments import Moments
from convert.output.remote_staging import RemoteStaging
from convert.output.spool import Spool
from convert.output.staging import Staging
from convert.pictures.depth import Levels
from trainer import cli, errors
from trainer.data import manifest, records
from trainer.filesystem import disk_errors, paths
from trainer.storage import gcs

_MIB = 1 << 20
_DARK = 8.0  # Mean grey level of a set; even night photographs are above it.
_BYTES_BESIDE_PIXELS = 200  # Names and lengths of the features, and a file name.


def convert(options: ConvertOptions, flag: str = '--output_dir') -> manifest.Manifest:
    """Turns a folder of images into a data set; the same input and options give the same bytes.

    Args:
      options: what to convert, where to and how.
      flag: the flag that named the output folder.

    Raises:
      errors.UserError: there is nothing to convert, too few images are left, or a folder cannot be read or written,
        holds something else, or is being written by another process. The subclasses `AccessDenied` and `Transient`
        come from Cloud Storage.
    """
    listing = sources.find(options.input_dir, options.output_dir)
    remote = gcs.is_remote(options.output_dir)
    make = RemoteStaging if remote else Staging
    through = f' (through {tempfile.gettempdir()}, set by TMPDIR)' if remote else ''
    explained = disk_errors.explained(f'{flag}={options.output_dir}{through}')
    with make(options.output_dir, options.overwrite, flag) as stage, explained:
        dataset = _write_dataset(listing, options, stage.folder)
        stage.publish(dataset)
    _log_summary(dataset, options)
    return dataset


def _write_dataset(listing: sources.Listing, options: ConvertOptions, folder: str) -> manifest.Manifest:
    """Writes all files except the manifest into the local `folder`, and returns the manifest."""
    with contextlib.ExitStack() as spools:
        levels = Levels()
        collection, rejected = _collected(listing, options, folder, levels, spools)
        if levels.of_the_set() != levels.white:
            levels = Levels(levels.of_the_set())
            logging.warning(
                'no 16-bit image has a value above %d: taking this as white, and decoding all images again',
                levels.white,
            )
            collection, rejected = _collected(listing, options, folder, levels, spools)
        if len(collection) < MIN_IMAGES:
            raise errors.UserError(
                f'{len(collection)} images are left of {len(listing.names)} files in {options.input_dir} '
                f'({rejection.summary(rejected)}): give at least {MIN_IMAGES} different images'
            )
        splits, moments = _write_splits(collection, options, folder)
    preview.write_preview(folder, splits[manifest.TRAIN], options.image_size, options.channels)
    white = {} if levels.white == Levels().white else {'white_level': levels.white}
    synthetic = {manifest.SYNTHETIC: collection.synthetic} if collection.synthetic else {}
    return manifest.Manifest(
        image_size=options.image_size,
        channels=options.channels,
        layout=records.HWC,
        splits=splits,
        labels=tuple(map(errors.spelled_out, listing.labels)),
        mean=moments.mean(),
        std=moments.std(),
        rejected=rejected,
        options={**options.shaping(), **white, **synthetic},
        source=errors.spelled_out(options.input_dir),
    )


def _collected(
    listing: sources.Listing, options: ConvertOptions, folder: str, levels: Levels, spools: contextlib.ExitStack
) -> tuple[Collection, dict[str, int]]:
    """Runs the first pass; returns the images, spooled as long as `spools` lives, and the rejected files by reason."""
    spool = spools.enter_context(Spool(folder, (options.image_size, options.image_size, options.channels)))
    with rejection.RejectionList(folder) as rejections:
        collection = collect(listing, options, spool, rejections, levels)
    return collection, dict(rejections.counts)


def _write_splits(
    collection: Collection, options: ConvertOptions, folder: str
) -> tuple[dict[str, tuple[manifest.Shard, ...]], Moments]:
    """Runs the second pass: writes both splits in their final order, and measures the moments of the training split."""
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
    """Ends the log with what was made, what was left out, and what to look at."""
    for reason, count in rejection.by_frequency(dataset.rejected):
        logging.info('%8d rejected: %s', count, reason)
    train, holdout = dataset.records(manifest.TRAIN), dataset.records(manifest.HOLDOUT)
    shards = [shard for split in dataset.splits.values() for shard in split]
    size = sum(shard.bytes for shard in shards) / _MIB
    logging.info('%8d kept: %d to train on, %d held out', train + holdout, train, holdout)
    logging.info('%d shards, %.1f MiB in %s', len(shards), size, options.output_dir)
    if manifest.SYNTHETIC in dataset.options:
        logging.warning(
            '%d of the images are pictures of trainer.generate: none of them is held out, and what is trained on them '
            'learns from a generator', dataset.options[manifest.SYNTHETIC],
        )  # fmt: skip
    if dataset.mean and max(dataset.mean) < _DARK:
        logging.warning(
            'the images are nearly black, with a mean of %.1f of 255: do the files hold fewer bits than they declare?',
            max(dataset.mean),
        )
    logging.info('look at %s', posixpath.join(options.output_dir, preview.FILE_NAME))


def next_command(options: ConvertOptions) -> str:
    """The command that trains on the converted data set."""
    return cli.command(
        'trainer.task',
        train_data=options.output_dir,
        image_size=options.image_size,
        channels=options.channels,
        model_dir=f'runs/{paths.name_of(options.output_dir)}',
    )
