"""Standard output and error, which may be closed, full, a pipe without a reader, or not UTF-8.

Nothing here imports more than the standard library and `errors`, so it works before TensorFlow is imported.
"""

from __future__ import annotations

import os
import sys
from types import TracebackType
from typing import TextIO

from trainer import errors

_INTERRUPTED = 130  # As a shell reports SIGINT.


def open_streams() -> None:
    """Opens /dev/null in place of each closed standard stream (`2>&-`).

    Otherwise the next opened file would take its number, and TensorFlow's C++ would write its log into a checkpoint.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # Takes the lowest free number, which is this one.
    for name in ('stdout', 'stderr'):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, 'w', encoding='utf-8'))  # noqa: SIM115  Open until the process ends.


def interrupt_in_one_line() -> None:
    """Makes Ctrl-C end the program in one line while modules are imported, which takes seconds."""
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            before(kind, error, trace)
            return
        complain('interrupted')
        os._exit(_INTERRUPTED)

    sys.excepthook = hook


def take_any_character() -> None:
    """Writes characters that the terminal's encoding lacks as escapes, instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, 'reconfigure'):
            stream.reconfigure(errors='backslashreplace')


def say(text: str) -> None:
    """Prints a result to standard output.

    If the reader has gone (`| head`), it has what it wants, and the rest is dropped.

    Raises:
      errors.Transient: standard output cannot be written, for example to a full disk.
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
    """Flushes both streams, because at its end Python would report a closed pipe in its own words."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            _drop(stream)


def _drop(stream: TextIO) -> None:
    """Discards what the stream still holds, and everything written to it later."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    except (OSError, ValueError):  # A stream of a test or a notebook has no file descriptor.
        return
    finally:
        os.close(nowhere)
    stream.flush()
