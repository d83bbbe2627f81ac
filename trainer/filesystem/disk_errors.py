"""Turns errors of this machine's disks into one line: the path, what is wrong, and the fix.

Python reports them as OSError, TensorFlow as tf.errors with the system's own words after a path.
"""

from __future__ import annotations

import contextlib
import errno
import os
import re
from collections.abc import Iterator

import tensorflow as tf

from trainer import errors

_ROOM = 'make room, then run the same command again, which resumes'
_CHOOSE = 'choose another folder'
# Error number -> what is wrong and what to do, and whether the same command may succeed later.
_TROUBLES = {
    errno.ENOSPC: (f'the disk is full: {_ROOM}', True),
    errno.EDQUOT: (f'your disk quota is used up: {_ROOM}', True),
    errno.EIO: ('the disk does not answer: check it, then run the same command again, which resumes', True),
    errno.ESTALE: ('the network disk has lost the file: mount the disk again, then run the same command again', True),
    errno.EROFS: (f'the disk is read-only: {_CHOOSE}', False),
    errno.EACCES: (f'this account has no permission: {_CHOOSE}, or change the permissions', False),
    errno.EPERM: (f'this account has no permission: {_CHOOSE}, or change the permissions', False),
    errno.ENOTDIR: (f'there is a file where a folder should be: {_CHOOSE}, or move the file away', False),
    errno.EISDIR: ('there is a folder where a file should be: choose another name, or move the folder away', False),
    errno.EEXIST: (f'something with this name already exists: {_CHOOSE}', False),
    errno.ENOENT: ('there is no such file or folder: correct the path', False),
    errno.EFBIG: (f'a file would be larger than this disk or ulimit -f allows: {_CHOOSE}, or raise the limit', False),
    errno.ENOTCONN: ('the network disk is gone: mount it again, then run the same command again', True),
    errno.EREMOTEIO: ('the network disk does not answer: check it, then run the same command again', True),
    errno.ENXIO: ('the disk is gone: attach it, then run the same command again', True),
    errno.ENODEV: ('the disk is gone: attach it, then run the same command again', True),
    errno.ENAMETOOLONG: ('the name is too long for this disk: choose a shorter one', False),
    errno.ELOOP: (f'a link in the path leads back to itself: {_CHOOSE}', False),
    errno.EMFILE: ('too many files are open: allow more, for example with ulimit -n 4096', False),
    errno.ENFILE: ('too many files are open on this machine: end other programs', False),
    errno.ENOMEM: ('out of memory: end other programs, or use smaller batches, networks or images', False),
}
_NUMBERS = {os.strerror(number).lower(): number for number in errno.errorcode}
# The form of TensorFlow's messages: a path, a semicolon, and the words of the system.
_MESSAGE = re.compile(f'(?P<path>[^;\\n]*); (?P<words>{"|".join(map(re.escape, _NUMBERS))})', re.IGNORECASE)
# TensorFlow's event writers raise these instead of tf.errors, depending on the status.
_OF_EVENTS = (RuntimeError, IndexError, ValueError, NotImplementedError)
# The one problem that TensorFlow words itself.
_NO_FOLDER = re.compile(r'^(?P<path>/[^;\n]*) is not a directory\.?$', re.MULTILINE)
# Temporary files in which TensorFlow writes a checkpoint.
_PART = re.compile(r'(/[^/]*_temp)?/[^/]*\.tempstate\d+$|/[^/]*_temp/.*$')


def explain(error: BaseException) -> errors.UserError | None:
    """What to tell the user about a disk or memory error; None if it is another error."""
    if isinstance(error, errors.UserError):
        return None
    if isinstance(error, MemoryError):
        return errors.UserError(_TROUBLES[errno.ENOMEM][0])
    if isinstance(error, OSError) and not isinstance(error, ConnectionError):
        named = isinstance(error.filename, (str, bytes))
        if error.errno in _TROUBLES or (error.errno in errno.errorcode and named):
            return _told(error.errno or 0, os.fsdecode(error.filename) if named else '')
    if isinstance(error, tf.errors.OpError):
        return _of_tensorflow(error.message or '')
    if isinstance(error, _OF_EVENTS) and _MESSAGE.fullmatch(str(error).partition('\n')[0]):
        return _of_tensorflow(str(error))
    return None


@contextlib.contextmanager
def explained(name: str) -> Iterator[None]:
    """Raises what `explain` makes of an error inside, with `name` in front, such as '--output_dir=x'."""
    try:
        yield
    except (OSError, MemoryError, tf.errors.OpError, *_OF_EVENTS) as error:
        known = explain(error)
        if known is None:
            raise
        raise type(known)(f'{name} cannot be written: {known}') from error


def _of_tensorflow(message: str) -> errors.UserError | None:
    """Searches the whole message: it may have a hundred lines, most of them about where a graph was made."""
    if re.search(r'^OOM when allocating|failed to allocate memory', message, re.IGNORECASE | re.MULTILINE):
        return errors.UserError(_TROUBLES[errno.ENOMEM][0])
    found = _NO_FOLDER.search(message)
    if found:
        return _told(errno.ENOTDIR, found['path'])
    found = _MESSAGE.search(message)
    return _told(_NUMBERS[found['words'].lower()], found['path'].strip()) if found else None


def _told(number: int, path: str) -> errors.UserError:
    words, passes = _TROUBLES.get(number, (f'{os.strerror(number).lower()}: {_CHOOSE}', False))
    path = _PART.sub('', path)
    kind = errors.Transient if passes else errors.UserError
    return kind(f'{path}: {words}' if path else words)
