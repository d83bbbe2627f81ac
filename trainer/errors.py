"""The errors a person can mend, the exit code that each one ends the program with, and how they are worded."""

from __future__ import annotations

import re

# A value of any length may be named; the rule and the fix come after it.
_LONGEST, _AHEAD = 1500, 500
_QUERY = re.compile(r'(https?://[^\s?"\'<>]+)\?[^\s"\'<>]*')


class UserError(Exception):
    """Something the user can mend: the message names the value, the rule and the fix, in one line."""

    exit_code = 1


class DataError(UserError):
    """A data set that is absent, damaged, or not what the model was told to expect."""

    exit_code = 2


class TrainingDiverged(UserError):
    """A loss or a weight stopped being a finite number."""

    exit_code = 3


class AccessDenied(UserError):
    """Cloud Storage refuses this account, or knows no such bucket."""

    exit_code = 5


class Transient(UserError):
    """Storage, a disk or the TPU failed; the same command may succeed once there is room or an answer, and resumes."""

    exit_code = 6


def one_line(text: str) -> str:
    """The text as a log may hold it: in one line, not too long, without control characters and the secrets of a URL.

    A signed URL and that of an upload carry what gives access in their query, which is left out.
    """
    line = spelled_out(_QUERY.sub(r'\1', ' '.join(text.split())))
    return line if len(line) <= _LONGEST else f'{line[:_AHEAD]} [...] {line[_AHEAD - _LONGEST :]}'


def spelled_out(text: str) -> str:
    """The text as ASCII escapes where it cannot be printed or is no UTF-8: control characters, lone surrogates."""
    return ''.join(
        character
        if character.isprintable() or character == ' '
        else character.encode('unicode_escape', 'surrogatepass').decode()
        for character in text
    )
