"""Compares one shard with its manifest and with the model, and each of its records with the first."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors
from trainer.data import layout, manifest, records, shard_file
from trainer.data.records import Record
from trainer.storage import gcs

# The pixels of a set are examined in chunks: all of them, or this many in a large set. It takes a tenth of a
# millisecond per image of 64 px. One sample is not enough: records appended later may have the other order.
_CHUNK, _MOST_CHUNKS = 16, 512


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """One TFRecord file, and what the manifest beside it promises (None for foreign records)."""

    path: str
    expected: manifest.Shard | None


@dataclasses.dataclass(frozen=True)
class Chunk:
    """What the pixels of a chunk of records say about their layout."""

    begin: int
    evidence: layout.LayoutEvidence


@dataclasses.dataclass(frozen=True)
class Scan:
    """What was found in one shard.

    Attributes:
      first: its first record.
      records: how many it has.
      chunks: what chunks of it say about their layout, if all of it was read.
    """

    first: Record
    records: int
    chunks: tuple[Chunk, ...] = ()


def scan(shard: ShardFile, image_size: int, channels: int, full: bool, shards: int) -> Scan:
    """Checks a shard.

    Args:
      shard: from `dataset.find`.
      image_size, channels: what the model expects.
      full: whether to read every byte; otherwise only sizes, the first record and the number of records are checked.
      shards: number of shards in the set, which share the limit on chunks.

    Raises:
      errors.DataError: the first error.
    """
    first = shard_file.first_record(shard.path)
    _check_geometry(shard.path, first, image_size, channels)
    _check_size(shard)
    return _read(shard, first, shards) if full else Scan(first, _count(shard))


def _check_geometry(path: str, record: Record, image_size: int, channels: int) -> None:
    found = record.geometry
    if found == (image_size, image_size, channels):
        return
    # JPEG and PNG files are decoded to the requested channels.
    if record.encoding == records.ENCODED and found[:2] == (image_size, image_size):
        return
    height, width, depth = found
    fix = f'give --image_size={height} --channels={depth}' if height == width else 'records must be square'
    raise errors.DataError(
        f'{path} holds images of {height}x{width}x{depth} (height x width x channels), the model expects '
        f'{image_size}x{image_size}x{channels}: {fix}, or convert the images again'
    )


def _check_size(shard: ShardFile) -> None:
    size, expected = tf.io.gfile.stat(shard.path).length, shard.expected
    if expected and size != expected.bytes:
        raise errors.DataError(
            f'{shard.path} has {size:,} bytes, its manifest says {expected.bytes:,}: it was cut off or replaced; '
            'copy it again, or convert again with --overwrite'
        )


def _count(shard: ShardFile) -> int:
    """The number of records; reads no more than it takes to be sure.

    For a foreign file, the first record does not tell the number: the length of a record varies with the lengths of its
    file name and label.
    """
    if not gcs.is_remote(shard.path):
        count = len(shard_file.lengths(shard.path))
        if shard.expected and count != shard.expected.records:
            raise _replaced(shard, count)
        return count
    if shard.expected:
        return shard.expected.records
    logging.info('%s: counting its records, because it has no %s beside it', shard.path, manifest.FILE_NAME)
    return shard_file.count_records(shard.path)


def _read(shard: ShardFile, first: Record, shards: int) -> Scan:
    """Reads a shard to its end: each record must be like the first, and the file must match its manifest."""
    chosen = _chunks(_count(shard), shards)
    chunks: list[Chunk] = []
    count, sample = 0, []
    for record in shard_file.decoded(shard.path):
        _check_alike(shard.path, count, record, first)
        if count // _CHUNK in chosen and record.encoding == records.RAW:
            sample.append(np.frombuffer(record.data, np.uint8))
        count += 1
        if len(sample) == _CHUNK:
            chunks.append(_examined(count, sample, first))
            sample = []
    if len(sample) >= layout.MIN_IMAGES:
        chunks.append(_examined(count, sample, first))
    expected = shard.expected
    if expected and (count != expected.records or manifest.file_crc32c(shard.path) != expected.crc32c):
        raise _replaced(shard, count)
    return Scan(first, count, tuple(chunks))


def _examined(end: int, sample: list[np.ndarray], first: Record) -> Chunk:
    return Chunk(end - len(sample), layout.examine(np.stack(sample), *first.geometry))


def _chunks(count: int, shards: int) -> set[int]:
    """The chunks of _CHUNK records to examine: all, or as many as the limit allows this shard, evenly spread."""
    most, present = max(_MOST_CHUNKS // shards, 1), -(-count // _CHUNK)
    return set(np.linspace(0, present - 1, min(most, present)).astype(int).tolist()) if present else set()


def _check_alike(path: str, number: int, record: Record, first: Record) -> None:
    if (record.encoding, record.key) != (first.encoding, first.key):
        raise errors.DataError(f'{path} mixes raw and encoded images, from record {number} on: name one kind')
    found, wanted = record.geometry, first.geometry
    if found[:2] != wanted[:2] or (record.encoding == records.RAW and found != wanted):
        raise errors.DataError(
            f'{path} holds images of other sizes than {"x".join(map(str, wanted))}: record {number} is of '
            f'{"x".join(map(str, found))}; convert the images again (python -m convert.inspect_tfrecords shows what is '
            'there)'
        )
    if record.layout != first.layout:
        raise errors.DataError(
            f'{path} declares the layout {first.layout or "unknown"} in record 0, but {record.layout or "unknown"} in '
            f'record {number}: convert the images again'
        )


def _replaced(shard: ShardFile, count: int) -> errors.DataError:
    assert shard.expected
    return errors.DataError(
        f'{shard.path} is not the file that its manifest describes ({count:,} records, CRC32C or count differs from '
        f'{shard.expected.records:,} and {shard.expected.crc32c}): copy it again, or convert again with --overwrite'
    )
