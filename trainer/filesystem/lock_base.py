"""What the locks of a disk and of a bucket have in common."""

from __future__ import annotations

import os
import socket

from trainer import errors


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


def ourselves(job: str) -> str:
    """Names this process, for people."""
    return f'{f"job {job}, " if job else ""}process {os.getpid()} on {socket.gethostname()}'


def refusal(path: str, owner: str, flag: str) -> errors.UserError:
    """The error for a folder whose lock another job holds."""
    return errors.UserError(
        f'{os.path.dirname(path)} is in use by {owner}: two jobs in one folder overwrite each other; wait for it or '
        f'cancel it, or give another {flag}'
    )
