"""What a bot of WeChat needs to go on after a restart, in a file that only its owner can read."""

from __future__ import annotations

import dataclasses
import json
import os
import stat

from trainer import errors
from trainer.filesystem import disk_errors, files, state_file

_MADE_BY = 'trainer.chat'
_OWNER_ONLY = 0o600


@dataclasses.dataclass(frozen=True)
class Credentials:
    """The content of the file.

    Attributes:
      token: of the bot; '' for none, so that a QR code must be scanned.
      base_url: the server that it is for.
      cursor: behind the last message that was received.
      made_by: whose file it is, so that no other is replaced.

    Raises:
      ValueError: it is another program's.
    """

    token: str = ''
    base_url: str = ''
    cursor: str = ''
    made_by: str = _MADE_BY

    def __post_init__(self) -> None:
        if self.made_by != _MADE_BY:
            raise ValueError('it is of another program')


def read(path: str) -> Credentials:
    """Reads the file; an empty one where there is none, or no path.

    Raises:
      errors.UserError: it is not a file of trainer.chat, or others can read it. No message shows what is in it.
    """
    if not path or not os.path.lexists(path):
        return Credentials()
    with disk_errors.explained(f'--credentials={path}'):
        mode = stat.S_IMODE(os.stat(path).st_mode)
        fix, complaint = 'remove it, or name another file', 'is no file of trainer.chat'
        found = state_file.read(path, Credentials, fix=fix, complaint=complaint)
    if mode & ~_OWNER_ONLY:
        raise errors.UserError(f'--credentials={path} can be read by others: run chmod 600 {path}')
    return found or Credentials()


def write(path: str, credentials: Credentials) -> None:
    """Writes the file, if there is a path.

    Raises:
      errors.UserError: it cannot be written.
    """
    if path:
        with disk_errors.explained(f'--credentials={path}'):
            files.write_bytes(path, json.dumps(dataclasses.asdict(credentials)).encode(), _OWNER_ONLY)
