"""Reads single TFRecord files on the host, and explains in a sentence what is wrong with one.

TensorFlow trusts the length before each record, and ends the process if that asks for more memory than there is. So
this module checks the lengths before TensorFlow reads.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import struct
from collections.abc import Iterator
from typing import Any

import google_crc32c
import tensorflow as tf

from trainer import errors
from trainer.data import manifest, records
from trainer.data.records import Record
from trainer.filesystem import files
from trainer.storage import gcs

_HEADER, _FOOTER = struct.Struct('<QI'), struct.Struct('<I')  # Length and its checksum; checksum of the data.
_FRAMING_BYTES = _HEADER.size + _FOOTER.size
_MASK_DELTA = 0xA282EAD8  # Of TFRecord's masked CRC32C.
_UNPACK = 'unpack it first, for example with gunzip'
_IMAGES, _SAVE = 'give the folder of the images', 'save its images as PNG, and give their folder'
# Files that are not TFRecords: how they begin, what they are, and what to do.
_OTHERS = (
    ((b'\x1f\x8b',), 'compressed by gzip', _UNPACK),
    ((b'\x78\x01', b'\x78\x5e', b'\x78\x9c', b'\x78\xda'), 'compressed by zlib', _UNPACK),
    ((b'PK\x03\x04', b'Rar!', b'7z\xbc\xaf'), 'an archive, not a TFRecord file', 'unpack it, and give the folder'),
    (
        (b'\xff\xd8\xff', b'\x89PNG', b'GIF8', b'RIFF', b'BM', b'II*\0', b'MM\0*'),
        'an image, not a TFRecord file',
        _IMAGES,
    ),
    ((b'\x93NUMPY', b'\x89HDF', b'PAR1'), 'an array or a table, not a TFRecord file', _SAVE),
)
_COPY = 'copy it again, or convert the images again'


def first_record(path: str) -> Record:
    """Decodes the first record of a shard; raises like `sample_records`."""
    return sample_records(path, 1)[0]


def sample_records(path: str, count: int) -> list[Record]:
    """Decodes up to `count` records from the start of a shard, at least one.

    Raises:
      errors.DataError: the file is absent, empty or damaged, or has no known schema.
    """
    found = list(itertools.islice(decoded(path), count))
    if not found:
        raise errors.DataError(f'{path} holds no record: convert the images again')
    return found


def decoded(path: str) -> Iterator[Record]:
    """Decodes the records of a shard one after the other; raises like `serialized`, and if a record is not an image."""
    for number, record in enumerate(serialized(path)):
        try:
            yield records.decode_example(record)
        except errors.DataError as error:
            raise errors.DataError(f'{path}, record {number}: {error}') from None


def serialized(path: str) -> Iterator[bytes]:
    """Reads the records of a local or gs:// shard and checks their checksums.

    Raises:
      errors.DataError: the file is absent, damaged or compressed.
    """
    with _opened(path) as (file, size):
        offset = 0
        while offset < size:
            length = _length_at(path, file, offset, size)
            data = file.read(length)
            footer = file.read(_FOOTER.size)
            if len(data) < length or len(footer) < _FOOTER.size or _FOOTER.unpack(footer)[0] != _masked_crc32c(data):
                raise errors.DataError(f'{path} is damaged (corrupted record at {offset}): {_COPY}')
            yield data
            offset += length + _FRAMING_BYTES


def lengths(path: str) -> list[int]:
    """The length of each record in a local shard, from the headers alone, which takes a microsecond per record.

    Raises:
      errors.DataError: the file is absent, cut short or compressed, or a header is damaged.
    """
    found, offset = [], 0
    with _opened(path) as (file, size):
        while offset < size:
            found.append(_length_at(path, file, offset, size))
            offset += found[-1] + _FRAMING_BYTES
            file.seek(offset)
    return found


def first_record_bytes(path: str) -> int:
    """The number of bytes that the first record takes in the file."""
    return len(next(serialized(path))) + _FRAMING_BYTES


def count_records(path: str) -> int:
    """Reads a whole shard, checks the CRC of every record, and returns the number of records.

    Raises:
      errors.DataError: the shard is damaged.
    """
    return sum(1 for _ in serialized(path))


@contextlib.contextmanager
def explained(paths: str) -> Iterator[None]:
    """Turns the errors of TensorFlow when it reads or parses the records of `paths` into DataError."""
    try:
        yield
    except (tf.errors.DataLossError, tf.errors.InvalidArgumentError, tf.errors.OutOfRangeError) as error:
        # TensorFlow wraps its one useful sentence in the names of graph nodes.
        first = (error.message or str(error)).splitlines()[0]
        reason = re.sub(r'\{\{.*?\}\}|\[Op:.*', '', first).strip()
        raise errors.DataError(f'{paths} is damaged ({reason}): {_COPY}') from None
    except tf.errors.NotFoundError as error:
        raise errors.DataError(f'{paths} is no longer there ({error.message}): {_COPY}') from None


@contextlib.contextmanager
def _opened(path: str) -> Iterator[tuple[Any, int]]:
    """Opens the file to read and seek; yields it and its size in bytes."""
    try:
        size = tf.io.gfile.stat(path).length
        if not (gcs.is_remote(path) or os.path.isdir(path) or files.leads_to_regular(path)):
            raise errors.DataError(f'{path} is a pipe or a device, not a TFRecord file: name a file')
        # TensorFlow's file object would call C++ for every few bytes.
        make = tf.io.gfile.GFile if gcs.is_remote(path) else open
        file = make(path, 'rb')
    except (FileNotFoundError, tf.errors.NotFoundError):
        raise errors.DataError(f'{path} is listed in {manifest.FILE_NAME} but absent: convert again') from None
    except IsADirectoryError:
        raise errors.DataError(f'{path} is a folder, not a TFRecord file: name a file') from None
    with file:
        yield file, size


def _length_at(path: str, file: Any, offset: int, size: int) -> int:
    """Reads the header at `offset`, the position of the file, and returns the length of the record after it."""
    header = file.read(_HEADER.size)
    if len(header) < _HEADER.size:
        raise errors.DataError(f'{path} is damaged (truncated record at {offset}): {_COPY}')
    length, checksum = _HEADER.unpack(header)
    if _masked_crc32c(header[:8]) != checksum:
        for marks, kind, fix in _OTHERS if not offset else ():
            if header.startswith(marks):
                raise errors.DataError(f'{path} is {kind}: {fix}')
        raise errors.DataError(f'{path} is damaged (corrupted record at {offset}): {_COPY}')
    if offset + length + _FRAMING_BYTES > size:
        raise errors.DataError(
            f'{path} is damaged (the record at {offset} says that it has {length:,} bytes, but the file ends before): '
            f'{_COPY}'
        )
    return length


def _masked_crc32c(data: bytes) -> int:
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + _MASK_DELTA) & 0xFFFFFFFF
