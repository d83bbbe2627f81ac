"""Writes the records of one split as TFRecord shards."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Sequence

import tensorflow as tf

from convert import spool as spools
from trainer import manifest

# With fewer shards than this, reading cannot be spread; a small data set is read fast enough anyhow.
_MIN_SHARDS, _MIN_SHARDS_FROM_RECORDS = 8, 8000
_FRAME_BYTES = 16  # Length and checksums that TFRecord puts around each record.


def write_shards(
    folder: str, split: str, spool: spools.Spool, order: Sequence[int], shard_bytes: int, written: Callable[[], object]
) -> tuple[manifest.Shard, ...]:
    """Writes one split into a local or gs:// folder.

    Args:
      folder: where the shards go.
      split: the first word of their names.
      spool: holds the records.
      order: the numbers of the split's records, in the order to write; empty writes no shard.
      shard_bytes: size to aim at for each shard.
      written: called after each record.
    """
    total = sum(spool.size(number) + _FRAME_BYTES for number in order)
    shards = shard_count(len(order), total, shard_bytes)
    bounds = [len(order) * index // shards for index in range(shards + 1)] if shards else []
    described = []
    for index, (begin, end) in enumerate(zip(bounds, bounds[1:])):
        name = f'{split}-{index:05d}-of-{shards:05d}.tfrecord'
        path = posixpath.join(folder, name)
        with tf.io.TFRecordWriter(path) as writer:
            for number in order[begin:end]:
                writer.write(spool.read(number))
                written()
        size = tf.io.gfile.stat(path).length
        described.append(manifest.Shard(name, end - begin, size, manifest.file_crc32c(path)))
    return tuple(described)


def shard_count(records: int, total_bytes: int, shard_bytes: int) -> int:
    """How many shards to spread the records over."""
    least = _MIN_SHARDS if records >= _MIN_SHARDS_FROM_RECORDS else 1
    return min(records, max(least, math.ceil(total_bytes / shard_bytes)))
