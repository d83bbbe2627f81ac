"""Runs the project's own commands, one at a time, and keeps two study runners out of each other's way."""

from __future__ import annotations

import contextlib
import os
import pathlib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence

from tests.conftest import ROOT
from trainer import errors
from trainer.filesystem.lock import LocalLock

_WAIT_S = 5


class Failed(Exception):
    """A command ended in a way that was not expected; the message says which, and where its output is."""


def run(module: str, flags: Sequence[str], log: pathlib.Path, cpu: int | None, allowed: tuple[int, ...] = (0,)) -> int:
    """Runs `python -m module flags` to its end, its output appended to `log`, and returns its exit code.

    Args:
      module, flags: the command.
      log: its folder is made.
      cpu: the core that it is confined to; None for all.
      allowed: exit codes to expect.

    Raises:
      Failed: it ended with another exit code.
    """
    command = [sys.executable, '-m', module, *flags]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    if cpu is not None:
        command = ['taskset', '-c', str(cpu), *command]
        environment['OMP_NUM_THREADS'] = '1'
    log.parent.mkdir(parents=True, exist_ok=True)
    # In a session of its own a Ctrl-C reaches it once, from here: a second signal would cost it its checkpoint.
    with (
        log.open('ab') as file,
        subprocess.Popen(
            command, env=environment, stdout=file, stderr=subprocess.STDOUT, start_new_session=True
        ) as process,
    ):
        try:
            code = process.wait()
        except BaseException:
            process.terminate()
            process.wait()
            raise
    if code not in allowed:
        raise Failed(f'python -m {module} ended with exit code {code}: see {log}')
    return code


@contextlib.contextmanager
def held(path: pathlib.Path, wait: bool = False) -> Iterator[bool]:
    """Holds a lock file against other processes while entered; says whether it could be had, or waits until it can.

    The operating system lets go when the process ends, however it ends, so that no lock can be left behind.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = LocalLock(str(path), '--output_dir')
    while not (taken := _acquire(lock)) and wait:
        time.sleep(_WAIT_S)
    try:
        yield taken
    finally:
        if taken:
            lock.release()


def _acquire(lock: LocalLock) -> bool:
    try:
        lock.acquire()
    except errors.UserError:  # Another process has it.
        return False
    return True
