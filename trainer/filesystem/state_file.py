"""The JSON files that a program of this project left behind, read back into their dataclass or refused.

They lie where people edit, copy and cut them: every key, type and number is checked before anything believes them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from trainer import errors
from trainer.filesystem import files

T = TypeVar('T')
_MOST_BYTES = 64 << 20  # The manifest of ten million shards' worth of images has less.


def read(
    path: str,
    kind: type[T],
    *,
    before: Mapping[str, Any] | None = None,
    fix: str,
    complaint: str = 'cannot be read',
    error: type[errors.UserError] = errors.UserError,
) -> T | None:
    """Reads a local or gs:// JSON file; None if there is none.

    Args:
      path: the file.
      kind: the dataclass that it holds, which may check itself in __post_init__.
      before: what keys that are missing stand for; those of no other version may be.
      fix: what to do about a file that cannot be understood, and
      complaint: what is said of it.
      error: what is raised for one.

    Raises:
      errors.UserError: it is no JSON, has a key too many or too few, or a value of another type; `error`, to be exact.
    """
    try:
        text = files.read_text(path, _MOST_BYTES)
        return None if text is None else parse(text, kind, before)
    except (ValueError, errors.UserError) as problem:
        raise error(f'{path} {complaint} ({errors.one_line(str(problem))}): {fix}') from None


def parse(text: str, kind: type[T], before: Mapping[str, Any] | None = None) -> T:
    """Parses JSON into the dataclass `kind`; arguments as those of `read`.

    Raises:
      ValueError: it does not fit.
      errors.UserError: from the dataclass itself.
    """
    try:
        content = msgspec.json.decode(text)
        if not isinstance(content, dict):
            raise ValueError('it holds no object')
        names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        unknown = sorted(set(content) - names)
        if unknown:
            raise ValueError(f'the key {unknown[0]!r} is not known')
        return msgspec.convert({**(before or {}), **content}, kind)
    except RecursionError:
        raise ValueError('it is nested too deep') from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
