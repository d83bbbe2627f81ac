"""Finds the files below the input folder and opens them."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import io
import os
import posixpath
import stat
from collections.abc import Iterator
from typing import BinaryIO

from convert import objects, rejection
from trainer import errors, storage, storage_errors

# One read costs less than Pillow's many small ones; what is larger than any photo stays on disk.
_MAX_BYTES_AT_ONCE = 64 << 20
_SYSTEM_FILES = ('thumbs.db', 'desktop.ini')


@dataclasses.dataclass(frozen=True)
class Listing:
    """The files to convert.

    Attributes:
      folder: the input folder, as it was given.
      names: the files' paths below it, with '/' between folders, sorted.
      labels: the names of the first-level folders with files below them, sorted.
    """

    folder: str
    names: tuple[str, ...]
    labels: tuple[str, ...]

    def label_of(self, name: str) -> int:
        """Index into `labels`, or -1 for a file that lies in no folder."""
        first, slash, _ = name.partition('/')
        return bisect.bisect_left(self.labels, first) if slash else -1

    def open(self, name: str) -> BinaryIO:
        """Opens one of the files.

        Raises:
          rejection.Rejected: it cannot be opened.
          errors.UserError: Cloud Storage fails or refuses, so that other files would fare no better.
        """
        if storage.is_remote(self.folder):
            return objects.download(f'{self.folder.rstrip("/")}/{name}')
        try:
            return _open_local(posixpath.join(self.folder, name))
        except OSError as error:
            raise rejection.Rejected(rejection.UNREADABLE, error.strerror or '') from None


def find(input_dir: str, output_dir: str) -> Listing:
    """Lists the files below `input_dir`; hidden files and what lies in `output_dir` are no input.

    Raises:
      errors.UserError: `input_dir` is no folder, cannot be listed, is empty, or is `output_dir`.
    """
    if _identity(input_dir) == _identity(output_dir):
        raise errors.UserError(f'--output_dir={output_dir} is also the --input_dir: choose another folder')
    walk = _walk_remote if storage.is_remote(input_dir) else _walk_local
    try:
        names = tuple(sorted(walk(input_dir, _identity(output_dir))))
    except OSError as error:
        raise errors.UserError(f'--input_dir={input_dir} cannot be listed: {error}') from None
    if not names:
        raise errors.UserError(f'--input_dir={input_dir} holds no files: name a folder with images in it')
    return Listing(input_dir, names, tuple(sorted({name.partition('/')[0] for name in names if '/' in name})))


def _open_local(path: str) -> BinaryIO:
    status = os.stat(path)
    if not stat.S_ISREG(status.st_mode):  # To open a pipe would wait for its other end, for ever.
        raise rejection.Rejected(rejection.UNREADABLE, 'not a regular file')
    if status.st_size > _MAX_BYTES_AT_ONCE:
        return open(path, 'rb')
    with open(path, 'rb', buffering=0) as file:
        return io.BytesIO(file.read())


def _identity(folder: str) -> str:
    return folder.rstrip('/') if storage.is_remote(folder) else os.path.realpath(folder)


def _walk_local(root: str, excluded: str) -> Iterator[str]:
    """Yields the files' paths below `root`; enters each real folder once, so that no link makes a loop."""
    if not os.path.isdir(root):
        raise errors.UserError(f'--input_dir={root} is not a folder: name one with images in it')
    seen = {excluded}
    folders = collections.deque([''])
    while folders:
        folder = folders.pop()
        real = os.path.realpath(os.path.join(root, folder))
        if real in seen:
            continue
        seen.add(real)
        with os.scandir(real) as entries:
            visible = sorted((entry for entry in entries if not _is_hidden(entry.name)), key=lambda entry: entry.name)
        for entry in visible:
            name = posixpath.join(folder, entry.name)
            if not os.path.isdir(entry.path):
                yield name
            elif entry.is_symlink():
                folders.appendleft(name)  # After all real folders, so that these keep their own labels.
            else:
                folders.append(name)


def _walk_remote(root: str, excluded: str) -> Iterator[str]:
    """Yields the objects' names below `root`; one that ends with '/' stands for a folder."""
    root = _identity(root)
    output = f'{excluded[len(root) + 1 :]}/' if excluded.startswith(f'{root}/') else None
    for name, _ in objects.list_folder(root, storage_errors.VIEWER, below=True):
        if not name or name.endswith('/') or (output and name.startswith(output)):
            continue
        if not any(_is_hidden(part) for part in name.split('/')):
            yield name


def _is_hidden(name: str) -> bool:
    return name.startswith('.') or name.lower() in _SYSTEM_FILES
