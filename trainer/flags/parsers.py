"""How flags are parsed: a wrong value is answered with a sentence, and of two that say the same the later wins."""

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
        """Raises ValueError, with the rule, for what is no such number."""
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
    """As absl's, with a sentence for what is neither."""

    def parse(self, argument: Any) -> bool:
        """Raises ValueError for what is neither true nor false."""
        try:
            return super().parse(argument)
        except ValueError:
            raise ValueError('expected true or false') from None


class Replacing(flags.Flag):
    """A flag of a number that takes the place of another one, given before it."""

    def __init__(self, replaced: str, values: flags.FlagValues, parser: Number, name: str, default: Any, help: str):
        super().__init__(parser, flags.ArgumentSerializer(), name, default, help)
        self._replaced, self._values = replaced, values

    def parse(self, argument: Any) -> None:
        """As absl's; 0, which says nothing, leaves the other one as it is."""
        super().parse(argument)
        if self.value:
            self._values[self._replaced].unparse()
