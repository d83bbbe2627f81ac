"""Options of the commands: dataclasses whose fields carry a default, a help text, a unit and a rule.

Every value is checked by its rule, whether it comes from a flag, a file or a caller. `cli` turns the fields into flags.
"""

from __future__ import annotations

import dataclasses
import math
import re
import typing
from collections.abc import Sequence
from typing import Any

from trainer import errors
from trainer.filesystem import paths

_WHOLE = re.compile(r'[+-]?[0-9]+')
# Whole numbers may have this form too: tuning services pass them as "32.0".
_REAL = re.compile(r'[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?')
_MOST = 1_000_000_000  # The upper bound of every number that has no other.
LOCAL, ANYWHERE = 'local', 'local or gs://'


@dataclasses.dataclass(frozen=True)
class Rule:
    """The values that a field accepts; see `option`."""

    help: str
    unit: str = ''
    choices: tuple[Any, ...] = ()
    lower: float | None = None
    upper: float | None = None
    why: str = ''
    environment: tuple[str, ...] = ()
    path: str = ''
    empty: bool = True
    replaces: str = ''

    def problem(self, value: Any) -> str:
        """The rule that a value of the field's type breaks; '' if it breaks none."""
        if isinstance(value, (bool, str)):
            return self._choose() if self.choices and value not in self.choices else ''
        if not math.isfinite(value):
            return 'it must be a finite number'
        if self.choices:
            return self._choose() if value not in self.choices else ''
        if self.lower is not None and value < self.lower:
            return f'it must be at least {self.lower:g}'
        upper = _MOST if self.upper is None else self.upper
        if value > upper:
            return f'it must be at most {upper:,}' + (f': {self.why}' if self.why else '')
        return ''

    def _choose(self) -> str:
        return 'choose one of ' + ', '.join(str(choice) for choice in self.choices if choice)


def option(
    default: Any,
    help: str,
    *,
    unit: str = '',
    choices: Sequence[Any] = (),
    lower: float | None = None,
    upper: float | None = None,
    why: str = '',
    environment: str | Sequence[str] = (),
    path: str = '',
    empty: bool = True,
    replaces: str = '',
) -> Any:  # `Any`, so that a type checker accepts `image_size: int = option(32, ...)`.
    """Declares one dataclass field that is also a flag.

    Args:
      default: the flag's default; its type is the field's annotation (int, float, bool or str).
      help: one sentence, shown by `--help`.
      unit: what the number counts or measures ('px', 'steps'), shown beside the default.
      choices: the allowed values, if they are few.
      lower: the smallest allowed number.
      upper: the largest allowed number; None means 1,000,000,000.
      why: the reason for `upper`, in a few words.
      environment: the environment variable that gives the flag's default if it is set, or several, the first before
        the others.
      path: LOCAL or ANYWHERE for a path, which is checked and completed by `paths`.
      empty: whether the flag may be given without a value, which `help` then explains; a path with a default may not.
      replaces: another field for the same setting; of the two flags, the later one wins.
    """
    empty = empty and not (path and default)
    variables = (environment,) if isinstance(environment, str) else tuple(environment)
    rule = Rule(help, unit, tuple(choices), lower, upper, why, variables, path, empty, replaces)
    return dataclasses.field(default=default, metadata={'rule': rule})


def rule_of(field: dataclasses.Field) -> Rule:
    """The rule of a field that `option` has made."""
    return field.metadata['rule']


@dataclasses.dataclass(frozen=True)
class Options:
    """Base of the dataclasses whose fields are made with `option`.

    Raises:
      errors.UserError: a value breaks the rule of its field.
    """

    def __post_init__(self) -> None:
        for field, kind in typed_fields(type(self)):
            value = _checked(f'--{field.name}', rule_of(field), kind, getattr(self, field.name))
            object.__setattr__(self, field.name, value)


def _checked(name: str, rule: Rule, kind: type, value: Any) -> Any:
    """The value, converted to its type and completed; raises UserError if it breaks the rule."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if not isinstance(value, kind) or isinstance(value, bool) != (kind is bool):  # True is an int to Python.
        raise errors.UserError(f'{name}={value} must be of type {kind.__name__}')
    problem = rule.problem(value)
    if problem:
        raise errors.UserError(f'{name}={value}: {problem}')
    if rule.path:
        return paths.completed(name, str(value), rule.path == LOCAL)
    return value + 0.0 if isinstance(value, float) else value  # -0.0 becomes 0.0.


def parsed(kind: type, text: str) -> int | float | None:
    """The exact number in a text of ASCII digits; None if the text is not a number of this kind."""
    text = text.strip()
    if kind is int and _WHOLE.fullmatch(text) and len(text) < 40:  # Reading millions of digits takes minutes.
        return int(text)
    if not _REAL.fullmatch(text):
        return None
    number = float(text)
    if kind is float:
        return number + 0.0
    return int(number) if math.isfinite(number) and number == int(number) else None


def typed_fields(options: type) -> list[tuple[dataclasses.Field, type]]:
    """The fields of a dataclass that `option` has made, each with the type that its annotation names."""
    kinds = typing.get_type_hints(options)
    return [(field, kinds[field.name]) for field in dataclasses.fields(options)]
