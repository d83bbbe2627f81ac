"""Keeps off the terminal what Beam says of itself: packages that it would like, type hints, connections, threads."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator, Mapping


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
def running(levels: Mapping[str, int]) -> Iterator[None]:
    """For a run: the level of each logger, and no errors of threads, which follow from the one that Beam raises."""
    before = {name: logging.getLogger(name).level for name in levels}
    hook, threading.excepthook = threading.excepthook, lambda _: None
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)
    try:
        yield
    finally:
        threading.excepthook = hook
        for name, level in before.items():
            logging.getLogger(name).setLevel(level)
