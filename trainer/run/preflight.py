"""Checks in seconds what would otherwise end a cloud job after an hour: data, folders, roles, regions."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence

import tensorflow as tf
from absl import logging
from google.api_core import exceptions as api

from trainer import errors
from trainer.data import dataset, manifest, shard_file
from trainer.filesystem import disk_errors, files
from trainer.filesystem.pattern_free import plain
from trainer.generator import saved_model
from trainer.model_dir import run_folder
from trainer.options import EXPORT_FOLDER, RunOptions
from trainer.run import ending
from trainer.storage import gcs
from trainer.storage.refusals import ADMIN, VIEWER, explained

_PROBE = b'written by the check before training; safe to delete'


def check(data: Sequence[str], options: RunOptions, compile_cache_dir: str = '') -> None:
    """Reads a record of the data, writes to each bucket or folder of the run, and compares regions.

    Args:
      data: as --train_data and --holdout_data; '' for none.
      options: the run's folders, and the region that it is in.
      compile_cache_dir: another folder to write to, if there is one.

    Raises:
      errors.AccessDenied: a bucket does not exist, or refuses this account.
      errors.Transient: Cloud Storage does not answer.
      errors.UserError: a folder cannot be written or is not a run's, a bucket is in another region, or packages for a
        format of the export are missing.
      errors.DataError: there is no data.
    """
    data = [name for name in data if name]
    written = [options.model_dir, options.tensorboard_dir, options.export_dir, compile_cache_dir]
    folders = _distinct([folder for folder in written if folder])
    flags = {options.export_dir: '--export_dir', options.tensorboard_dir: '--tensorboard_dir'}
    flags.setdefault(compile_cache_dir, '--compile_cache_dir')
    flags[options.model_dir] = '--model_dir'
    for name in data:
        _check_readable(name)
    for folder in folders:
        _list_explained(folder)
    _check_ours(data, options)
    ending.check(options)
    for folder in folders:
        _check_writable(flags[folder], folder)
    if options.region:
        for path in _distinct([*folders, *data]):
            _check_region(path, options.region)
    logging.info('preflight: %s', ', '.join([*(f'{name} can be read' for name in data), f'{folders[0]} written']))


def _check_ours(data: Sequence[str], options: RunOptions) -> None:
    """Checks that the run removes and replaces only its own files."""
    plain(options.model_dir)
    run_folder.check(options.model_dir)
    saved_model.check(options.export_dir)
    own = os.path.join(options.model_dir, EXPORT_FOLDER)
    others = {'--model_dir': [options.model_dir], '--train_data': data}
    saved_model.check_apart(options.export_dir, own, others)


def _check_readable(data: str) -> None:
    with explained(data, VIEWER):
        # If a bucket refuses or is missing, TensorFlow only says that there is no such folder.
        _list(re.split(r'[*?\[]', data)[0])
        shards = dataset.find(data, manifest.TRAIN) or dataset.find(data, manifest.HOLDOUT)
        if not shards:
            raise errors.DataError(f'{data} has no images: convert them again')
        shard_file.first_record(shards[0].path)


def _list(path: str) -> None:
    """Lists one object whose name begins with a gs:// path. This raises where TensorFlow would not."""
    if gcs.is_remote(path):
        bucket, name = gcs.split(path)
        next(iter(gcs.client().list_blobs(bucket, prefix=name, max_results=1)), None)


def _list_explained(folder: str) -> None:
    with explained(folder, ADMIN):
        _list(folder)  # TensorFlow hangs in a missing bucket.


def _check_writable(flag: str, folder: str) -> None:
    path = files.temporary_beside(os.path.join(folder, 'preflight'))
    with explained(folder, ADMIN), disk_errors.explained(f'{flag}={folder}'):
        files.make_folder(folder)
        with tf.io.gfile.GFile(path, 'wb') as file:
            file.write(_PROBE)
        with tf.io.gfile.GFile(path, 'rb') as file:
            file.read()
        tf.io.gfile.remove(path)


def _check_region(path: str, region: str) -> None:
    """Compares the region of the bucket of `path` with `region`."""
    if not gcs.is_remote(path):
        return
    bucket = gcs.client().bucket(gcs.split(path)[0])
    try:
        with explained(path, VIEWER):
            bucket.reload(projection='noAcl')
    except errors.AccessDenied as error:
        if not isinstance(error.__cause__, api.Forbidden):
            raise
        # The account may still read objects: the roles for objects do not include this permission.
        logging.warning(
            'preflight: the region of bucket %s is unknown without roles/storage.legacyBucketReader', bucket.name
        )
        return
    places = [place.lower() for place in (bucket.data_locations or [bucket.location])]
    if region.lower() in places:
        return
    if bucket.location_type != 'region':
        logging.warning(
            'preflight: bucket %s is %s (%s), this runs in %s: a bucket in %s is faster and has no transfer cost',
            bucket.name, bucket.location, bucket.location_type, region, region,
        )  # fmt: skip
        return
    raise errors.UserError(
        f'{path}: bucket {bucket.name} is in {bucket.location.lower()}, this runs in {region}: each read would cross '
        f'regions, which is slow and billed; submit the job with --region={bucket.location.lower()}, copy with gcloud '
        f'storage cp -r to a bucket in {region}, or give --region= to skip this check'
    )


def _distinct(paths: Sequence[str]) -> list[str]:
    """The first path of each bucket, and the local folders that are not inside an earlier one."""
    chosen: dict[str, str] = {}
    for path in paths:
        root = gcs.split(path)[0] if gcs.is_remote(path) else path
        if not any(root == other or root.startswith(f'{other}/') for other in chosen):
            chosen[root] = path
    return list(chosen.values())
