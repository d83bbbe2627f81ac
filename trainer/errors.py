"""The errors a person can mend, and the exit code that each one ends the program with."""

from __future__ import annotations


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
    """Storage or the TPU failed for longer than the retries last; the same command may succeed later, and resumes."""

    exit_code = 6
