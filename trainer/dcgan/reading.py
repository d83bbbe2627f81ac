"""Reads the records of a data set as chunks of pixels and labels: each host its own part."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.data import parsing
from trainer.data.dataset import DataSource

Batch = dict[str, tf.Tensor]  # 'images' uint8 [N, H, W, C] and, of a run with classes, 'labels' int32 [N].

_OPEN_SHARDS = 16
_READ_BUFFER = 256 * 1024  # Bytes; with megabytes tests/benchmarks/input_pipeline.py is slower.
_CHUNK = 256  # Records to parse at once.


@dataclasses.dataclass(frozen=True)
class Labels:
    """The classes of the images of a data set, for a conditional run.

    Attributes:
      of_images: int32 [N], in the order of the records; -1 for none.
      of_shards: how many records each shard holds.
      weights: float32 [1 + K], how often an image without a class, and one of each class, is drawn; 1 is evenly.
    """

    of_images: np.ndarray
    of_shards: tuple[int, ...]
    weights: np.ndarray


def read(
    source: DataSource, params: dict[str, Any], labels: Labels | None = None, shard_seed: int | None = None
) -> tf.data.Dataset:
    """All images of this host once, with their labels if given, in chunks of small, varying size.

    Each host has its own part.
    """
    hparams = params['hparams']
    host, hosts = deployment(params)
    shards = tf.data.Dataset.from_tensor_slices((list(source.paths), _parts(source, labels)))
    if shard_seed is not None:
        shards = shards.shuffle(len(source.paths), seed=shard_seed)

    def parse(serialized: tf.Tensor) -> Batch:
        return {'images': parsing.parse_batch(serialized, source.format, hparams.image_size, hparams.channels)}

    def of_shard(path: tf.Tensor, part: tf.Tensor) -> tf.data.Dataset:
        dataset = tf.data.TFRecordDataset(path, buffer_size=_READ_BUFFER).batch(_CHUNK).map(parse)
        if not labels:
            return dataset
        known = tf.data.Dataset.from_tensor_slices(tf.constant(labels.of_images)[part[0] : part[1]]).batch(_CHUNK)
        return tf.data.Dataset.zip((dataset, known)).map(lambda batch, label: {**batch, 'labels': label})

    dataset = shards.interleave(
        of_shard,
        cycle_length=min(_OPEN_SHARDS, len(source.paths)),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    )
    if hosts > 1:  # The number of hosts in a TPU slice is a power of two, so each chunk but the last splits evenly.
        dataset = dataset.rebatch(_CHUNK)
        dataset = dataset.map(lambda batch: {name: value[host::hosts] for name, value in batch.items()})
    return dataset


def _parts(source: DataSource, labels: Labels | None) -> np.ndarray:
    """Where the labels of each shard begin and end, int64 [shards, 2]; zeros without labels."""
    ends = np.cumsum(labels.of_shards if labels else [0] * len(source.paths))
    return np.stack([ends - (labels.of_shards if labels else 0), ends], axis=1)


def deployment(params: dict[str, Any]) -> tuple[int, int]:
    """The number of this host, and how many hosts there are."""
    if 'context' not in params:  # TPUEstimator's; absent on a CPU.
        return 0, 1
    _, host, hosts, _ = params['context'].current_input_fn_deployment()
    return host, hosts
