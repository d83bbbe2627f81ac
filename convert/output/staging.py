"""Publishes a data set to its local folder as a whole, or not at all; `remote_staging` does the same for gs://."""

from __future__ import annotations

import contextlib
import os
import posixpath
import re
import shutil
from collections.abc import Iterable, Sequence
from typing import Protocol

import tensorflow as tf

from convert import rejection
from convert.output import preview
from trainer import errors
from trainer.data import manifest
from trainer.data.manifest import Manifest
from trainer.filesystem import disk_errors, lock, outputs
from trainer.filesystem.outputs import Mark

MADE_BY = 'convert.images_to_tfrecords'
STAGING = '.converting'
_BESIDE_SHARDS = (manifest.FILE_NAME, rejection.FILE_NAME, rejection.DROPPED_FILE_NAME, preview.FILE_NAME)
# What convert.label adds to a set: a key of the manifest's options, and a list.
LABELS, LABELS_FILE_NAME = 'labels', 'labels.csv'
_OURS = re.compile(r'(train|holdout)-[0-9]{5}-of-[0-9]{5}\.tfrecord|' + '|'.join(map(re.escape, _BESIDE_SHARDS)))


class Stage(Protocol):
    """Where a conversion writes, before its files are published.

    Attributes:
      folder: an existing local folder.
      shared: the folder for the files of workers on other machines too, local or gs://; may be `folder`.
    """

    folder: str

    @property
    def shared(self) -> str:
        """See above."""


class Staging:
    """A folder within the output folder, whose files `publish` renames into place.

    Wherever a run ends, the output folder has the manifest of a complete data set or no manifest. The staging folder is
    removed last. A later run may find one that has our mark in it, and no manifest beside it: then the files beside it
    are ours to remove. While one process writes, others are refused.

    Attributes:
      folder: where to write.
    """

    def __init__(self, output_dir: str, overwrite: bool, flag: str = '--output_dir'):
        """Checks the output folder, and changes nothing yet.

        Raises:
          errors.UserError: it holds a data set and `overwrite` is off, or it holds anything else.
        """
        self._output, self._overwrite, self._flag = output_dir, overwrite, flag
        self.folder = os.path.join(output_dir, STAGING)
        self._new_folders: list[str] = []
        self._half_published = False
        self._stack = contextlib.ExitStack()
        self._check()

    def __enter__(self) -> Staging:
        with contextlib.ExitStack() as stack, disk_errors.explained(f'{self._flag}={self._output}'):
            self._new_folders = outputs.missing_folders(self._output)
            stack.callback(outputs.remove_empty, self._new_folders)
            os.makedirs(self._output, exist_ok=True)
            stack.enter_context(lock.hold(self._output, {}, flag=self._flag))
            self._check()  # Once more, now that the lock keeps others out.
            self._remove_staging()  # Left by a run that was killed.
            os.makedirs(self.folder)
            outputs.write_mark(self.folder, Mark(MADE_BY))
            self._stack = stack.pop_all()
        return self

    @property
    def shared(self) -> str:
        """The same folder: the workers of a local data set are on this machine."""
        return self.folder

    def __exit__(self, *_: object) -> None:
        with self._stack:
            if not self._half_published:  # If it stays, it shows the next run that the shards are ours.
                self._remove_staging()

    def publish(self, dataset: Manifest) -> None:
        """Removes the old data set, if there is one, and puts the new one in its place."""
        labels = os.path.join(self.folder, LABELS_FILE_NAME)
        replaced = has_own_labels(self._output)
        if os.path.exists(labels):
            check_labels(self._output, self._flag)
        self._half_published = True
        if replaced:  # Before the manifest that proves it ours.
            os.remove(os.path.join(self._output, LABELS_FILE_NAME))
        for name in sorted(self._present(), key=lambda name: name != manifest.FILE_NAME):  # The manifest goes first,
            os.remove(os.path.join(self._output, name))
        for name in ours(os.listdir(self.folder)):
            os.rename(os.path.join(self.folder, name), os.path.join(self._output, name))
        manifest.write(self._output, dataset)  # and comes last,
        if os.path.exists(labels):  # but for a list that it proves ours.
            os.rename(labels, os.path.join(self._output, LABELS_FILE_NAME))
        self._half_published = False

    def _check(self) -> None:
        with disk_errors.explained(f'{self._flag}={self._output}'):
            present = [name for name in outputs.in_folder(self._output) if name != STAGING]
            mark = outputs.read_mark(self.folder)
            stranger = os.path.lexists(self.folder) and not mark and bool(outputs.in_folder(self.folder))
        if stranger:
            raise outputs.refusal(self._flag, self._output, MADE_BY, STAGING)
        interrupted = mark is not None and manifest.FILE_NAME not in present
        if not interrupted:
            check_free(self._output, present, self._overwrite, self._flag)

    def _present(self) -> list[str]:
        return ours(os.listdir(self._output)) if os.path.isdir(self._output) else []

    def _remove_staging(self) -> None:
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)


def ours(names: Iterable[str]) -> list[str]:
    """The names that a data set may use, sorted."""
    return sorted(name for name in names if _OURS.fullmatch(name))


def has_own_labels(output_dir: str) -> bool:
    """Whether a local or gs:// folder has a list of labels that is as convert.label has written it.

    People may call a table of their marks labels.csv too, or correct ours, so its manifest has its checksum.
    """
    path = posixpath.join(output_dir, LABELS_FILE_NAME)
    if not manifest.is_in(output_dir) or not tf.io.gfile.exists(path):
        return False
    told = manifest.read(output_dir).options.get(LABELS)
    return isinstance(told, dict) and told.get('crc32c') == manifest.file_crc32c(path)


def check_labels(output_dir: str, flag: str = '--output_dir') -> None:
    """Raises errors.UserError if a list of labels would replace one that is not ours."""
    if LABELS_FILE_NAME in outputs.in_folder(output_dir) and not has_own_labels(output_dir):
        raise outputs.refusal(flag, output_dir, 'convert.label', LABELS_FILE_NAME)


def check_free(output_dir: str, present: Sequence[str], overwrite: bool, flag: str = '--output_dir') -> None:
    """Refuses an output folder with files in it, unless they are a data set that may be overwritten.

    Args:
      output_dir: local or gs://.
      present: the names in it.
      overwrite: whether a data set may be replaced.
      flag: the flag that named the folder.

    Raises:
      errors.UserError: it is not a data set, has shards that its manifest does not list, or may not be replaced.
    """
    if not present:
        return
    if manifest.FILE_NAME not in present:
        raise outputs.refusal(flag, output_dir, MADE_BY, present[0])
    try:
        known = manifest.read(output_dir).splits.values()
    except errors.DataError:
        raise outputs.refusal(flag, output_dir, MADE_BY, manifest.FILE_NAME) from None
    listed = {shard.name for shards in known for shard in shards} | set(_BESIDE_SHARDS)
    strangers = [name for name in ours(present) if name not in listed]
    if strangers:
        raise outputs.refusal(flag, output_dir, MADE_BY, strangers[0])
    if not overwrite:
        raise errors.UserError(
            f'{flag}={output_dir} already holds {manifest.FILE_NAME}: choose another folder, or add --overwrite'
        )
