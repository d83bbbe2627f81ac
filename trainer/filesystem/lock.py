"""Keeps two jobs from writing into one folder, where each would overwrite the files of the other.

The operating system locks a local folder, and releases the lock when the process ends, however it ends. In a bucket the
lock is an object that only one job can create. Its owner renews it every few seconds. When the renewals stop, the owner
is gone, and the next job takes the lock over.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator, Mapping
from typing import TextIO

import tensorflow.compat.v1 as v1
from absl import logging

from trainer import errors
from trainer.filesystem.lock_base import Lock, ourselves, refusal
from trainer.filesystem.remote_lock import HEARTBEAT_S, RemoteLock
from trainer.storage import gcs

FILE_NAME = 'lock.json'
LOCAL_NAME = f'.{FILE_NAME}'
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK


@contextlib.contextmanager
def hold(
    folder: str, environ: Mapping[str, str], heartbeat_s: float = HEARTBEAT_S, flag: str = '--model_dir'
) -> Iterator[Lock]:
    """Locks a folder against other jobs inside the context.

    Args:
      folder: an existing local folder or any gs:// folder; for anything else the lock does nothing.
      environ: its CLOUD_ML_JOB_ID names the job. A restarted job takes its own lock over at once.
      heartbeat_s: seconds between two renewals.
      flag: the flag that named the folder.

    Raises:
      errors.UserError: another job holds the lock, or something that is not a lock is in its place.
    """
    lock: Lock
    if gcs.is_remote(folder):
        path, job = os.path.join(folder, FILE_NAME), environ.get('CLOUD_ML_JOB_ID', '')
        lock = RemoteLock(path, job, heartbeat_s, flag)
    else:
        lock = LocalLock(os.path.join(folder, LOCAL_NAME), flag) if os.path.isdir(folder) else Lock()
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


class LocalLock(Lock):
    """A file locked by the operating system, which exists while the lock is held."""

    def __init__(self, path: str, flag: str):
        self._path, self._flag = path, flag

    def acquire(self) -> None:
        """See the base class."""
        while True:
            self._file = self._opened()
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                owner = self._file.read(200).strip() or 'another process'
                self._file.close()
                raise refusal(self._path, owner, self._flag) from None
            except OSError as error:  # Some network file systems have no locks.
                logging.warning('%s cannot be locked (%s): make sure that no other job writes here', self._path, error)
            if self._is_in_place():
                break
            self._file.close()  # The last owner removed the file between our two calls.
        self._file.truncate(0)
        self._file.write(ourselves('') + '\n')
        self._file.flush()

    def release(self) -> None:
        """See the base class."""
        with contextlib.suppress(OSError):
            if self._is_in_place():
                os.remove(self._path)
        self._file.close()

    def _opened(self) -> TextIO:
        """The lock file, created if necessary. Does not follow a link, whose target truncating would destroy."""
        try:
            number = os.open(self._path, _FLAGS, 0o666)
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.EISDIR):
                raise errors.UserError(f'{self._path} is not a file, so it is not a lock: remove it') from None
            raise
        if not stat.S_ISREG(os.fstat(number).st_mode):
            os.close(number)
            raise errors.UserError(f'{self._path} is not a file, so it is not a lock: remove it')
        return os.fdopen(number, 'r+', encoding='utf-8', errors='replace')

    def _is_in_place(self) -> bool:
        """Whether the path still leads to the open file."""
        try:
            found, opened = os.lstat(self._path), os.fstat(self._file.fileno())
        except FileNotFoundError:
            return False
        return (found.st_dev, found.st_ino) == (opened.st_dev, opened.st_ino)


class LockHook(v1.train.SessionRunHook):
    """Ends the run, without a checkpoint, as soon as another job has taken model_dir over."""

    def __init__(self, lock: Lock, model_dir: str):
        self._lock, self._model_dir = lock, model_dir

    def after_run(self, _: v1.train.SessionRunContext, __: v1.train.SessionRunValues) -> None:
        """See the base class."""
        if self._lock.lost:
            raise errors.UserError(
                f'{self._model_dir} was taken over by {self._lock.lost}, because this job gave no sign of life: leave '
                'the folder to it'
            )
