"""Publishes a data set to its gs:// folder as a whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Sequence

from absl import logging

from convert import parallel, progress
from convert.listing import objects
from convert.output import staging
from trainer import errors
from trainer.data import manifest
from trainer.filesystem import lock
from trainer.storage.refusals import ADMIN

MARKER = staging.STAGING
_SHARED = '.converting-files'
_OF_A_RUN = re.compile(f'/{re.escape(_SHARED)}/[0-9a-f]{{32}}/')
_MARK = f'{{"made_by": "{staging.MADE_BY}"}}\n'.encode()
_AT_ONCE = 8


class RemoteStaging:
    """A local folder for temporary files, which `publish` uploads; it needs room for the data set.

    The rules are those of `staging.Staging`. Instead of a staging folder, a marker object lies in the output folder
    from the start of a run to its end. If there is a marker and no manifest, the files beside it are ours to replace.
    A file that an interrupted run uploaded is kept if the next run makes the same file. Workers on other machines write
    into a folder beside the marker, from which `publish` copies within the bucket.

    Attributes:
      folder: where to write.
      shared: where workers write.
    """

    folder: str

    def __init__(self, output_dir: str, overwrite: bool, flag: str = '--output_dir'):
        """Checks the output folder, and changes nothing yet.

        Raises:
          errors.UserError: as `staging.Staging`; also if the bucket cannot be listed.
        """
        self._output, self._overwrite, self._flag = output_dir.rstrip('/'), overwrite, flag
        self.shared = f'{self._output}/{_SHARED}/{uuid.uuid4().hex}'
        self._from_workers: dict[str, str] = {}
        self._marker_needed = self._check()

    def __enter__(self) -> RemoteStaging:
        with contextlib.ExitStack() as stack:
            self.folder = stack.enter_context(tempfile.TemporaryDirectory(prefix='converting-'))
            stack.enter_context(lock.hold(self._output, os.environ, flag=self._flag))
            self._marker_needed = self._check()  # Once more, now that the lock keeps others out.
            if MARKER in self._present() and self._read_marker():
                self._remove_shared(f'{self._output}/{_SHARED}')  # Left by a run that was killed.
            self._mark()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        with self._stack:
            if not isinstance(error, errors.Transient):
                self._remove_shared(self.shared)
            # Without the marker, the next run would take the files that this one uploaded for somebody else's. During
            # an outage of Cloud Storage, removing it would only fail as well.
            if not self._marker_needed and not isinstance(error, errors.Transient):
                self._remove_marker()

    def _check(self) -> bool:
        """Raises as __init__; returns whether an earlier run was interrupted, so that all files here are ours."""
        present = self._present()
        if MARKER in present and manifest.FILE_NAME not in present and self._read_marker():
            return True
        free = [name for name in present if name not in (MARKER, lock.FILE_NAME)]
        staging.check_free(self._output, free, self._overwrite, self._flag)
        return False

    def publish(self, dataset: manifest.Manifest) -> None:
        """Uploads the data set, and removes the files of an old one that have other names."""
        manifest.write(self.folder, dataset)
        files = {name: objects.crc32c(os.path.join(self.folder, name)) for name in sorted(os.listdir(self.folder))}
        labels = files.pop(staging.LABELS_FILE_NAME, '')
        del files[manifest.FILE_NAME]
        self._from_workers = {
            name: checksum
            for name, checksum in objects.list_folder(self.shared, ADMIN, below=False)
            if staging.ours([name])
        }
        files.update(self._from_workers)
        if labels:
            staging.check_labels(self._output, self._flag)
        present = self._present()
        replaced = staging.has_own_labels(self._output)
        self._marker_needed = True
        if replaced:  # Before the manifest that proves it ours.
            objects.delete(self._path(staging.LABELS_FILE_NAME))
        objects.delete(self._path(manifest.FILE_NAME))  # The manifest goes first,
        stale = [self._path(name) for name in staging.ours(present) if name not in files]
        _each('removing', objects.delete, stale)
        missing = [name for name, checksum in files.items() if present.get(name) != checksum]
        if len(missing) < len(files):
            kept = len(files) - len(missing)
            logging.info('%d of %d files are in %s already, with the same checksum', kept, len(files), self._output)
        _each('uploading', self._upload, missing)
        self._upload(manifest.FILE_NAME)  # and comes last,
        if labels:  # but for a list that it proves ours.
            self._upload(staging.LABELS_FILE_NAME)
        self._marker_needed = False

    def _present(self) -> dict[str, str]:
        """The objects in the output folder itself, with their checksums."""
        return dict(objects.list_folder(self._output, ADMIN, below=False))

    def _upload(self, name: str) -> None:
        if name in self._from_workers:
            return objects.copy(f'{self.shared}/{name}', self._path(name))
        return objects.upload(os.path.join(self.folder, name), self._path(name))

    def _mark(self) -> None:
        """Writes the marker, which tests before hours of work whether files may be written and replaced here."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(_MARK)
            file.flush()
            for _ in range(2):  # Replacing an object needs the permission to delete one.
                objects.upload(file.name, self._path(MARKER))

    def _read_marker(self) -> bool:
        """Whether the marker is one of ours."""
        with objects.download(self._path(MARKER)) as file:
            return file.read(len(_MARK) + 1) == _MARK

    def _remove_marker(self) -> None:
        try:
            objects.delete(self._path(MARKER))
        except errors.UserError as error:  # A marker beside a manifest, or alone, does no harm.
            logging.warning('%s stays: %s', self._path(MARKER), error)

    def _remove_shared(self, folder: str) -> None:
        """Removes the files of workers, whose folders have names that nobody else gives."""
        try:
            names = [name for name, _ in objects.list_folder(folder, ADMIN, below=True)]
            ours = [name for name in names if _OF_A_RUN.match(f'{folder}/{name}'[len(self._output) :])]
            _each('removing', lambda name: objects.delete(f'{folder}/{name}'), ours)
        except errors.UserError as error:  # They cost money, and do no other harm.
            logging.warning('%s stays: %s', folder, error)

    def _path(self, name: str) -> str:
        return f'{self._output}/{name}'


def _each(doing: str, function: Callable[[str], None], names: Sequence[str]) -> None:
    if not names:
        return
    with progress.Progress(doing, len(names), 'files') as bar:
        for _ in parallel.map_in_order(function, names, _AT_ONCE, items_a_task=1):
            bar.advance()
