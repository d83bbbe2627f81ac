"""What several workers of one test session share, made by the first that needs it."""

from __future__ import annotations

import fcntl
import os
import pathlib
from collections.abc import Callable

import pytest

_DONE = 'done'


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[pathlib.Path], object]) -> pathlib.Path:
    """The folder `name`, which `make` has filled; tests only read it."""
    base = factory.getbasetemp()
    folder = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    with open(folder / '.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / _DONE).exists():
            make(folder)
            (folder / _DONE).touch()
    return folder
