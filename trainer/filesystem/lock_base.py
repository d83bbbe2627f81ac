"""The common base of the locks for local folders and for buckets."""

from __future__ import annotations

import os
import socket

from trainer import errors


class Lock:
    """A lock that does nothing, for a folder that cannot be locked.

    Attributes:
      lost: who took the lock over from us; '' while it is ours.
    """

    lost = ''

    def acquire(self) -> None:
        """Takes the lock, or raises UserError with its owner."""

    def release(self) -> None:
        """Releases the lock."""


def ourselves(job: str) -> str:
    """Names this process, for people to read."""
    return f'{f"job {job}, " if job else ""}process {os.getpid()} on {socket.gethostname()}'


def refusal(path: str, owner: str, flag: str) -> errors.UserError:
    """The error for a folder whose lock another job holds."""
    return errors.UserError(
        f'{os.path.dirname(path)} is in use by {owner}: two jobs in one folder overwrite each other; wait for it or '
        f'cancel it, or give another {flag}'
    )
