"""Keeps two jobs from training in one model_dir, where each would overwrite the other's checkpoints.

A local folder is locked by the operating system, which lets go when the process ends, however it ends. In a bucket the
lock is an object that only one job can create. Its owner writes it again every few seconds; where the writing has
ceased, the owner is gone, and the next job takes the lock over.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator, Mapping

import tensorflow.compat.v1 as v1
from absl import logging
from google.api_core import exceptions as api

from trainer import errors, storage
from trainer.storage_errors import ADMIN, explain, explained

FILE_NAME = 'lock.json'
HEARTBEAT_S = 15.0
_BEATS_MISSED = 4  # Then the owner is dead.


@contextlib.contextmanager
def hold(model_dir: str, environ: Mapping[str, str], heartbeat_s: float = HEARTBEAT_S) -> Iterator[Lock]:
    """Holds model_dir against other jobs while entered.

    Args:
      model_dir: an existing local or any gs:// folder; of other kinds the lock is not real.
      environ: CLOUD_ML_JOB_ID in it names the job: one that is restarted takes over at once what it held before.
      heartbeat_s: seconds between two signs of life.

    Raises:
      errors.UserError: another job holds it.
    """
    lock: Lock
    if storage.is_remote(model_dir):
        lock = RemoteLock(os.path.join(model_dir, FILE_NAME), environ.get('CLOUD_ML_JOB_ID', ''), heartbeat_s)
    else:
        lock = LocalLock(os.path.join(model_dir, f'.{FILE_NAME}')) if os.path.isdir(model_dir) else Lock()
    lock.acquire()
    try:
        yield lock
    finally:
        lock.release()


class Lock:
    """The lock of a folder that cannot be locked: it holds nothing.

    Attributes:
      lost: who took the lock over from us; '' while it is ours.
    """

    lost = ''

    def acquire(self) -> None:
        """Takes the lock, or raises UserError with its owner."""

    def release(self) -> None:
        """Gives the lock back."""


class LocalLock(Lock):
    """A file locked by the operating system."""

    def __init__(self, path: str):
        self._path = path

    def acquire(self) -> None:
        """See the base class."""
        self._file = open(self._path, 'a+')  # noqa: SIM115  Closed by release.
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._file.seek(0)
            owner = self._file.read().strip() or 'another process'
            self._file.close()
            raise _refusal(self._path, owner) from None
        except OSError as error:  # Some network file systems have no locks.
            logging.warning('%s cannot be locked (%s): make sure that no other job trains here', self._path, error)
        self._file.truncate(0)
        self._file.write(_ourselves('') + '\n')
        self._file.flush()

    def release(self) -> None:
        """See the base class."""
        self._file.truncate(0)
        self._file.close()


class RemoteLock(Lock):
    """An object that is created only where there is none, and renewed only where it is still ours."""

    def __init__(self, path: str, job: str, heartbeat_s: float):
        self._path, self._job, self._heartbeat_s = path, job, heartbeat_s
        self._token = uuid.uuid4().hex
        self._generation = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name='lock', daemon=True)

    def acquire(self) -> None:
        """See the base class; takes up to four heartbeats where a lock is found."""
        with explained(self._path, ADMIN):
            while not self._write(if_generation=0):
                generation, holder = self._read()
                if generation and self._is_alive(generation, holder):
                    raise _refusal(self._path, holder.get('owner', 'another job'))
                if generation and self._write(if_generation=generation):
                    logging.warning('%s: took over from %s, which is gone', self._path, holder.get('owner'))
                    break
        self._thread.start()

    def release(self) -> None:
        """See the base class."""
        self._over.set()
        self._thread.join()
        if self.lost:
            return
        try:
            storage.blob(self._path).delete(if_generation_match=self._generation)
        except Exception as error:  # The run is over: a lock that stays only makes the next one wait.
            logging.warning('%s could not be removed (%s)', self._path, explain(error, self._path, ADMIN) or error)

    def _is_alive(self, generation: int, holder: dict) -> bool:
        """Whether the holder writes again within its time; this job itself, before its restart, does not."""
        if not holder or (self._job and holder.get('job') == self._job):
            return False
        wait_s = _BEATS_MISSED * float(holder.get('heartbeat_s', self._heartbeat_s))
        owner = holder.get('owner', 'another job')
        logging.info('%s is held by %s: waiting up to %.0f s for a sign of life', self._path, owner, wait_s)
        deadline = time.monotonic() + wait_s
        while time.monotonic() < deadline:
            time.sleep(self._heartbeat_s / 4)
            now, _ = self._read()
            if now != generation:
                return bool(now)
        return False

    def _beat(self) -> None:
        while not self._over.wait(self._heartbeat_s):
            try:
                if not self._write(if_generation=self._generation):
                    _, holder = self._read()
                    self.lost = holder.get('owner', 'another job')
                    return
            except Exception as error:  # Storage that is away for a while must not end the run: what it saves does.
                logging.warning('%s could not be renewed: %s', self._path, error)

    def _write(self, if_generation: int) -> bool:
        """Writes the lock if its generation is as expected (0 is none), and says whether it did."""
        content = dict(owner=_ourselves(self._job), job=self._job, token=self._token, heartbeat_s=self._heartbeat_s)
        blob = storage.blob(self._path)
        try:
            blob.upload_from_string(
                json.dumps(content), content_type='application/json', if_generation_match=if_generation
            )
            self._generation = int(blob.generation or 0)
            return True
        except api.PreconditionFailed:
            # Ours all the same, if it was written and only the answer was lost.
            generation, holder = self._read()
            if holder.get('token') != self._token:
                return False
            self._generation = generation
            return True

    def _read(self) -> tuple[int, dict]:
        """Generation and content of the lock; 0 and nothing where there is none."""
        blob = storage.blob(self._path)
        try:
            blob.reload()
            generation = int(blob.generation or 0)
            return generation, dict(json.loads(blob.download_as_bytes(if_generation_match=generation)))
        except (api.NotFound, api.PreconditionFailed):  # It goes, or is renewed, while it is read.
            return 0, {}
        except (ValueError, TypeError):  # Written by something else.
            return generation, {}


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


def _ourselves(job: str) -> str:
    return f'{f"job {job}, " if job else ""}process {os.getpid()} on {socket.gethostname()}'


def _refusal(path: str, owner: str) -> errors.UserError:
    return errors.UserError(
        f'{os.path.dirname(path)} is in use by {owner}: two jobs in one model_dir overwrite each other; wait for it or '
        'cancel it, or give another --model_dir'
    )
