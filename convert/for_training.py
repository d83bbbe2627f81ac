"""Makes the data set that `trainer.task` needs, unless it exists, so that one command trains on photographs."""

from __future__ import annotations

import os

import tensorflow as tf
from absl import logging

from convert import conversion, headers
from convert.listing import sources
from convert.options import CROP, STRETCH, ConvertOptions
from convert.samples import COUNTRY_FLAGS
from trainer import errors
from trainer.data import manifest
from trainer.filesystem import files, outputs
from trainer.filesystem.outputs import Mark
from trainer.storage import gcs, refusals

__all__ = ['FIT', 'SAMPLES', 'SAMPLES_END', 'STRETCH', 'is_folder_of_images', 'prepare', 'source_of']

MADE_BY = 'trainer.task'
FIT = CROP
SAMPLES = str(COUNTRY_FLAGS)
SAMPLES_END = os.path.join('convert', 'samples', COUNTRY_FLAGS.name)
_FLAG = '--model_dir'
_INPUT = 'input'


def is_folder_of_images(path: str) -> bool:
    """Whether a local or gs:// path is a folder of images to convert, not a data set, records, or nothing.

    Raises:
      errors.UserError: Cloud Storage refuses or fails.
    """
    with refusals.explained(path, refusals.VIEWER):
        is_folder = gcs.is_remote(path) or os.path.isdir(path)
        names = files.names_in(path) if is_folder else []
    if any(name.endswith('.tfrecord') for name in names):
        return False
    if not names:
        return os.path.isdir(path)  # A bucket has no empty folders.
    if manifest.FILE_NAME not in names:
        return True
    try:
        return not manifest.read(path)
    except errors.DataError:  # Other programs write such a file beside images; ours lists shards.
        return True


def prepare(images: str, folder: str, image_size: int, channels: int, fit: str, dry: bool = False) -> str:
    """Converts the images into a data set in `folder`, unless it is there and up to date; returns the folder.

    Args:
      images: local or gs:// folder.
      folder: where the data set goes; an earlier one by this function, of other images, is replaced.
      image_size, channels: 0 chooses the size that most images can fill, and 1 channel if all images are grey.
      fit: as --fit of the converter.
      dry: whether only to check that there are images and that the folder may be written; returns '' if there is
        something to convert.

    Raises:
      errors.UserError: there are no images, or `folder` holds something that this function has not made.
    """
    known = _check_ours(folder)
    images = images if gcs.is_remote(images) else os.path.abspath(images)
    listing = sources.find(images, folder)
    stamp = f'{sources.fingerprint(listing)} {fit}'
    if known and stamp == known.facts.get(_INPUT):
        described = manifest.read(folder)
        if image_size in (0, described.image_size) and channels in (0, described.channels):
            logging.info('%s is up to date: nothing has changed in %s since its conversion', folder, images)
            return folder
    if dry:
        logging.info('%s: %s files to convert into %s', images, f'{len(listing.names):,}', folder)
        return ''
    if not (image_size and channels):
        seen = headers.look(listing)
        image_size, channels = image_size or seen.largest_size(), channels or seen.channels()
        logging.info('--image_size=%d --channels=%d, chosen from %s', image_size, channels, seen)
    options = ConvertOptions(
        input_dir=images, output_dir=folder, image_size=image_size, channels=channels, fit=fit, overwrite=bool(known)
    )
    conversion.convert(options, _FLAG)
    outputs.write_mark(folder, Mark(MADE_BY, facts={_INPUT: stamp}))
    return folder


def source_of(data: str) -> str:
    """The folder of images that a data set was made from, if this module made it; else the data set itself."""
    mark = outputs.read_mark(data) if tf.io.gfile.isdir(data) else None
    if mark and mark.made_by == MADE_BY and manifest.is_in(data):
        return manifest.read(data).source
    return data


def _check_ours(folder: str) -> Mark | None:
    """The mark that this module left in the folder; None if the folder is empty or absent.

    Raises:
      errors.UserError: something else is there.
    """
    if not outputs.in_folder(folder):
        return None
    mark = outputs.read_mark(folder)
    if mark and mark.made_by == MADE_BY:
        return mark
    if manifest.is_in(folder):
        raise errors.UserError(
            f'{folder} holds a data set that python -m {MADE_BY} has not made and will not touch: train on it with '
            f'--train_data={folder}, or choose another {_FLAG}'
        )
    return Mark(MADE_BY)  # The converter recognises its own interrupted run, and refuses anything else.
