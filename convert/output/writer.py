"""Writes the records of one split as TFRecord shards."""

from __future__ import annotations

import math
import posixpath
from collections.abc import Callable, Iterable, Sequence

import tensorflow as tf

from trainer.data import manifest

# With fewer shards than this, reads cannot run in parallel. A small data set is read fast enough anyway.
_MIN_SHARDS, _MIN_SHARDS_FROM_RECORDS = 8, 8000


def write_shards(
    folder: str, split: str, order: Sequence[int], shards: int, encode: Callable[[int], bytes]
) -> tuple[manifest.Shard, ...]:
    """Writes one split into a local folder.

    Args:
      folder: where the shards go.
      split: the first word of their names.
      order: the numbers of the split's records, in the order to write.
      shards: how many files to spread them over, none of them empty.
      encode: gives the serialised record of a number; called once for each, in order.
    """
    return tuple(
        write_shard(posixpath.join(folder, shard_name(split, index, shards)), map(encode, order[begin:end]))
        for index, (begin, end) in enumerate(ranges(len(order), shards))
    )


def write_shard(path: str, serialized: Iterable[bytes]) -> manifest.Shard:
    """Writes records into a local file, and describes it."""
    count = 0
    with tf.io.TFRecordWriter(path) as writer:
        for record in serialized:
            writer.write(record)
            count += 1
    size = tf.io.gfile.stat(path).length
    return manifest.Shard(posixpath.basename(path), count, size, manifest.file_crc32c(path))


def shard_name(split: str, index: int, shards: int) -> str:
    """The file name of the `index`-th of so many shards."""
    return f'{split}-{index:05d}-of-{shards:05d}.tfrecord'


def ranges(records: int, shards: int) -> list[tuple[int, int]]:
    """The first record of each shard, and the one behind its last."""
    return [(records * index // shards, records * (index + 1) // shards) for index in range(shards)]


def shard_count(records: int, record_bytes: int, shard_bytes: int) -> int:
    """How many shards to spread the records over, by the expected size of a record and the target size of a shard."""
    least = _MIN_SHARDS if records >= _MIN_SHARDS_FROM_RECORDS else 1
    return min(records, max(least, math.ceil(records * record_bytes / shard_bytes)))
