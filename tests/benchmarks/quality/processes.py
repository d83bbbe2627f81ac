"""Runs the project's own commands, one at a time, and keeps study runners from working on the same files."""

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
    """A command ended in an unexpected way; the message names it and its output file."""


def run(module: str, flags: Sequence[str], log: pathlib.Path, cpu: int | None, allowed: tuple[int, ...] = (0,)) -> int:
    """Runs `python -m module flags` to its end, appends its output to `log`, and returns its exit code.

    Args:
      module, flags: the command.
      log: the file for the output; its folder is made if necessary.
      cpu: the only core that it may use; None for all.
      allowed: the expected exit codes.

    Raises:
      Failed: it ended with another exit code.
    """
    command = [sys.executable, '-m', module, *flags]
    environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
    if cpu is not None:
        command = ['taskset', '-c', str(cpu), *command]
        environment['OMP_NUM_THREADS'] = '1'
    log.parent.mkdir(parents=True, exist_ok=True)
    # In its own session, it gets a Ctrl-C only once, from here. At a second signal it would end without a checkpoint.
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
    """Holds a lock file against other processes while entered; yields whether it has the lock, or waits for it.

    The operating system releases the lock when the process ends in any way, so that no lock stays behind.
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
