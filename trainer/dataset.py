"""Finds the shards behind --train_data and checks them before training, so that no run learns from damaged records."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from concurrent import futures
from typing import Callable, TypeVar

import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors, layout, manifest, records, shard_file, storage
from trainer.records import Record, RecordFormat

T = TypeVar('T')
R = TypeVar('R')
QUICK, FULL, TRUST = 'quick', 'full', 'trust'
_SAMPLE_OF_A_SHARD = 32  # Records; none of the samples of 16 that layout.py was measured with was misjudged.
_AT_ONCE = 16  # Shards.


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
      mode: 'full' reads every byte, 'quick' sizes and some records, 'auto' is full for local files; 'trust' is quick
        and believes what flag or records say of the layout.

    Raises:
      errors.DataError: the first thing that is wrong, naming the shard and the fix.
    """

    def check(shard: ShardFile) -> tuple[Record, int]:
        shard_mode = mode if mode != 'auto' else (QUICK if storage.is_remote(shard.path) else FULL)
        first = shard_file.first_record(shard.path)
        _check_geometry(shard.path, first, image_size, channels)
        return first, _count(shard, shard_mode, first)

    firsts, counts = zip(*_of_each(check, shards))
    if len({first.encoding for first in firsts}) > 1:
        raise errors.DataError(f'{shards[0].path} and the files beside it mix raw and encoded images: name one kind')
    record_format = RecordFormat(firsts[0].encoding, _layout(shards, firsts, record_layout, trusted=mode == TRUST))
    return DataSource(tuple(shard.path for shard in shards), sum(counts), record_format)


def sample_shards(paths: list[str]) -> list[list[Record]]:
    """From the start of each shard a sample to examine for itself; all together are enough for a set.

    Raises:
      errors.DataError: a shard is damaged or of no known schema.
    """
    per_shard = max(_SAMPLE_OF_A_SHARD, -(-layout.SAMPLE_IMAGES // len(paths)))
    return _of_each(lambda path: shard_file.sample_records(path, per_shard), paths)


def of_one_geometry(sample: list[Record]) -> list[Record]:
    """The records of the sample that have the geometry of its first."""
    first = sample[0]
    return [record for record in sample if _geometry(record) == _geometry(first)]


def examine_layout(sample: list[Record]) -> layout.LayoutEvidence:
    """What the pixels of raw records say about their layout; those of another geometry than the first are left out."""
    flat = np.stack([np.frombuffer(record.data, np.uint8) for record in of_one_geometry(sample)])
    return layout.examine(flat, *_geometry(sample[0]))


def _of_each(function: Callable[[T], R], shards: Sequence[T]) -> list[R]:
    """Calls the function on all shards, many at once: each waits for the answers of Cloud Storage most of the time."""
    with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, shards))


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
    if mode != FULL and expected:
        return expected.records
    if mode != FULL and first.encoding == records.RAW:
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


def _layout(shards: list[ShardFile], firsts: Sequence[Record], record_layout: str, trusted: bool) -> str:
    """The layout to read: as declared by flag or records, else what the pixels say; no shard's pixels contradict it."""
    if firsts[0].encoding == records.ENCODED or firsts[0].channels == 1:
        return records.HWC
    paths = [shard.path for shard in shards]
    declared = record_layout.upper() if record_layout != 'auto' else _declared(paths, firsts)
    if declared and trusted:
        return declared
    samples = sample_shards(paths)
    evidence = examine_layout([record for sample in samples for record in sample])
    chosen = declared or _layout_from_pixels(paths[0], evidence)
    for path, sample in zip(paths, samples):
        _check_layout(path, chosen, examine_layout(sample))
    logging.info(
        'record layout %s, %s; %s', chosen, 'as declared' if declared else 'found out from the pixels', evidence
    )
    return chosen


def _declared(paths: list[str], firsts: Sequence[Record]) -> str:
    """The layout that the records themselves declare, '' if they do not."""
    found = {first.layout: path for path, first in zip(paths, firsts)}
    if len(found) > 1:
        raise errors.DataError(f'{" and ".join(found.values())} are of different layouts: name one kind of records')
    (declared,) = found
    if declared not in (records.HWC, records.CHW, ''):
        raise errors.DataError(f'{paths[0]} says its layout is {declared!r}: give --record_layout=hwc or chw')
    return declared


def _layout_from_pixels(path: str, evidence: layout.LayoutEvidence) -> str:
    if not evidence.verdict:
        raise errors.DataError(
            f'{path} does not say in which order its pixels are, and they do not tell: {evidence}; '
            'give --record_layout=hwc or --record_layout=chw (python -m convert.inspect_tfrecords shows both)'
        )
    return evidence.verdict


def _check_layout(path: str, chosen: str, evidence: layout.LayoutEvidence) -> None:
    if evidence.verdict not in ('', chosen):
        raise errors.DataError(
            f'{path} is to be read as {chosen}, but its pixels are {evidence.verdict}: {evidence}; train with '
            f'--record_layout={evidence.verdict.lower()} or convert the images again; if {chosen} is right all the '
            'same, add --verify_data=trust'
        )
