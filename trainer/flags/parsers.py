"""Parses flags: a wrong value gets a clear message, and of two flags for the same setting the later one wins."""

from __future__ import annotations

from typing import Any

from absl import flags

from trainer.flags import declaration
from trainer.flags.declaration import Rule


class Number(flags.ArgumentParser):
    """Parses an int or a float and names the flag's rule when the value breaks it."""

    def __init__(self, kind: type, rule: Rule):
        self.kind, self.rule = kind, rule
        self.choices = rule.choices
        self.syntactic_help = 'a whole number' if kind is int else 'a number'

    def parse(self, argument: Any) -> Any:
        """Raises ValueError with the rule if the argument is not such a number."""
        number = declaration.parsed(self.kind, str(argument))
        if number is None:
            raise ValueError(f'expected {self.syntactic_help}')
        problem = self.rule.problem(number)
        if problem:
            raise ValueError(problem)
        return number

    def flag_type(self) -> str:
        """See the base class."""
        return self.kind.__name__


class Switch(flags.BooleanParser):
    """Like absl's, with a clear message for a value that is neither."""

    def parse(self, argument: Any) -> bool:
        """Raises ValueError if the argument is neither true nor false."""
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError('expected true or false') from None


class Replacing(flags.Flag):
    """A number flag that replaces another flag given before it."""

    def __init__(self, replaced: str, values: flags.FlagValues, parser: Number, name: str, default: Any, help: str):
        super().__init__(parser, flags.ArgumentSerializer(), name, default, help)
        self._replaced, self._values = replaced, values

    def parse(self, argument: Any) -> None:
        """Like absl's; 0 means unset, and leaves the other flag as it is."""
        super().parse(argument)
        if self.value:
            self._values[self._replaced].unparse()
