"""Remembers in a run's folder what it is trained on, to tell other data apart and to find the data again."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os

from absl import logging

from trainer import errors
from trainer.data import image_set, manifest
from trainer.data.image_set import ImageSet
from trainer.filesystem import files, paths, state_file
from trainer.options import DataOptions
from trainer.storage import gcs

FILE_NAME = 'data.json'
FOLDER = 'data'  # In the folder of a run: the data set that the run has made.


@dataclasses.dataclass(frozen=True)
class RunData:
    """The content of `data.json`.

    Attributes:
      train_data, holdout_data: as the flags, made absolute; inside the run's folder they are relative to it, so that
        both may move together.
      record_layout: as the flag.
      checksum: of both splits, 16 hexadecimal digits.
      images, holdout_images: how many.
    """

    train_data: str
    holdout_data: str = ''
    record_layout: str = 'auto'
    checksum: str = ''
    images: int = 0
    holdout_images: int = 0

    def differs_from(self, other: RunData) -> bool:
        """Whether measures on one of them say nothing about the other."""
        return self.checksum != other.checksum


def of(model_dir: str, data: DataOptions, train: ImageSet, holdout: ImageSet | None) -> RunData:
    """What a run in `model_dir` is about to be trained on."""
    return RunData(
        _kept(model_dir, data.train_data),
        _kept(model_dir, data.holdout_data),
        data.record_layout,
        checksum(train, holdout),
        len(train),
        len(holdout) if holdout else 0,
    )


def checksum(train: ImageSet, holdout: ImageSet | None) -> str:
    """16 hexadecimal digits that change whenever an image of either split does."""
    text = f'{train.checksum} {holdout.checksum if holdout else ""}'
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def read(model_dir: str) -> RunData | None:
    """Reads what the run in `model_dir` was trained on; None if there is no file.

    Raises:
      errors.UserError: the file is not valid.
    """
    return state_file.read(os.path.join(model_dir, FILE_NAME), RunData, fix='remove it, and give --data')


def write(model_dir: str, content: RunData) -> None:
    """Writes `data.json` into `model_dir`."""
    text = json.dumps(dataclasses.asdict(content), indent=2) + '\n'
    files.write_bytes(os.path.join(model_dir, FILE_NAME), text.encode())


def options_of(model_dir: str, data: str) -> DataOptions:
    """The data to compare a run's pictures with: `data` if it is given, else the data of the run.

    Raises:
      errors.UserError: there is neither.
    """
    if data:
        return DataOptions(train_data=data)
    known = read(model_dir)
    if known:
        train_data = _resolved(model_dir, known.train_data)
        return DataOptions(train_data, _resolved(model_dir, known.holdout_data), known.record_layout)
    folder = os.path.join(model_dir, FOLDER)
    if not manifest.is_in(folder):
        raise errors.UserError(f'{model_dir} does not say what it was trained on: give --data=FOLDER')
    return DataOptions(train_data=folder)


def open_both(options: DataOptions, image_size: int = 0, channels: int = 0) -> tuple[ImageSet, ImageSet | None]:
    """Opens the sets of `options_of`; raises like `image_set.open_both`."""
    return image_set.open_both(options.train_data, image_size, channels, options.holdout_data, options.record_layout)


def warn_of_change(model_dir: str, train: ImageSet, holdout: ImageSet | None) -> None:
    """Warns if the data are not those that the run in `model_dir` was last trained on."""
    known = read(model_dir)
    if known and known.checksum != checksum(train, holdout):
        logging.warning(
            '%s was trained on %s images, but these %s images are not the same: all measures refer to these',
            model_dir, f'{known.images:,}', f'{len(train):,}',
        )  # fmt: skip


def _kept(model_dir: str, data: str) -> str:
    if not data or gcs.is_remote(data):
        return data
    if not gcs.is_remote(model_dir) and paths.within(data, model_dir):
        return os.path.relpath(os.path.realpath(data), os.path.realpath(model_dir))
    return os.path.abspath(data)


def _resolved(model_dir: str, kept: str) -> str:
    if not kept or gcs.is_remote(kept) or os.path.isabs(kept):
        return kept
    return os.path.join(model_dir, kept)
