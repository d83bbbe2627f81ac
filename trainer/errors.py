"""The errors a person can mend, and the exit code that each one ends the program with."""

from __future__ import annotations


class UserError(Exception):
    """Something the user can mend: the message names the value, the rule and the fix, in one line."""

    exit_code = 1


class DataError(UserError):
    """A data set that is absent, damaged, or not what the model was told to expect."""


class TrainingDiverged(UserError):
    """A loss or a weight stopped being a finite number."""

    exit_code = 3
