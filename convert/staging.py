"""A data set appears in its local folder whole, or not at all; `remote_staging` is its twin for gs://."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterable, Sequence

from convert import preview, rejection
from trainer import errors, manifest

_STAGING = '.converting'
_OURS = re.compile(
    r'(train|holdout)-\d{5}-of-\d{5}\.tfrecord|'
    + '|'.join(
        map(re.escape, (manifest.FILE_NAME, rejection.FILE_NAME, rejection.DROPPED_FILE_NAME, preview.FILE_NAME))
    )
)


class Staging:
    """A folder within the output folder, whose files `publish` renames into place.

    Wherever a run ends, the output folder has the manifest of a whole data set or none. The staging folder goes last,
    so that a later run that finds one knows: without a manifest, what lies beside it is ours to remove.

    Attributes:
      folder: where to write.
    """

    def __init__(self, output_dir: str, overwrite: bool):
        """Checks the output folder, and changes nothing yet.

        Raises:
          errors.UserError: it holds a data set, or files with the names of one, and `overwrite` is off.
        """
        self._output = output_dir
        self.folder = os.path.join(output_dir, _STAGING)
        self._new_folders: list[str] = []
        self._half_published = False
        found = self._present()
        interrupted = os.path.isdir(self.folder) and manifest.FILE_NAME not in found
        if not interrupted:
            check_free(output_dir, found, overwrite)

    def __enter__(self) -> Staging:
        self._remove_staging()  # Left by a run that was killed.
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
        for name in sorted(self._present(), key=lambda name: name != manifest.FILE_NAME):  # The manifest goes first,
            os.remove(os.path.join(self._output, name))
        for name in os.listdir(self.folder):
            os.rename(os.path.join(self.folder, name), os.path.join(self._output, name))
        manifest.write(self._output, dataset)  # and comes last.
        self._half_published = False

    def _present(self) -> list[str]:
        return ours(os.listdir(self._output)) if os.path.isdir(self._output) else []

    def _remove_staging(self) -> None:
        if os.path.isdir(self.folder):
            shutil.rmtree(self.folder)


def ours(names: Iterable[str]) -> list[str]:
    """The names that a data set may use, sorted."""
    return sorted(name for name in names if _OURS.fullmatch(name))


def check_free(output_dir: str, found: Sequence[str], overwrite: bool) -> None:
    """Refuses an output folder with files of the names `found` in it, unless they may be overwritten.

    Raises:
      errors.UserError: there are some, and `overwrite` is off.
    """
    if found and not overwrite:
        raise errors.UserError(
            f'--output_dir={output_dir} already holds {found[0]}: choose another folder, or add --overwrite'
        )


def _missing_folders(folder: str) -> list[str]:
    """The folders that making `folder` makes, the deepest first."""
    missing = []
    folder = os.path.abspath(folder)
    while not os.path.exists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing
