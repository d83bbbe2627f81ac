"""`dataset.json`, which makes a folder of shards a data set: what was converted, how, and what each shard must hold."""

from __future__ import annotations

import dataclasses
import json
import math
import posixpath
import re
from typing import Any

import google_crc32c
import tensorflow as tf

from trainer import errors
from trainer.filesystem import files, paths, state_file

FILE_NAME = 'dataset.json'
SCHEMA_VERSION = 1
TRAIN, HOLDOUT = 'train', 'holdout'
SPLITS = (TRAIN, HOLDOUT)
SYNTHETIC = 'synthetic'  # Among the options: how many images are pictures of trainer.generate, if any.
_READ_BYTES = 1 << 20
_MOST = 1 << 53  # Records or bytes: larger numbers are not exact in JSON.
_LARGEST = 1 << 16  # Side of an image, px.
_NONE_OF_OURS, _CONVERT_AGAIN = 'is not a data set manifest', 'convert the images again'


@dataclasses.dataclass(frozen=True)
class Shard:
    """One TFRecord file: its name in the data set's folder, and what it must hold.

    Attributes:
      crc32c: CRC32C of the whole file, eight hexadecimal digits.

    Raises:
      ValueError: a value that no shard can have; above all a name outside this folder.
    """

    name: str
    records: int
    bytes: int
    crc32c: str

    def __post_init__(self) -> None:
        if not paths.is_plain_name(self.name):
            raise ValueError(f'the shard name {self.name!r} is not the name of a file in this folder')
        if not (0 < self.records <= _MOST and 0 < self.bytes <= _MOST and re.fullmatch('[0-9a-f]{8}', self.crc32c)):
            raise ValueError(f'records, bytes or crc32c of {self.name} are not valid')


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
      schema_version: of the file.

    Raises:
      ValueError: a value that no data set can have.
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
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise ValueError(f'it has schema version {self.schema_version}, this program reads {SCHEMA_VERSION}')
        if not (0 < self.image_size <= _LARGEST and self.channels in (1, 3)):
            raise ValueError(f'images of {self.image_size} px and {self.channels} channels are not supported')
        unknown = sorted(set(self.splits) - set(SPLITS))
        if unknown:
            raise ValueError(f'the split {unknown[0]!r} is not one of {", ".join(SPLITS)}')
        names = [shard.name for shards in self.splits.values() for shard in shards]
        if len(set(names)) < len(names):
            raise ValueError('a shard is listed twice')
        if not all(map(math.isfinite, (*self.mean, *self.std))):
            raise ValueError('mean and std must be finite')

    def records(self, split: str) -> int:
        """Number of images in the split."""
        return sum(shard.records for shard in self.splits.get(split, ()))

    def to_json(self) -> str:
        """The text of `dataset.json`, the same for the same data."""
        return json.dumps(dataclasses.asdict(self), indent=2, sort_keys=True) + '\n'

    @classmethod
    def from_json(cls, text: str, path: str) -> Manifest:
        """Parses the text of the file `path`.

        Raises:
          errors.DataError: not JSON, another schema version, a key missing or unknown, or an impossible value.
        """
        try:
            return state_file.parse(text, cls)
        except ValueError as error:
            raise errors.DataError(f'{path} {_NONE_OF_OURS} ({error}): {_CONVERT_AGAIN}') from None


def read(folder: str) -> Manifest:
    """Reads the manifest of a local or gs:// data-set folder.

    Raises:
      errors.DataError: there is no manifest, so the folder is not a data set, or the manifest is not valid.
    """
    path = posixpath.join(folder, FILE_NAME)
    found = state_file.read(path, Manifest, fix=_CONVERT_AGAIN, complaint=_NONE_OF_OURS, error=errors.DataError)
    if found is None:
        raise errors.DataError(
            f'{folder} has no {FILE_NAME}, so it is not a data set: make one with python -m '
            f'convert.images_to_tfrecords --input_dir=IMAGES --output_dir=DATA, or name foreign records by a pattern '
            f"such as '{folder}/*.tfrecord'"
        )
    return found


def is_in(folder: str) -> bool:
    """Whether a local or gs:// folder has a manifest, and so is meant to be a data set."""
    return tf.io.gfile.exists(posixpath.join(folder, FILE_NAME))


def write(folder: str, manifest: Manifest) -> None:
    """Writes the manifest into `folder`, whole or not at all. It is written last, and makes the folder a data set."""
    files.write_bytes(posixpath.join(folder, FILE_NAME), manifest.to_json().encode())


def file_crc32c(path: str) -> str:
    """CRC32C of a local or gs:// file, eight hexadecimal digits."""
    checksum = google_crc32c.Checksum()
    with tf.io.gfile.GFile(path, 'rb') as file:
        while chunk := file.read(_READ_BYTES):
            checksum.update(chunk)
    return checksum.digest().hex()
