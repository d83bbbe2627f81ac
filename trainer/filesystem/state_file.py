"""Reads the JSON files that programs of this project leave behind back into their dataclass, or refuses them.

People can edit, copy and truncate these files, so every key, type and number is checked before anything uses it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from trainer import errors
from trainer.filesystem import files

T = TypeVar('T')
_MOST_BYTES = 64 << 20  # More than the manifest of ten million images needs.


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
      before: values for keys that earlier versions did not have; every other key without a default is required.
      fix: what to do about a file that is not valid.
      complaint: what the message says about such a file.
      error: the type to raise for such a file.

    Raises:
      errors.UserError: the file is not JSON, has unknown or missing keys, or a value of another type. The exact type is
        `error`.
    """
    try:
        text = files.read_text(path, _MOST_BYTES)
        return None if text is None else parse(text, kind, before)
    except (ValueError, errors.UserError) as problem:
        raise error(f'{path} {complaint} ({errors.one_line(str(problem))}): {fix}') from None


def parse(text: str, kind: type[T], before: Mapping[str, Any] | None = None) -> T:
    """Parses JSON into the dataclass `kind`; arguments as in `read`.

    Raises:
      ValueError: it does not fit.
      errors.UserError: from the dataclass itself.
    """
    try:
        content = msgspec.json.decode(text)
        if not isinstance(content, dict):
            raise ValueError('it does not hold a JSON object')
        names = {field.name for field in dataclasses.fields(kind)}  # type: ignore[arg-type]
        unknown = sorted(set(content) - names)
        if unknown:
            raise ValueError(f'the key {unknown[0]!r} is unknown')
        return msgspec.convert({**(before or {}), **content}, kind)
    except RecursionError:
        raise ValueError('it is nested too deep') from None
    except msgspec.MsgspecError as error:
        raise ValueError(str(error)) from None
