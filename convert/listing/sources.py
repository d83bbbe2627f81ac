"""Finds the files below the input folder and opens them."""

from __future__ import annotations

import bisect
import collections
import dataclasses
import hashlib
import io
import itertools
import os
import posixpath
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO

from absl import logging

from convert import rejection
from convert.listing import objects, own_output
from trainer import errors
from trainer.filesystem import files, paths
from trainer.storage import gcs, refusals

# One read costs less than Pillow's many small ones. A file larger than any photo stays on disk.
_MAX_BYTES_AT_ONCE = 64 << 20
_SYSTEM_FILES = ('thumbs.db', 'desktop.ini')
# In lower case: of Synology and QNAP, which keep thumbnails there, and of Windows, macOS and Linux.
_SYSTEM_FOLDERS = (
    '@eadir', '#recycle', '#snapshot', '@recycle', '.@__thumb', '$recycle.bin', 'system volume information',
    '__macosx', 'lost+found', 'lost.dir',
)  # fmt: skip
_MOST_NAMED = 20


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
        """Index into `labels`, or -1 for a file directly in the input folder."""
        return label_of(self.labels, name)

    def open(self, name: str) -> BinaryIO:
        """Opens one of the files; raises as `open_file`."""
        return open_file(self.folder, name)


def label_of(labels: Sequence[str], name: str) -> int:
    """Index of a file's first-level folder in the sorted `labels`, or -1 for a file directly in the input folder."""
    first, slash, _ = name.partition('/')
    return bisect.bisect_left(labels, first) if slash else -1


def open_file(folder: str, name: str) -> BinaryIO:
    """Opens the file `name` of a listing of the local or gs:// `folder`.

    Raises:
      rejection.Rejected: it cannot be opened.
      errors.UserError: Cloud Storage fails or refuses, so that other files would fail too.
    """
    if gcs.is_remote(folder):
        return objects.download(f'{folder.rstrip("/")}/{name}')
    try:
        return _open_local(posixpath.join(folder, name))
    except OSError as error:
        raise rejection.Rejected(rejection.UNREADABLE, error.strerror or '') from None


def find(input_dir: str, output_dir: str) -> Listing:
    """Lists the files below `input_dir`.

    Leaves out hidden files, `output_dir`, and three kinds of folders that the log then names: system folders, folders
    that this project has made (data sets, runs, pages, pictures), and folders that cannot be read.

    Raises:
      errors.UserError: `input_dir` is not a folder, cannot be listed, is empty, is `output_dir`, or is itself a data
        set or a run.
    """
    if paths.same(input_dir, output_dir):
        raise errors.UserError(f'--output_dir={output_dir} is also the --input_dir: choose another folder')
    walk = _walk_remote if gcs.is_remote(input_dir) else _walk_local
    left_out: dict[str, str] = {}
    try:
        names = tuple(sorted(walk(input_dir, paths.identity(output_dir), left_out)))
    except OSError as error:
        raise errors.UserError(f'{input_dir} cannot be listed: {error}') from None
    if '' in left_out:
        raise errors.UserError(f'{input_dir} is {left_out[""]}: name a folder with images in it')
    _log(left_out)
    if not names:
        raise errors.UserError(f'{input_dir} holds no files: name a folder with images in it')
    return Listing(input_dir, names, tuple(sorted({name.partition('/')[0] for name in names if '/' in name})))


def fingerprint(listing: Listing) -> str:
    """16 hexadecimal digits that change whenever a file is added, removed or rewritten."""
    if gcs.is_remote(listing.folder):
        known = dict(objects.list_folder(paths.identity(listing.folder), refusals.VIEWER, below=True))
        stamps = [known.get(name, '') for name in listing.names]
    else:
        stamps = [_stamp(os.path.join(listing.folder, name)) for name in listing.names]
    digest = hashlib.sha256()
    for name, stamp in zip(listing.names, stamps):
        digest.update(f'{stamp} {name}\0'.encode('utf-8', 'surrogateescape'))
    return digest.hexdigest()[:16]


def _stamp(path: str) -> str:
    try:
        status = os.stat(path)
    except OSError:  # A dangling link.
        return ''
    return f'{status.st_size} {status.st_mtime_ns}'


def _log(left_out: dict[str, str]) -> None:
    for folder, why in itertools.islice(sorted(left_out.items()), _MOST_NAMED):
        logging.info('left out: %s, %s', errors.spelled_out(folder), why)
    if len(left_out) > _MOST_NAMED:
        logging.info('left out: %d more folders', len(left_out) - _MOST_NAMED)


def _open_local(path: str) -> BinaryIO:
    if not files.leads_to_regular(path):
        raise rejection.Rejected(rejection.UNREADABLE, 'not a regular file')
    if os.path.getsize(path) > _MAX_BYTES_AT_ONCE:
        return open(path, 'rb')
    with open(path, 'rb', buffering=0) as file:
        return io.BytesIO(file.read())


def _walk_local(root: str, excluded: str, left_out: dict[str, str]) -> Iterator[str]:
    """Yields the files' paths below `root`; enters each real folder only once, so that links cannot make a loop."""
    if not os.path.isdir(root):
        raise errors.UserError(f'{root} is not a folder: name one with images in it')
    seen = {excluded}
    folders = collections.deque([''])
    while folders:
        folder = folders.pop()
        real = os.path.realpath(os.path.join(root, folder))
        if real in seen:
            continue
        seen.add(real)
        try:
            with os.scandir(real) as found:
                entries = sorted(found, key=lambda entry: entry.name)
        except OSError as error:  # No permission, or deleted meanwhile.
            if not folder:
                raise
            left_out[folder] = f'which cannot be read ({error.strerror})'
            continue
        why = own_output.made_here(real, [entry.name for entry in entries])
        if why:
            left_out[folder] = why
            continue
        for entry in entries:
            name = posixpath.join(folder, entry.name)
            if _is_hidden(entry.name):
                continue
            if not os.path.isdir(entry.path):
                yield name
            elif entry.name.lower() in _SYSTEM_FOLDERS:
                left_out[name] = 'a system folder'
            elif entry.is_symlink():
                folders.appendleft(name)  # After all real folders, so that these keep their own labels.
            else:
                folders.append(name)


def _walk_remote(root: str, excluded: str, left_out: dict[str, str]) -> Iterator[str]:
    """Yields the objects' names below `root`; skips names that end with '/', which stand for folders."""
    root = paths.identity(root)
    output = f'{excluded[len(root) + 1 :]}/' if excluded.startswith(f'{root}/') else None
    names = [
        name
        for name, _ in objects.list_folder(root, refusals.VIEWER, below=True)
        if name and not name.endswith('/') and not (output and name.startswith(output))
    ]
    for folder, inside in _by_folder(names).items():
        why = own_output.made_here(posixpath.join(root, folder), inside)
        if why:
            left_out[folder] = why
    for name in names:
        folder, parts = posixpath.dirname(name), name.split('/')
        above = ['/'.join(parts[:i]) for i in range(len(parts))]
        system = [part for part in parts[:-1] if part.lower() in _SYSTEM_FOLDERS]
        if system:
            left_out['/'.join(parts[: parts.index(system[0]) + 1])] = 'a system folder'
        elif not any(one in left_out for one in (*above, folder)) and not any(map(_is_hidden, parts)):
            yield name


def _by_folder(names: Iterable[str]) -> dict[str, list[str]]:
    """The names of the objects in each folder; the root is ''."""
    found: dict[str, list[str]] = collections.defaultdict(list)
    for name in names:
        found[posixpath.dirname(name)].append(posixpath.basename(name))
    return found


def _is_hidden(name: str) -> bool:
    return name.startswith('.') or name.lower() in _SYSTEM_FILES
