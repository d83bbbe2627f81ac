"""`dataset.json`, which makes a folder of shards a data set: what was converted, how, and what each shard must hold."""

from __future__ import annotations

import dataclasses
import json
import posixpath
from typing import Any

import google_crc32c
import tensorflow as tf

from trainer import errors, images

FILE_NAME = 'dataset.json'
SCHEMA_VERSION = 1
TRAIN, HOLDOUT = 'train', 'holdout'
SPLITS = (TRAIN, HOLDOUT)
_READ_BYTES = 1 << 20


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file: its name in the data set's folder, and what it must hold.

    Attributes:
      crc32c: CRC32C of the whole file, eight hexadecimal digits.
    """

    name: str
    records: int
    bytes: int
    crc32c: str


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What `dataset.json` says.

    Attributes:
      image_size: side of the square images, px.
      channels: 3 (RGB) or 1 (grey).
      layout: order of the pixel bytes, 'HWC'.
      splits: the shards of 'train' and of 'holdout'.
      labels: the class names; a record's label is an index into them.
      mean, std: per channel over the training split, in [0, 255].
      rejected: how many input files were left out, by reason.
      options: the converter's options that shaped the data.
      source: the input folder, as it was given.
    """

    image_size: int
    channels: int
    layout: str
    splits: dict[str, tuple[Shard, ...]]
    labels: tuple[str, ...] = ()
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    rejected: dict[str, int] = dataclasses.field(default_factory=dict)
    options: dict[str, Any] = dataclasses.field(default_factory=dict)
    source: str = ''

    def records(self, split: str) -> int:
        """Number of images in the split."""
        return sum(shard.records for shard in self.splits.get(split, ()))

    def to_json(self) -> str:
        """The text of `dataset.json`, the same for the same data."""
        content = {'schema_version': SCHEMA_VERSION, **dataclasses.asdict(self)}
        return json.dumps(content, indent=2, sort_keys=True) + '\n'

    @classmethod
    def from_json(cls, text: str, path: str) -> Manifest:
        """Parses the text of the file `path`.

        Raises:
          errors.DataError: not JSON, another schema version, or a field missing.
        """
        try:
            content = json.loads(text)
            version = content.pop('schema_version')
            if version != SCHEMA_VERSION:
                raise errors.DataError(f'{path} has schema version {version}, this program reads {SCHEMA_VERSION}')
            splits = content.pop('splits')
            content['splits'] = {split: tuple(Shard(**shard) for shard in shards) for split, shards in splits.items()}
            for name in ('labels', 'mean', 'std'):
                content[name] = tuple(content[name])
            return cls(**content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise errors.DataError(f'{path} is not a data set manifest ({error}); convert the images again') from None


def read(folder: str) -> Manifest:
    """Reads the manifest of a local or gs:// data-set folder.

    Raises:
      errors.DataError: there is none, so the folder is no data set, or it cannot be understood.
    """
    path = posixpath.join(folder, FILE_NAME)
    try:
        with tf.io.gfile.GFile(path) as file:
            return Manifest.from_json(file.read(), path)
    except tf.errors.NotFoundError:
        raise errors.DataError(
            f'{folder} has no {FILE_NAME}, so it is no data set: make one with python -m convert.images_to_tfrecords '
            f"--output_dir={folder}, or name foreign records by a pattern such as '{folder}/*.tfrecord'"
        ) from None


def write(folder: str, manifest: Manifest) -> None:
    """Writes the manifest into `folder`, whole or not at all; written last, it makes the folder a data set."""
    images.write_bytes(posixpath.join(folder, FILE_NAME), manifest.to_json().encode())


def file_crc32c(path: str) -> str:
    """CRC32C of a local or gs:// file, eight hexadecimal digits."""
    checksum = google_crc32c.Checksum()
    with tf.io.gfile.GFile(path, 'rb') as file:
        while chunk := file.read(_READ_BYTES):
            checksum.update(chunk)
    return checksum.digest().hex()
