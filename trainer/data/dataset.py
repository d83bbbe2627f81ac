"""Finds the shards behind --train_data and checks them before training, so that no run learns from damaged records."""

from __future__ import annotations

import dataclasses
import fnmatch
import os
from collections.abc import Sequence
from concurrent import futures
from typing import Callable, TypeVar

import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors
from trainer.data import layout, manifest, records, shard_file, shard_scan
from trainer.data.records import Record, RecordFormat
from trainer.data.shard_scan import Scan, ShardFile
from trainer.storage import gcs

T = TypeVar('T')
R = TypeVar('R')
QUICK, FULL, TRUST = 'quick', 'full', 'trust'
_SAMPLE_OF_A_SHARD = 32  # Records; in the measurements for layout.py, no sample of 8 was misjudged.
_AT_ONCE = 16  # Shards read in parallel.


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
    """Lists the shards of a data-set folder, a file or a pattern; [] if the folder's manifest does not have the split.

    Raises:
      errors.DataError: nothing matches, a folder has no manifest, or a shard is unknown to the manifest beside it.
    """
    if tf.io.gfile.isdir(data):
        shards = manifest.read(data).splits.get(split, ())
        return [ShardFile(os.path.join(data, shard.name), shard) for shard in shards]
    paths = _matching(data)
    if not paths:
        raise errors.DataError(f'{data} matches no file or folder: correct the path')
    promised = {folder: _promised(folder) for folder in {os.path.dirname(path) for path in paths}}
    return [ShardFile(path, _entry(path, promised[os.path.dirname(path)])) for path in paths]


def mixed_splits(data: str, shards: Sequence[ShardFile]) -> str:
    """A warning if a pattern takes the hold-out of a data set together with its training split; else ''."""
    folders = {os.path.dirname(shard.path) for shard in shards if shard.expected}
    held_out = {
        os.path.join(folder, shard.name)
        for folder in folders
        for shard in manifest.read(folder).splits.get(manifest.HOLDOUT, ())
    }
    counts = [0, 0]
    for shard in shards:
        counts[shard.path in held_out] += shard.expected.records if shard.expected else 0
    if not all(counts):
        return ''
    return (
        f'{data} takes {counts[0]:,} images to train on and {counts[1]:,} that were held out from training, so no '
        f'hold-out is left: name the folder instead, {next(iter(folders))}'
    )


def verify(shards: list[ShardFile], image_size: int, channels: int, record_layout: str, mode: str) -> DataSource:
    """Checks every shard against its manifest, the model and its own pixels.

    Args:
      shards: from `find`, at least one.
      image_size, channels: what the model expects.
      record_layout: 'auto', 'hwc' or 'chw'.
      mode: 'full' reads every byte, 'quick' reads sizes and some records, 'auto' is full for local files and else
        quick; 'trust' is quick and believes the layout that flag or records declare.

    Raises:
      errors.DataError: the first error, with the shard and the fix.
    """

    def scan(shard: ShardFile) -> Scan:
        full = mode == FULL or (mode == 'auto' and not gcs.is_remote(shard.path))
        return shard_scan.scan(shard, image_size, channels, full, len(shards))

    scans = _of_each(scan, shards)
    firsts = [scan.first for scan in scans]
    if len({(first.encoding, first.key) for first in firsts}) > 1:
        raise errors.DataError(f'{shards[0].path} and the files beside it mix raw and encoded images: name one kind')
    layout_ = _layout(shards, scans, record_layout, trusted=mode == TRUST)
    record_format = RecordFormat(firsts[0].encoding, layout_, firsts[0].key)
    return DataSource(tuple(shard.path for shard in shards), sum(scan.records for scan in scans), record_format)


def sample_shards(paths: list[str]) -> list[list[Record]]:
    """Reads a sample from the start of each shard: enough to examine each shard alone, and all together the set.

    Raises:
      errors.DataError: a shard is damaged or has no known schema.
    """
    per_shard = max(_SAMPLE_OF_A_SHARD, -(-layout.SAMPLE_IMAGES // len(paths)))
    return _of_each(lambda path: shard_file.sample_records(path, per_shard), paths)


def of_one_geometry(sample: list[Record]) -> list[Record]:
    """The records of the sample that have the geometry of its first record."""
    first = sample[0]
    return [record for record in sample if record.geometry == first.geometry]


def examine_layout(sample: list[Record]) -> layout.LayoutEvidence:
    """Examines the pixels of raw records for their layout; leaves out records with another geometry than the first."""
    flat = np.stack([np.frombuffer(record.data, np.uint8) for record in of_one_geometry(sample)])
    return layout.examine(flat, *sample[0].geometry)


def _of_each(function: Callable[[T], R], shards: Sequence[T]) -> list[R]:
    """Calls the function on all shards in parallel: each call mostly waits for Cloud Storage."""
    with futures.ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(function, shards))


def _matching(pattern: str) -> list[str]:
    """The files that a path or a pattern names. If its folder exists as written, only the file name is a pattern."""
    if tf.io.gfile.exists(pattern):
        return [pattern]
    folder, name = os.path.split(pattern)
    if not tf.io.gfile.isdir(folder or '.'):
        return sorted(tf.io.gfile.glob(pattern))
    names = tf.io.gfile.listdir(folder or '.')
    return sorted(os.path.join(folder, found) for found in names if fnmatch.fnmatchcase(found, name))


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


def _layout(shards: Sequence[ShardFile], scans: Sequence[Scan], record_layout: str, trusted: bool) -> str:
    """The layout to read: as the flag or the records declare, else from the pixels. Checks it against every shard."""
    firsts = [scan.first for scan in scans]
    if firsts[0].encoding == records.ENCODED or firsts[0].channels == 1:
        return records.HWC
    paths = [shard.path for shard in shards]
    declared = record_layout.upper() if record_layout != 'auto' else _declared(paths, firsts)
    if declared and trusted:
        return declared
    samples = sample_shards(paths)
    evidence = examine_layout([record for sample in samples for record in sample])
    chosen = declared or _layout_from_pixels(paths[0], evidence)
    for path, sample, scan in zip(paths, samples, scans):
        _check_layout(path, chosen, examine_layout(sample))
        for chunk in scan.chunks:
            _check_layout(f'{path}, from record {chunk.begin} on,', chosen, chunk.evidence)
    logging.info('record layout %s, %s; %s', chosen, 'as declared' if declared else 'found from the pixels', evidence)
    return chosen


def _declared(paths: list[str], firsts: Sequence[Record]) -> str:
    """The layout that the records themselves declare, '' if they do not."""
    found = {first.layout: path for path, first in zip(paths, firsts)}
    if len(found) > 1:
        raise errors.DataError(f'{" and ".join(found.values())} have different layouts: name one kind of records')
    (declared,) = found
    if declared not in (records.HWC, records.CHW, ''):
        raise errors.DataError(f'{paths[0]} says its layout is {declared!r}: give --record_layout=hwc or chw')
    return declared


def _layout_from_pixels(path: str, evidence: layout.LayoutEvidence) -> str:
    if not evidence.verdict:
        raise errors.DataError(
            f'{path} does not declare the order of its pixels, and the pixels do not show it: {evidence}; '
            'give --record_layout=hwc or --record_layout=chw (python -m convert.inspect_tfrecords shows both)'
        )
    return evidence.verdict


def _check_layout(path: str, chosen: str, evidence: layout.LayoutEvidence) -> None:
    if evidence.verdict not in ('', chosen):
        raise errors.DataError(
            f'{path} would be read as {chosen}, but its pixels are {evidence.verdict}: {evidence}; train with '
            f'--record_layout={evidence.verdict.lower()} or convert the images again; if {chosen} is right, add '
            '--verify_data=trust'
        )
