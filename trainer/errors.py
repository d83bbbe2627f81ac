"""The errors that the user can fix, their exit codes, and how they are worded."""

from __future__ import annotations

import re

# A message may name a value of any length, and the rule and the fix come after it.
_LONGEST, _AHEAD = 1500, 500
_QUERY = re.compile(r'(https?://[^\s?"\'<>]+)\?[^\s"\'<>]*')


class UserError(Exception):
    """Something the user can fix: the message names the value, the rule and the fix, in one line."""

    exit_code = 1


class DataError(UserError):
    """A data set that is absent, damaged, or not what the model expects."""

    exit_code = 2


class TrainingDiverged(UserError):
    """A loss or a weight became NaN or infinite."""

    exit_code = 3


class AccessDenied(UserError):
    """Cloud Storage refuses this account, or the bucket does not exist."""

    exit_code = 5


class Transient(UserError):
    """Storage, a disk or the TPU failed for now; the same command may succeed later, and resumes."""

    exit_code = 6


def one_line(text: str) -> str:
    """The text for a log: in one line, not too long, without control characters and the secrets of URLs.

    The query of a signed URL or an upload URL gives access, so it is removed.
    """
    line = spelled_out(_QUERY.sub(r'\1', ' '.join(text.split())))
    return line if len(line) <= _LONGEST else f'{line[:_AHEAD]} [...] {line[_AHEAD - _LONGEST :]}'


def spelled_out(text: str) -> str:
    """Replaces what cannot be printed or is not UTF-8 by ASCII escapes: control characters, lone surrogates."""
    return ''.join(
        character
        if character.isprintable() or character == ' '
        else character.encode('unicode_escape', 'surrogatepass').decode()
        for character in text
    )
