"""Ends a job that hangs, and logs where it hung.

TensorFlow waits up to a day for a TPU that does not answer. Meanwhile it logs nothing, and there is no exit code on
which a platform could restart the job.
"""

from __future__ import annotations

import faulthandler
import os
import threading
import time

import tensorflow.compat.v1 as v1
from absl import logging

EXIT_CODE = 4
_STDERR = 2
_LATE = 3.0  # In beats: on an overloaded machine they come late, but not this late for long.
_COMPILE_PATIENCE = 3.0  # A TPU program of 128 px takes minutes to compile, and longer on a busy CPU.


class Watchdog:
    """A context that ends the process after `timeout_s` seconds without progress; 0 never does.

    Only time in which the process ran counts: a process that was paused for longer by Ctrl-Z, a closed laptop or a
    paused machine goes on. The end is abrupt, because a thread that hangs inside TensorFlow can be neither interrupted
    nor joined. Saved checkpoints remain, and the same command resumes.
    """

    def __init__(self, timeout_s: float):
        self._timeout_s = timeout_s
        self._phase, self._patience, self._events = 'start', 1.0, 0
        self._beat_s = min(1.0, timeout_s / 4)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, name='watchdog', daemon=True)

    def __enter__(self) -> Watchdog:
        self.progress()
        if self._timeout_s:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        if self._timeout_s:
            self._thread.join()

    def phase(self, name: str, patience: float = 1.0) -> None:
        """Logs that a phase begins, which may go without progress for `patience` times the timeout."""
        logging.info('phase: %s', name)
        self.enter(name, patience)

    def enter(self, name: str, patience: float = 1.0) -> None:
        """Like `phase`, without a line in the log."""
        self._phase, self._patience = name, patience
        self.progress()

    def progress(self) -> None:
        """Notes progress."""
        self._events += 1

    def _watch(self) -> None:
        """Adds up the time between beats. A beat that is far too late means that the process did not run meanwhile."""
        idle_s, seen, before = 0.0, self._events, time.monotonic()
        while not self._over.wait(self._beat_s):
            now = time.monotonic()
            idle_s = 0.0 if self._events != seen else idle_s + min(now - before, _LATE * self._beat_s)
            seen, before = self._events, now
            allowed = self._timeout_s * self._patience
            if idle_s > allowed:
                self._end(allowed)

    def _end(self, allowed: float) -> None:
        logging.error(
            'no progress for %.0f s in phase %r: ending with exit code %d so that the platform may restart the job, '
            'which resumes. The stack of each thread follows. If this was only slow, raise --stall_timeout_s=%g',
            allowed,
            self._phase,
            EXIT_CODE,
            self._timeout_s,
        )
        logging.flush()
        faulthandler.dump_traceback(_STDERR, all_threads=True)
        os._exit(EXIT_CODE)


class WatchdogHook(v1.train.SessionRunHook):
    """Reports the progress of a session to the watchdog.

    A TPU is initialised when the session is created, and compiles in the first call. Each later call takes
    `iterations_per_loop` steps.
    """

    def __init__(self, watchdog: Watchdog, work: str):
        """Takes the name of what the session does, such as 'train'."""
        self._watchdog, self._work = watchdog, work

    def begin(self) -> None:
        """See the base class."""
        self._compiled = False
        self._step = v1.train.get_global_step()
        self._watchdog.phase(f'{self._work}: init')

    def before_run(self, _: v1.train.SessionRunContext) -> v1.train.SessionRunArgs:
        """See the base class."""
        if not self._compiled:
            self._watchdog.phase(f'{self._work}: compile', _COMPILE_PATIENCE)
        return v1.train.SessionRunArgs(self._step)

    def after_run(self, _: v1.train.SessionRunContext, run_values: v1.train.SessionRunValues) -> None:
        """See the base class."""
        # On a TPU the step is fetched in parallel with the loop that changes it: it may be the old or the new one.
        name = f'{self._work}: step {run_values.results}'
        if self._compiled:
            self._watchdog.enter(name)
        else:
            self._watchdog.phase(name)
        self._compiled = True
