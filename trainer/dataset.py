"""Finds the shards behind --train_data and checks them before training, so that no run learns from damaged records."""

from __future__ import annotations

import dataclasses
import os

import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors, layout, manifest, records, shard_file
from trainer.records import Record, RecordFormat

QUICK, FULL = 'quick', 'full'


@dataclasses.dataclass(frozen=True)
class ShardFile:
    """One TFRecord file, and what the manifest beside it promises (None for foreign records)."""

    path: str
    expected: manifest.Shard | None


@dataclasses.dataclass(frozen=True)
class DataSource:
    """A verified set of records.

    Attributes:
      paths: the shards.
      records: number of images.
      format: how pixels are stored.
    """

    paths: tuple[str, ...]
    records: int
    format: RecordFormat


def find(data: str, split: str) -> list[ShardFile]:
    """Lists the shards of a data-set folder, a file or a pattern; [] if the folder's manifest has none of the split.

    Raises:
      errors.DataError: nothing matches, a folder has no manifest, or a shard is unknown to the manifest beside it.
    """
    if tf.io.gfile.isdir(data):
        shards = manifest.read(data).splits.get(split, ())
        return [ShardFile(os.path.join(data, shard.name), shard) for shard in shards]
    paths = sorted(tf.io.gfile.glob(data))
    if not paths:
        raise errors.DataError(f'{data} matches no file: give a data-set folder, a TFRecord file or a pattern')
    promised = {folder: _promised(folder) for folder in {os.path.dirname(path) for path in paths}}
    return [ShardFile(path, _entry(path, promised[os.path.dirname(path)])) for path in paths]


def verify(shards: list[ShardFile], image_size: int, channels: int, record_layout: str, mode: str) -> DataSource:
    """Checks every shard against its manifest, the model and its own pixels.

    Args:
      shards: from `find`, at least one.
      image_size, channels: what the model was told to expect.
      record_layout: 'auto', 'hwc' or 'chw'.
      mode: 'full' reads every byte, 'quick' reads sizes and first records, 'auto' is full for local files.

    Raises:
      errors.DataError: the first thing that is wrong, naming the shard and the fix.
    """
    firsts, total = [], 0
    for shard in shards:
        shard_mode = mode if mode != 'auto' else (QUICK if shard.path.startswith('gs://') else FULL)
        first = shard_file.first_record(shard.path)
        _check_geometry(shard.path, first, image_size, channels)
        total += _count(shard, shard_mode, first)
        firsts.append(first)
    if len({first.encoding for first in firsts}) > 1:
        raise errors.DataError(f'{shards[0].path} and the files beside it mix raw and encoded images: name one kind')
    record_format = RecordFormat(firsts[0].encoding, _layout(shards, firsts[0], record_layout))
    return DataSource(tuple(shard.path for shard in shards), total, record_format)


def sample_shards(paths: list[str]) -> list[Record]:
    """A sample from the start of all shards, large enough for `examine_layout`; raises as `first_record`."""
    return shard_file.sample_records(paths, -(-layout.SAMPLE_IMAGES // len(paths)))


def of_one_geometry(sample: list[Record]) -> list[Record]:
    """The records of the sample that have the geometry of its first."""
    first = sample[0]
    return [record for record in sample if _geometry(record) == _geometry(first)]


def examine_layout(sample: list[Record]) -> layout.LayoutEvidence:
    """What the pixels of raw records say about their layout; those of another geometry than the first are left out."""
    flat = np.stack([np.frombuffer(record.data, np.uint8) for record in of_one_geometry(sample)])
    return layout.examine(flat, *_geometry(sample[0]))


def _geometry(record: Record) -> tuple[int, int, int]:
    return record.height, record.width, record.channels


def _promised(folder: str) -> dict[str, manifest.Shard] | None:
    if not tf.io.gfile.exists(os.path.join(folder, manifest.FILE_NAME)):
        return None
    splits = manifest.read(folder).splits
    return {shard.name: shard for shards in splits.values() for shard in shards}


def _entry(path: str, promised: dict[str, manifest.Shard] | None) -> manifest.Shard | None:
    if promised is None:
        return None
    if os.path.basename(path) not in promised:
        raise errors.DataError(
            f'{path} is not listed in the {manifest.FILE_NAME} beside it: name the folder to use the listed shards, or '
            'move the file elsewhere'
        )
    return promised[os.path.basename(path)]


def _check_geometry(path: str, record: Record, image_size: int, channels: int) -> None:
    found = _geometry(record)
    if found == (image_size, image_size, channels):
        return
    # JPEG and PNG files are decoded to the channels that are asked for.
    if record.encoding == records.ENCODED and found[:2] == (image_size, image_size):
        return
    height, width, depth = found
    fix = f'give --image_size={height} --channels={depth}' if height == width else 'records must be square'
    raise errors.DataError(
        f'{path} holds images of {height}x{width}x{depth} (height x width x channels), the model expects '
        f'{image_size}x{image_size}x{channels}: {fix}, or convert the images again'
    )


def _count(shard: ShardFile, mode: str, first: Record) -> int:
    """Number of records in the shard, checked as far as `mode` says."""
    size, expected = tf.io.gfile.stat(shard.path).length, shard.expected
    if expected and size != expected.bytes:
        raise errors.DataError(
            f'{shard.path} has {size:,} bytes, its manifest says {expected.bytes:,}: it was cut off or replaced; '
            'copy it again, or convert again with --overwrite'
        )
    if mode == QUICK and expected:
        return expected.records
    if mode == QUICK and first.encoding == records.RAW:
        # Foreign raw records are all of one length, give or take a byte in the label.
        return round(size / shard_file.first_record_bytes(shard.path))
    if not expected:
        return shard_file.count_parsed(shard.path, first)
    count = shard_file.count_records(shard.path)
    if count != expected.records or manifest.file_crc32c(shard.path) != expected.crc32c:
        raise errors.DataError(
            f'{shard.path} is not the file that its manifest describes ({count:,} records, CRC32C or count differs '
            f'from {expected.records:,} and {expected.crc32c}): copy it again, or convert again with --overwrite'
        )
    return count


def _layout(shards: list[ShardFile], first: Record, record_layout: str) -> str:
    """The layout to read: as declared by flag or record, unless the pixels contradict; else what the pixels say."""
    if first.encoding == records.ENCODED or first.channels == 1:
        return records.HWC
    evidence = examine_layout(sample_shards([shard.path for shard in shards]))
    declared, by = record_layout.upper(), 'the flag --record_layout'
    if record_layout == 'auto':
        declared, by = first.layout, 'the record itself'
    if not declared:
        return _layout_from_pixels(shards[0].path, evidence)
    if declared not in (records.HWC, records.CHW):
        raise errors.DataError(f'{shards[0].path} says its layout is {declared!r}: give --record_layout=hwc or chw')
    if evidence.verdict not in ('', declared):
        raise errors.DataError(
            f'{shards[0].path} says {declared} (by {by}), but its pixels are {evidence.verdict}: {evidence}; '
            f'train with --record_layout={evidence.verdict.lower()}, or convert the images again'
        )
    logging.info('record layout %s, by %s; %s', declared, by, evidence)
    return declared


def _layout_from_pixels(path: str, evidence: layout.LayoutEvidence) -> str:
    if not evidence.verdict:
        raise errors.DataError(
            f'{path} does not say in which order its pixels are, and they do not tell: {evidence}; '
            'give --record_layout=hwc or --record_layout=chw (python -m convert.inspect_tfrecords shows both)'
        )
    logging.info('record layout %s, found out from the pixels; %s', evidence.verdict, evidence)
    return evidence.verdict
