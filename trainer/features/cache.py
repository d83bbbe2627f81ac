"""The cache of features in the data set's folder: a float16 .npy file for each layer, in the folder `features`.

A file's name has the checksum of the images, the extractor and its version, so files cannot be mixed up. Features of
records without a manifest are not cached, because their folder is not ours.
"""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import struct
import tempfile
from collections.abc import Iterable, Iterator
from typing import BinaryIO

import google_crc32c
import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors
from trainer.data import dataset, manifest
from trainer.data.image_set import ImageSet
from trainer.features.extractor import Extractor
from trainer.storage import gcs

FOLDER = 'features'
# Checksum of the images, extractor, its version, layer; see `_paths`.
_NAME = re.compile(r'([0-9a-f]{16})-[a-z0-9]+-[0-9][\w.]*(?:-\w+)?-\w+\.npy')
_LARGEST = float(np.finfo(np.float16).max)
_HEADER_BYTES = 128  # Of any array of two dimensions.
_SUM = struct.Struct('<I')  # CRC32C of the numbers, stored after them.
_ROWS = 1024  # To read at once.

Features = dict[str, np.ndarray]


def read(images: ImageSet, extractor: Extractor) -> Features | None:
    """The cached features, for each layer float16 [N, D] mapped from its file; None if there are none."""
    paths = _paths(images, extractor)
    if not paths:
        return None
    try:
        if not all(tf.io.gfile.exists(path) for path in paths.values()):
            return None
        return {layer: _mapped(path, len(images)) for layer, path in paths.items()}
    except Exception as error:  # For a damaged header numpy raises many types, even errors of tokenize.
        logging.warning('the cached features are computed again: %s', errors.one_line(str(error)))
        return None


def write(images: ImageSet, extractor: Extractor, batches: Iterable[Features]) -> Features:
    """Writes features as they come, caches the files, and maps them; if they cannot be cached, maps temporary ones.

    If `batches` raises, no file is left behind.
    """
    paths = _paths(images, extractor)
    with _workshop(paths) as folder:
        local = {layer: os.path.join(folder, f'{layer}.npy') for layer in extractor.layers}
        _write(local, batches)
        features = {layer: np.load(path, mmap_mode='r') for layer, path in local.items()}  # The maps outlive the names.
        if paths:
            _keep(images, [(local[layer], path) for layer, path in paths.items()])
    return features


def _keep(images: ImageSet, moves: Iterable[tuple[str, str]]) -> None:
    """Moves files into the cache; if the folder cannot be written, the only cost is the time to compute them again."""
    try:
        for local, path in moves:
            if gcs.is_remote(path):
                tf.io.gfile.copy(local, path, overwrite=True)
            else:
                os.makedirs(os.path.dirname(path), exist_ok=True)
                os.replace(local, path)
        _remove_stale(images)
    except (OSError, tf.errors.OpError, errors.UserError) as error:
        logging.warning('the features are not cached for the next time: %s', errors.one_line(str(error)))


def _remove_stale(images: ImageSet) -> None:
    """Removes the features of an older data set in the same folder; nothing else has names like theirs."""
    folder = os.path.join(images.folder, FOLDER)
    splits = (dataset.find(images.folder, split) for split in manifest.SPLITS)
    current = {dataclasses.replace(images, shards=tuple(shards)).checksum for shards in splits} | {images.checksum}
    for name in tf.io.gfile.listdir(folder):
        ours = _NAME.fullmatch(name)
        if ours and ours[1] not in current:
            tf.io.gfile.remove(os.path.join(folder, name))


def _paths(images: ImageSet, extractor: Extractor) -> dict[str, str]:
    """The file for the features of each layer; {} if they are not cached."""
    if not all(shard.expected for shard in images.shards):
        return {}
    folder = os.path.join(images.folder, FOLDER)
    start = f'{images.checksum}-{extractor.name}-{extractor.version}'
    return {layer: os.path.join(folder, f'{start}-{layer}.npy') for layer in extractor.layers}


@contextlib.contextmanager
def _workshop(paths: dict[str, str]) -> Iterator[str]:
    """A temporary folder, on the file system of `paths` if possible, because a rename then publishes a file."""
    with contextlib.ExitStack() as stack:
        folder = None
        beside = os.path.dirname(next(iter(paths.values()), ''))
        if beside and not gcs.is_remote(beside):
            with contextlib.suppress(OSError):  # `_keep` will fail for the same reason, and logs it.
                os.makedirs(beside, exist_ok=True)
                folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='.making-', dir=beside))
        yield folder or stack.enter_context(tempfile.TemporaryDirectory(prefix='features-'))


def _write(paths: dict[str, str], batches: Iterable[Features]) -> None:
    with contextlib.ExitStack() as stack:
        files: dict[str, BinaryIO] = {layer: stack.enter_context(open(path, 'wb')) for layer, path in paths.items()}
        for file in files.values():
            file.write(bytes(_HEADER_BYTES))
        rows, columns, sums = 0, dict.fromkeys(files, 0), dict.fromkeys(files, 0)
        for batch in batches:
            for layer, file in files.items():
                data = np.clip(batch[layer], -_LARGEST, _LARGEST).astype('<f2').tobytes()
                file.write(data)
                columns[layer], sums[layer] = batch[layer].shape[1], google_crc32c.extend(sums[layer], data)
            rows += len(batch[layer])
        for layer, file in files.items():
            file.write(_SUM.pack(sums[layer]))
            file.seek(0)
            file.write(_header(rows, columns[layer]))


def _header(rows: int, columns: int) -> bytes:
    """The start of an .npy file of float16 [rows, columns]."""
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(buffer, {'descr': '<f2', 'fortran_order': False, 'shape': (rows, columns)})
    header = buffer.getvalue()
    assert len(header) == _HEADER_BYTES
    return header


def _mapped(path: str, rows: int) -> np.ndarray:
    if not gcs.is_remote(path):
        return _checked(path, path, rows)
    with tempfile.TemporaryDirectory(prefix='features-') as folder:
        local = os.path.join(folder, 'layer.npy')
        tf.io.gfile.copy(path, local)
        return _checked(local, path, rows)  # The map outlives the name.


def _checked(local: str, path: str, rows: int) -> np.ndarray:
    """Maps a file; raises ValueError if it is not what was written, because wrong features make wrong metrics."""
    features = np.load(local, mmap_mode='r')
    if features.dtype != np.float16 or features.ndim != 2 or len(features) != rows:
        raise ValueError(f'{path} holds {features.dtype} {list(features.shape)}, not float16 [{rows}, D]')
    found = 0
    for begin in range(0, rows, _ROWS):
        found = google_crc32c.extend(found, features[begin : begin + _ROWS].tobytes())
    with open(local, 'rb') as file:
        file.seek(_HEADER_BYTES + features.nbytes)
        if file.read(_SUM.size + 1) != _SUM.pack(found):
            raise ValueError(f'{path} is damaged: its checksum differs')
    return features
