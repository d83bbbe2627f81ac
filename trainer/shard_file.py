"""Reads single TFRecord files on the host, and turns what can be wrong with one into a sentence."""

from __future__ import annotations

import re

import numpy as np
import tensorflow as tf

from trainer import errors, manifest, records
from trainer.records import Record, RecordFormat

_FRAMING_BYTES = 16  # Of one record: its length and two checksums.
_PARSED_AT_ONCE = 256


def first_record(path: str) -> Record:
    """Decodes the first record of a shard; raises as `sample_records`."""
    return sample_records(path, 1)[0]


def sample_records(path: str, count: int) -> list[Record]:
    """Decodes up to `count` records from the start of a shard, at least one.

    Raises:
      errors.DataError: the file is absent, empty, damaged, or of no known schema.
    """
    try:
        serialized = list(tf.data.TFRecordDataset(path).take(count).as_numpy_iterator())
        found = [records.decode_example(record) for record in serialized]
    except tf.errors.NotFoundError:
        raise errors.DataError(f'{path} is listed in {manifest.FILE_NAME} but absent: convert again') from None
    except tf.errors.DataLossError as error:
        raise _damaged(path, error) from None
    except errors.DataError as error:
        raise errors.DataError(f'{path}: {error}') from None
    if not found:
        raise errors.DataError(f'{path} holds no record: convert the images again')
    return found


def first_record_bytes(path: str) -> int:
    """How many bytes of the file the first record takes."""
    return len(next(iter(tf.data.TFRecordDataset(path).take(1))).numpy()) + _FRAMING_BYTES


def count_records(path: str) -> int:
    """Reads a whole shard, which checks the CRC of every record, and returns how many it holds.

    Raises:
      errors.DataError: the shard is damaged.
    """
    try:
        return int(tf.data.TFRecordDataset(path).reduce(np.int64(0), lambda count, _: count + 1))
    except tf.errors.DataLossError as error:
        raise _damaged(path, error) from None


def count_parsed(path: str, first: Record) -> int:
    """As `count_records`, and parses each record as training will, so that one of another size is found now.

    Raises:
      errors.DataError: the shard is damaged, or not all its images are of the size of the first.
    """

    def parse(serialized: tf.Tensor) -> tf.Tensor:
        return records.parse_batch(serialized, RecordFormat(first.encoding), first.height, first.channels)

    batches = tf.data.TFRecordDataset(path).batch(_PARSED_AT_ONCE).map(parse)
    try:
        return int(batches.reduce(np.int64(0), lambda count, batch: count + tf.shape(batch, tf.int64)[0]))
    except tf.errors.DataLossError as error:
        raise _damaged(path, error) from None
    except tf.errors.InvalidArgumentError:
        raise errors.DataError(
            f'{path} holds images of other sizes than {first.height}x{first.width}x{first.channels}, or none at all in '
            'some records: convert the images again (python -m convert.inspect_tfrecords shows what is there)'
        ) from None


def _damaged(path: str, error: Exception) -> errors.DataError:
    # TensorFlow wraps its one useful sentence in the names of graph nodes.
    reason = re.sub(r'\{\{.*?\}\}|\[Op:.*', '', str(error).splitlines()[0]).strip()
    return errors.DataError(f'{path} is damaged ({reason}): copy it again, or convert the images again')
