"""Keeps off the terminal what Beam says of itself: packages that it would like, type hints, connections, threads."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def importing() -> Iterator[None]:
    """For the import of Beam, which warns by the root logger."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


@contextlib.contextmanager
def running(level: int) -> Iterator[None]:
    """For a run: no log of Beam below the level, and no errors of its threads, which follow from the one it raises."""
    logger = logging.getLogger('apache_beam')
    before, hook = logger.level, threading.excepthook
    threading.excepthook = lambda _: None
    logger.setLevel(level)
    try:
        yield
    finally:
        threading.excepthook = hook
        logger.setLevel(before)
