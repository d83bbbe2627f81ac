"""Files of runs and data sets, local or gs://: written whole or not at all, and never through a link."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import uuid

import tensorflow as tf

from trainer.storage import gcs

_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_TEMPORARY = re.compile(r'\..*\.[0-9a-f]{8}\.tmp', re.DOTALL)


def write_bytes(path: str, data: bytes, mode: int = 0o666) -> None:
    """Writes a local or gs:// file whole or not at all; makes its folder.

    If two writers compete, the file of one of them remains, whole. A link at the path is replaced, not followed. A
    local file gets the permissions of `mode` that the umask leaves.

    Raises:
      OSError: the local file cannot be written; the previous file is unchanged.
      tf.errors.OpError: the object cannot be written.
    """
    if gcs.is_remote(path):  # An object appears only when it is whole.
        with tf.io.gfile.GFile(path, 'wb') as file:
            file.write(data)
        return
    make_folder(os.path.dirname(path))
    temporary = temporary_beside(path)
    try:
        with os.fdopen(os.open(temporary, _NEW, mode), 'wb') as file:
            file.write(data)
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise


def temporary_beside(path: str) -> str:
    """A unique hidden name in the folder of `path`, local or gs://, for a temporary file or folder."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f'.{name[:100]}.{uuid.uuid4().hex[:8]}.tmp')


def is_temporary(name: str) -> bool:
    """Whether a name has the form of `temporary_beside`; a killed process leaves such files behind."""
    return bool(_TEMPORARY.fullmatch(name))


def make_folder(path: str) -> None:
    """Makes a local folder. gs:// has no folders, and asking for one in a missing bucket takes minutes."""
    if not gcs.is_remote(path):
        os.makedirs(path or '.', exist_ok=True)


def read_text(path: str, most_bytes: int) -> str | None:
    """The text of a local or gs:// file, UTF-8; None if there is no file.

    Raises:
      ValueError: it is larger than `most_bytes`, not UTF-8, or not a regular file.
    """
    if not gcs.is_remote(path) and os.path.exists(path) and not leads_to_regular(path):
        raise ValueError('it is not a regular file')
    try:
        with tf.io.gfile.GFile(path, 'rb') as file:
            data = file.read(most_bytes + 1)
    except tf.errors.NotFoundError:
        return None
    if len(data) > most_bytes:
        raise ValueError(f'it is larger than {most_bytes:,} bytes')
    return data.decode()


def names_in(folder: str) -> list[str]:
    """The sorted names directly inside a local or gs:// folder; none if there is no such folder.

    Raises:
      NotADirectoryError: it is a file.
      google.api_core.exceptions.GoogleAPIError: Cloud Storage does not list it.
    """
    if not gcs.is_remote(folder):
        try:
            return sorted(os.listdir(folder))
        except FileNotFoundError:
            return []
    bucket, name = gcs.split(folder)
    prefix = f'{name.rstrip("/")}/' if name.strip('/') else ''
    listed = gcs.client().list_blobs(bucket, prefix=prefix, delimiter='/')
    found = {blob.name[len(prefix) :] for blob in listed}
    found |= {below[len(prefix) :].rstrip('/') for below in listed.prefixes}
    return sorted(found - {''})


def is_regular(path: str) -> bool:
    """Whether a local path is a regular file: not a link, pipe or device."""
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def leads_to_regular(path: str) -> bool:
    """Whether a local path, or the target of its link, is a regular file. Opening a pipe could wait for ever.

    Raises:
      OSError: there is nothing, or this account may not look at it.
    """
    return stat.S_ISREG(os.stat(path).st_mode)
