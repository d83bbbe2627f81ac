"""Beam's worker processes on this machine, for --runner=direct."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator

from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
from apache_beam.transforms.environments import SubprocessSDKEnvironment

from convert.distributed import worker

_ENDED = 'Worker subprocess exited'  # So says Beam's thread that waits for the end of a worker.


@contextlib.contextmanager
def runner(folder: str, lost: Callable[[str], Exception]) -> Iterator[FnApiRunner]:
    """The runner behind Beam's DirectRunner, by its class: DirectRunner would first download another one.

    Args:
      folder: an existing local one.
      lost: the error to raise when a worker has ended in the middle; it takes what Beam says.
    """
    with tempfile.NamedTemporaryFile(dir=folder or None, prefix='alive-') as alive:
        path = os.path.abspath(alive.name)
        command = shlex.join([sys.executable, '-c', f'from {worker.__name__} import main; main({path!r})'])
        with _watched(lost, end_others=alive.close):
            # Without exec, the shell would report its end.
            yield FnApiRunner(SubprocessSDKEnvironment.from_command_string(f'exec {command}'))


@contextlib.contextmanager
def _watched(lost: Callable[[str], Exception], end_others: Callable[[], None]) -> Iterator[None]:
    """Raises in the main thread when a worker fails, once; elsewhere it does nothing.

    Beam itself notices only a worker that owes it data. For an answer, or a connection, it waits for ever.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    lock, said = threading.Lock(), ['']
    main, hook, running = threading.get_ident(), threading.excepthook, threading.Event()

    def note(failed: threading.ExceptHookArgs) -> None:
        if _ENDED not in str(failed.exc_value):
            hook(failed)
            return
        with lock:
            if running.is_set():  # Later, the signal would end this process.
                said[0] = str(failed.exc_value)
                signal.pthread_kill(main, signal.SIGALRM)

    def interrupt(*_: object) -> None:
        if running.is_set():
            running.clear()
            end_others()
            raise lost(said[0])

    before = signal.signal(signal.SIGALRM, interrupt)
    running.set()
    threading.excepthook = note
    try:
        yield
    finally:
        with lock:
            running.clear()
        threading.excepthook = hook
        signal.signal(signal.SIGALRM, before)
