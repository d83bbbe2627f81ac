"""All images of one split in the order of their records, with their names: for metrics, browsing and audits."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import os
from collections.abc import Iterator, Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors
from trainer.data import dataset, manifest, parsing, shard_file
from trainer.data.dataset import DataSource, ShardFile


@dataclasses.dataclass(frozen=True)
class Entry:
    """What a record holds besides its pixels.

    Attributes:
      name: path of the source file below the converted folder, '' if the record does not have it.
      label: index into the class names, -1 for none.
    """

    name: str
    label: int


@dataclasses.dataclass(frozen=True)
class ImageSet:
    """The images of one split; number i is the i-th record of the shards in their order.

    Attributes:
      source: the verified shards.
      shards: the same, with their manifest entries.
      image_size, channels: of each image.
      labels: the class names, () if unknown.
    """

    source: DataSource
    shards: tuple[ShardFile, ...]
    image_size: int
    channels: int
    labels: tuple[str, ...] = ()

    @property
    def folder(self) -> str:
        """The local or gs:// folder of the shards."""
        return os.path.dirname(self.shards[0].path)

    @functools.cached_property
    def checksum(self) -> str:
        """16 hexadecimal digits that change whenever an image does; reads the shards that have no manifest."""
        digest = hashlib.sha256(f'{self.source.format.encoding} {self.source.format.layout}'.encode())
        for shard in self.shards:
            crc32c = shard.expected.crc32c if shard.expected else manifest.file_crc32c(shard.path)
            digest.update(f'\n{crc32c} {os.path.basename(shard.path)}'.encode())
        return digest.hexdigest()[:16]

    def __len__(self) -> int:
        return self.source.records

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields uint8 [N, H, W, C] in order, N = `size` except in the last batch."""
        with shard_file.explained(self.folder):
            for serialized in self._serialized().batch(size).prefetch(2):
                yield parsing.parse_batch(serialized, self.source.format, self.image_size, self.channels).numpy()

    def pixels(self, count: int | None = None) -> np.ndarray:
        """The first `count` images, or all, uint8 [N, H, W, C]: 12 KiB per image at 64 px."""
        serialized = self._serialized().take(len(self) if count is None else count).batch(256)
        form = self.source.format
        with shard_file.explained(self.folder):
            return np.concatenate(
                [parsing.parse_batch(batch, form, self.image_size, self.channels) for batch in serialized]
            )

    def entries(self) -> list[Entry]:
        """Name and label of each image."""
        decoded = (record for path in self.source.paths for record in shard_file.decoded(path))
        return [Entry(record.filename, record.label) for record in decoded]

    def shard_labels(self, known_only: bool = False) -> list[np.ndarray]:
        """The label of each image, int64 [N] for each shard: the index of a class name, and -1 for none.

        With `known_only`, the labels that a model has guessed are -1 too.
        """
        with shard_file.explained(self.folder):
            return [self._labels_of(path, known_only) for path in self.source.paths]

    def label_name(self, label: int) -> str:
        """The name of a label; its number if the records come without names."""
        return self.labels[label] if label < len(self.labels) else str(label)

    def shard_classes(self, names: Sequence[str], known_only: bool = False) -> tuple[list[np.ndarray], list[str]]:
        """The labels as places in `names`, by name, because another data set may number them otherwise.

        Args:
          names: of classes, all different.
          known_only: as in `shard_labels`.

        Returns:
          int64 [N] for each shard, -1 for an image without a label or with one that is not in `names`; and those names.
        """
        shards = self.shard_labels(known_only)
        found = [label for label in np.unique(np.concatenate(shards)).tolist() if label >= 0]
        numbers = {name: number for number, name in enumerate(names)}
        to_class = {label: numbers.get(self.label_name(label), -1) for label in found}
        others = sorted(self.label_name(label) for label in found if to_class[label] < 0)
        return [np.array([to_class.get(label, -1) for label in shard.tolist()], np.int64) for shard in shards], others

    def _labels_of(self, path: str, known_only: bool) -> np.ndarray:
        batches = tf.data.TFRecordDataset(path).batch(1024)
        parts = [parsing.parse_labels(batch, self.source.format, known_only).numpy() for batch in batches]
        return np.concatenate([np.empty([0], np.int64), *parts])

    def _serialized(self) -> tf.data.Dataset:
        return tf.data.TFRecordDataset(list(self.source.paths))


def open_split(
    data: str,
    split: str = manifest.TRAIN,
    image_size: int = 0,
    channels: int = 0,
    record_layout: str = 'auto',
    verify: str = dataset.QUICK,
) -> ImageSet | None:
    """Opens one split of a data-set folder, or foreign records by a pattern; None if the folder lacks the split.

    Args:
      data: folder, file or pattern, local or gs://, as --train_data.
      split: 'train' or 'holdout'; a pattern has no splits.
      image_size, channels: required values; 0 takes those of the first record.
      record_layout, verify: as --record_layout and --verify_data.

    Raises:
      errors.DataError: there are no records, or they are damaged or of another size.
    """
    shards = dataset.find(data, split)
    if not shards:
        return None
    if not image_size or not channels:
        first = shard_file.first_record(shards[0].path)
        image_size, channels = image_size or first.height, channels or first.channels
    source = dataset.verify(shards, image_size, channels, record_layout, verify)
    mixed = dataset.mixed_splits(data, shards)
    if mixed:
        logging.warning(mixed)
    labels = manifest.read(data).labels if tf.io.gfile.isdir(data) else ()
    return ImageSet(source, tuple(shards), image_size, channels, labels)


def open_both(
    data: str,
    image_size: int = 0,
    channels: int = 0,
    holdout_data: str = '',
    record_layout: str = 'auto',
    verify: str = dataset.QUICK,
) -> tuple[ImageSet, ImageSet | None]:
    """The training split, and the hold-out if there is one: from `holdout_data`, else from the folder `data`.

    Raises:
      errors.DataError: as in `open_split`, or there are no training images.
    """
    train = open_split(data, manifest.TRAIN, image_size, channels, record_layout, verify)
    if train is None:
        raise errors.DataError(f'{data} has no training images: convert them again')
    if not holdout_data and not tf.io.gfile.isdir(data):
        return train, None
    size = train.image_size, train.channels
    return train, open_split(holdout_data or data, manifest.HOLDOUT, *size, record_layout, verify)
