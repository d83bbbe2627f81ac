"""A data set appears in its folder whole, or not at all."""

from __future__ import annotations

import os
import posixpath
import re

import tensorflow as tf

from convert import preview, rejection, sources
from trainer import errors, manifest

_STAGING = '.converting'
_OURS = re.compile(
    r'(train|holdout)-\d{5}-of-\d{5}\.tfrecord|'
    + '|'.join(re.escape(name) for name in (manifest.FILE_NAME, rejection.FILE_NAME, preview.FILE_NAME))
)


class Staging:
    """A folder within the output folder, whose files `publish` renames into place.

    Wherever a run ends, the output folder has the manifest of a whole data set or none. The staging folder goes last,
    so that a later run that finds one knows: without a manifest, what lies beside it is ours to remove.

    Attributes:
      folder: where to write, local or gs://.
      spool_folder: the local folder on whose disk to keep temporary files, None for the system's.
    """

    def __init__(self, output_dir: str, overwrite: bool):
        """Checks the output folder, and changes nothing yet.

        Raises:
          errors.UserError: it holds a data set, or files with the names of one, and `overwrite` is off.
        """
        self._output = output_dir
        self.folder = posixpath.join(output_dir, _STAGING)
        self.spool_folder = None if sources.is_remote(output_dir) else self.folder
        self._new_folders: list[str] = []
        self._half_published = False
        found = self._ours()
        interrupted = tf.io.gfile.isdir(self.folder) and manifest.FILE_NAME not in found
        if found and not overwrite and not interrupted:
            raise errors.UserError(
                f'--output_dir={output_dir} already holds {found[0]}: choose another folder, or add --overwrite'
            )

    def __enter__(self) -> Staging:
        self._remove_staging()  # Left by a run that was killed.
        if not sources.is_remote(self._output):
            self._new_folders = _missing_folders(self._output)
            os.makedirs(self.folder)
        return self

    def __exit__(self, *_: object) -> None:
        if self._half_published:  # The next run sees by the staging folder that the shards beside it are ours.
            return
        self._remove_staging()
        for folder in self._new_folders:
            if not os.listdir(folder):
                os.rmdir(folder)

    def publish(self, dataset: manifest.Manifest) -> None:
        """Removes the old data set, if there is one, and puts the new one in its place."""
        self._half_published = True
        for name in sorted(self._ours(), key=lambda name: name != manifest.FILE_NAME):  # The manifest goes first,
            tf.io.gfile.remove(posixpath.join(self._output, name))
        for name in tf.io.gfile.listdir(self.folder):
            tf.io.gfile.rename(posixpath.join(self.folder, name), posixpath.join(self._output, name))
        manifest.write(self._output, dataset)  # and comes last.
        self._half_published = False

    def _ours(self) -> list[str]:
        if not tf.io.gfile.isdir(self._output):
            return []
        # As in `sources`: tf.io.gfile fails on file names that are not UTF-8.
        names = tf.io.gfile.listdir(self._output) if sources.is_remote(self._output) else os.listdir(self._output)
        return sorted(name for name in names if _OURS.fullmatch(name))

    def _remove_staging(self) -> None:
        if tf.io.gfile.isdir(self.folder):
            tf.io.gfile.rmtree(self.folder)


def _missing_folders(folder: str) -> list[str]:
    """The folders that making `folder` makes, the deepest first."""
    missing = []
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing
