"""`python -m module` in its own process, without importing TensorFlow again each time.

A server process (`multiprocessing`'s forkserver) imports the libraries once. Each command is a fork of it that imports
the project itself, beginning with `trainer/__init__.py`, and has its own environment, folder, streams and exit code.
Tests of the start of Python or of the import of TensorFlow use `fresh` instead.
"""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import io
import multiprocessing
import os
import pathlib
import runpy
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing import reduction
from typing import IO, Any

ROOT = pathlib.Path(__file__).parent.parent
_PROJECT = ('trainer', 'convert', 'tests')


class _Inherited:
    """A file descriptor that a process inherits."""

    def __init__(self, descriptor: int):
        self.descriptor = descriptor

    def __reduce__(self) -> tuple[Any, ...]:
        return _received, (reduction.DupFd(self.descriptor),)


def _received(duplicate: Any) -> int:
    return duplicate.detach()


@dataclasses.dataclass
class Started:
    """A running command, with the interface of `subprocess.Popen`."""

    process: Any
    stderr: IO[str]

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def returncode(self) -> int | None:
        return self.process.exitcode

    def poll(self) -> int | None:
        return self.process.exitcode

    def send_signal(self, number: int) -> None:
        if self.process.is_alive():
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def wait(self, timeout: float = 120) -> int:
        self.process.join(timeout)
        if self.process.exitcode is None:
            raise subprocess.TimeoutExpired(self.process.name, timeout)
        return self.process.exitcode


def run_module(
    module: str,
    *args: str,
    cwd: os.PathLike | str,
    timeout: float = 120,
    stdout: int | None = None,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs `python -m module args` and returns its result, with its output as text unless it goes to `stdout`.

    It has the environment variables of this process, or those of `environment` only.
    """
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        variables = os.environ if environment is None else environment
        process = _fork(module, args, cwd, out.fileno() if stdout is None else stdout, err.fileno(), variables)
        process.join(timeout)
        if process.exitcode is None:
            process.kill()
            process.join()
            raise AssertionError(f'{module} {args} ran for more than {timeout} s:\n{_text(err)}')
        return subprocess.CompletedProcess([module, *args], process.exitcode, _text(out), _text(err))


@contextlib.contextmanager
def start_module(
    module: str,
    *args: str,
    cwd: os.PathLike | str,
    stdout: int = subprocess.DEVNULL,
    environment: Mapping[str, str] | None = None,
) -> Iterator[Started]:
    """Starts `python -m module args`, whose stderr can be read as text; kills it when the block is left.

    `stdout` and `environment` as in `run_module`.
    """
    reader, writer = os.pipe()
    try:
        process = _fork(module, args, cwd, stdout, writer, os.environ if environment is None else environment)
    finally:
        os.close(writer)
    with os.fdopen(reader, encoding='utf-8', errors='replace') as stderr:
        started = Started(process, stderr)
        try:
            yield started
        finally:
            started.kill()
            process.join()


def fresh(module: str, *args: str, cwd: os.PathLike | str, **options: Any) -> subprocess.CompletedProcess[str]:
    """Like `run_module`, but in a new interpreter, with the options of `subprocess.run`."""
    environment = {**os.environ, 'PYTHONPATH': str(ROOT), **options.pop('env', {})}
    command = [sys.executable, '-m', module, *args]
    streams = {'stdout': subprocess.PIPE, 'stderr': subprocess.PIPE, 'text': True, 'timeout': 120}
    return subprocess.run(command, cwd=cwd, env=environment, **{**streams, **options})


def _fork(
    module: str, args: Sequence[str], cwd: os.PathLike | str, stdout: int, stderr: int, environment: Mapping[str, str]
) -> Any:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['tests.preloaded'])
    with open(os.devnull, 'r+b') as null:
        streams = [null.fileno(), null.fileno() if stdout == subprocess.DEVNULL else stdout, stderr]
        given = (module, list(args), str(cwd), dict(environment), [_Inherited(stream) for stream in streams])
        process = context.Process(target=_become, args=given)
        process.start()
    return process


def _become(module: str, args: list[str], cwd: str, environment: dict[str, str], streams: list[int]) -> None:
    """Runs in the fork, and turns it into the process of `python -m module args`."""
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    sys.stdin = os.fdopen(0, closefd=False)
    sys.stdout = os.fdopen(1, 'w', closefd=False)
    sys.stderr = os.fdopen(2, 'w', errors='backslashreplace', buffering=1, closefd=False)
    os.environ.clear()
    os.environ.update({**environment, 'PYTHONPATH': str(ROOT)})
    time.tzset()
    os.chdir(cwd)
    sys.path[:0] = [cwd, str(ROOT)]
    for name in list(sys.modules):
        if name.split('.')[0] in _PROJECT:
            del sys.modules[name]
    sys.argv = ['-m', *args]
    try:
        runpy.run_module(module, run_name='__main__', alter_sys=True)
    finally:
        atexit._run_exitfuncs()  # multiprocessing ends with os._exit.


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return io.TextIOWrapper(io.BytesIO(file.read()), 'utf-8', 'replace').read()
