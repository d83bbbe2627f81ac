"""Makes the pictures of several callers in one batch.

A generator makes every picture in a batch of fixed size, so that a seed always gives the same pixels. Callers that come
while a batch runs share the next one instead of paying for one each.
"""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Callable, NamedTuple

import numpy as np

from trainer.inference.own_thread import OwnThread

_MOST = 256  # Rows in one run; a caller with more has a run of its own.


class _Job(NamedTuple):
    """What one caller waits for."""

    rows: np.ndarray
    made: concurrent.futures.Future[np.ndarray]


class Pool:
    """Calls a function of arrays in one thread, with the rows of all that wait."""

    def __init__(self, make: Callable[[np.ndarray], np.ndarray], thread: OwnThread):
        """`make`: [N, D] -> [N, ...], each row from its own row alone; `thread` calls it."""
        self._make, self._thread = make, thread
        self._guard, self._submitted = threading.Lock(), False
        self._waiting: list[_Job] = []

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """[N, D] -> [N, ...]; raises what the function raises."""
        job = _Job(rows, concurrent.futures.Future())
        with self._guard:
            self._waiting.append(job)
            self._submit()
        return job.made.result()

    def _submit(self) -> None:
        """Has the thread run if somebody waits, once: a call for each job would take those few that just came."""
        if self._waiting and not self._submitted:
            self._submitted = True
            self._thread.submit(self._run)

    def _run(self) -> None:
        self._make_all(self._next())
        with self._guard:
            self._submitted = False
            self._submit()

    def _make_all(self, jobs: list[_Job]) -> None:
        try:
            made = self._make(np.concatenate([job.rows for job in jobs]))
        except BaseException as error:  # Each of the callers is told.
            for job in jobs:
                job.made.set_exception(error)
            return
        begin = 0
        for job in jobs:
            # A copy, because a part would keep the pictures of all callers in memory for as long as one of them.
            job.made.set_result(made[begin : begin + len(job.rows)].copy())
            begin += len(job.rows)

    def _next(self) -> list[_Job]:
        """The jobs that waited longest, as many as fit into one run, at least one."""
        with self._guard:
            rows = np.cumsum([len(job.rows) for job in self._waiting])
            fitting = max(1, int(np.searchsorted(rows, _MOST, side='right')))
            taken, self._waiting = self._waiting[:fitting], self._waiting[fitting:]
        return taken
