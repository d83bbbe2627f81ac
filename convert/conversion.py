"""The whole conversion: lists, has the data set written, and publishes it."""

from __future__ import annotations

import posixpath
import tempfile
from typing import Callable

from absl import logging

from convert import local, rejection
from convert.listing import sources
from convert.options import ConvertOptions
from convert.output import preview
from convert.output.remote_staging import RemoteStaging
from convert.output.staging import Stage, Staging
from trainer import cli
from trainer.data import manifest
from trainer.filesystem import disk_errors, paths
from trainer.storage import gcs

# Writes all files except the manifest into the stage, and returns the manifest.
Driver = Callable[[sources.Listing, ConvertOptions, Stage], manifest.Manifest]
_MIB = 1 << 20
_DARK = 8.0  # Mean grey level of a set; even night photographs are above it.


def convert(
    options: ConvertOptions, flag: str = '--output_dir', driver: Driver = local.write_dataset
) -> manifest.Manifest:
    """Turns a folder of images into a data set; the same input and options give the same bytes.

    Args:
      options: what to convert, where to and how.
      flag: the flag that named the output folder.
      driver: what runs the stages; all drivers write the same bytes.

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
        dataset = driver(listing, options, stage)
        stage.publish(dataset)
    _log_summary(dataset, options)
    return dataset


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
