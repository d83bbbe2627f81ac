"""What a person reads: standard output and error, which may be closed, full, a pipe without a reader, or no UTF-8.

Nothing here imports more than the standard library, so that it can act before TensorFlow is imported.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TextIO

from trainer import errors

_INTERRUPTED = 130  # As a shell reports SIGINT.


def open_streams() -> None:
    """Puts /dev/null where a standard stream is closed (`2>&-`), or the next file that is opened takes its number.

    TensorFlow's C++ would then write its log into a checkpoint.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # The lowest free number, and so this one.
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115  To the end of the process.


def interrupt_in_one_line() -> None:
    """Has Ctrl-C while modules are imported, which takes seconds, end the program in one line."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            before(kind, error, trace)
            return
        complain('interrupted')
        os._exit(_INTERRUPTED)

    sys.excepthook = hook


def take_any_character() -> None:
    """Has characters that the terminal's encoding lacks written as escapes, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


def say(text: str) -> None:
    """Prints a result to standard output.

    A reader that has gone (`| head`) has what it wants; what comes later is dropped.

    Raises:
      errors.Transient: standard output cannot be written, such as to a full disk.
    """
    try:
        print(text, flush=True)
    except BrokenPipeError:
        _drop(sys.stdout)
    except OSError as error:
        _drop(sys.stdout)
        raise errors.Transient(f'standard output cannot be written ({error.strerror}): send it elsewhere') from error


def complain(message: str) -> None:
    """Prints one error line to standard error, if anybody can read it."""
    try:
        print(f'error: {errors.one_line(message)}', file=sys.stderr, flush=True)
    except OSError:
        _drop(sys.stderr)


def flush() -> None:
    """Leaves nothing for Python to write when it ends, which would complain of a closed pipe in its own words."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _drop(stream)


def _drop(stream: TextIO) -> None:
    """Sends all that the stream still holds, and is given, to nowhere."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):  # A stream of a test or a notebook has no number.
        return
    finally:
        os.close(nowhere)
    stream.flush()
