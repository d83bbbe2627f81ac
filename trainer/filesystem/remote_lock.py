"""A lock in a bucket: an object that only one job can create, and that its owner renews while it runs."""

from __future__ import annotations

import dataclasses
import json
import math
import threading
import time
import uuid

from absl import logging
from google.api_core import exceptions as api

from trainer import errors
from trainer.filesystem import state_file
from trainer.filesystem.lock_base import Lock, ourselves, refusal
from trainer.storage import gcs
from trainer.storage.refusals import ADMIN, explain, explained

HEARTBEAT_S = 15.0
_BEATS_MISSED = 4  # After this many missed renewals, the owner is gone.
_LONGEST_BEAT_S = 60.0  # The limit for the heartbeat that a lock names.


@dataclasses.dataclass(frozen=True)
class Holder:
    """What a lock in a bucket says about its owner.

    Attributes:
      owner: its name, for people to read.
      job: its Vertex AI job; '' elsewhere.
      token: unique for each time that the lock is taken; '' for none.
      heartbeat_s: seconds between two renewals.
    """

    owner: str = 'another job'
    job: str = ''
    token: str = ''
    heartbeat_s: float = HEARTBEAT_S

    def __post_init__(self) -> None:
        if not (math.isfinite(self.heartbeat_s) and self.heartbeat_s >= 0):
            raise ValueError(f'a heartbeat of {self.heartbeat_s} s is not possible')
        object.__setattr__(self, 'owner', errors.one_line(self.owner)[:200])
        object.__setattr__(self, 'heartbeat_s', min(self.heartbeat_s, _LONGEST_BEAT_S))


_NOBODY = Holder()


class RemoteLock(Lock):
    """An object that is created only if there is none, and renewed only while it is still ours."""

    def __init__(self, path: str, job: str, heartbeat_s: float, flag: str):
        self._path, self._job, self._heartbeat_s, self._flag = path, job, heartbeat_s, flag
        self._token = uuid.uuid4().hex
        self._generation = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._beat, name='lock', daemon=True)

    def acquire(self) -> None:
        """See the base class; takes up to four heartbeats if there is a lock already."""
        with explained(self._path, ADMIN):
            while not self._write(if_generation=0):
                generation, holder = self._read()
                if generation and self._is_alive(generation, holder):
                    raise refusal(self._path, holder.owner, self._flag)
                if generation and self._write(if_generation=generation):
                    logging.warning('%s: took over from %s, which is gone', self._path, holder.owner)
                    break
        self._thread.start()

    def release(self) -> None:
        """See the base class."""
        self._over.set()
        self._thread.join()
        if self.lost:
            return
        try:
            gcs.blob(self._path).delete(if_generation_match=self._generation)
        except Exception as error:  # The run is over: a lock left behind only makes the next run wait.
            logging.warning('%s could not be removed (%s)', self._path, explain(error, self._path, ADMIN) or error)

    def _is_alive(self, generation: int, holder: Holder) -> bool:
        """Whether the holder renews the lock in time; False if the holder is this job before its restart."""
        if self._job and holder.job == self._job:
            return False
        wait_s = _BEATS_MISSED * holder.heartbeat_s
        logging.info('%s is held by %s: waiting up to %.0f s for a sign of life', self._path, holder.owner, wait_s)
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
                    self.lost = holder.owner
                    return
            except Exception as error:  # A storage outage must not end the run here; only a failed save does.
                logging.warning('%s could not be renewed: %s', self._path, error)

    def _write(self, if_generation: int) -> bool:
        """Writes the lock if its generation is as expected (0 means no lock), and returns whether it did."""
        content = dataclasses.asdict(Holder(ourselves(self._job), self._job, self._token, self._heartbeat_s))
        blob = gcs.blob(self._path)
        try:
            blob.upload_from_string(
                json.dumps(content), content_type='application/json', if_generation_match=if_generation
            )
            self._generation = int(blob.generation or 0)
            return True
        except api.PreconditionFailed:
            # The lock is ours if it was written and only the answer was lost.
            generation, holder = self._read()
            if holder.token != self._token:
                return False
            self._generation = generation
            return True

    def _read(self) -> tuple[int, Holder]:
        """Generation and content of the lock; 0 if there is none.

        Raises:
          errors.UserError: something else is in its place, which is not ours to replace.
        """
        blob = gcs.blob(self._path)
        try:
            blob.reload()
            generation = int(blob.generation or 0)
            content = blob.download_as_bytes(if_generation_match=generation)
        except (api.NotFound, api.PreconditionFailed):  # It was removed or renewed during the read.
            return 0, _NOBODY
        try:
            return generation, state_file.parse(content.decode(), Holder)
        except ValueError as error:
            raise errors.UserError(
                f'{self._path} is not a lock of this program ({error}): remove it if no job uses the folder, or choose '
                'another'
            ) from None
