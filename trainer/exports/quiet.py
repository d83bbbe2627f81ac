"""Keeps what converters print from the terminal: pages of notes that no flag of theirs turns off."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
import warnings
from collections.abc import Iterator

from trainer import errors

_LOGGERS = ('tf2onnx', 'tensorflow')


@contextlib.contextmanager
def converting(name: str) -> Iterator[None]:
    """Runs a converter inside the context without its notes, and turns its failure into one line.

    Args:
      name: of the file that it makes.

    Raises:
      errors.UserError: the converter failed; converters raise many types.
    """
    before = {logger: logging.getLogger(logger).level for logger in _LOGGERS}
    try:
        with warnings.catch_warnings(), _nothing_printed():
            warnings.simplefilter('ignore')
            for logger in before:
                logging.getLogger(logger).setLevel(logging.ERROR)
            yield
    except Exception as error:
        raise errors.UserError(
            f'{name} cannot be made ({type(error).__name__}: {errors.one_line(str(error))[:300]}): leave its format out'
        ) from error
    finally:
        for logger, level in before.items():
            logging.getLogger(logger).setLevel(level)


@contextlib.contextmanager
def _nothing_printed() -> Iterator[None]:
    """Sends standard error to a file that nobody reads: the notes come from C++, which Python's streams do not see."""
    sys.stderr.flush()
    kept = os.dup(2)
    try:
        with tempfile.TemporaryFile() as nowhere:
            os.dup2(nowhere.fileno(), 2)
            try:
                yield
            finally:
                sys.stderr.flush()
                os.dup2(kept, 2)
    finally:
        os.close(kept)
