"""Makes the pictures of several callers in one batch.

A generator makes every picture in a batch of fixed size, so that a seed always gives the same pixels. Callers that come
while a batch runs share the next one instead of paying for one each.
"""

from __future__ import annotations

import concurrent.futures
import threading
from typing import Any, Callable, NamedTuple, TypeVar

import numpy as np

from trainer.inference.own_thread import OwnThread

_MOST = 256  # Rows in one run; a caller with more has a run of its own.
_Result = TypeVar('_Result')


class _Job(NamedTuple):
    """What one caller waits for."""

    rows: np.ndarray
    form: Callable[[np.ndarray], Any]
    future: concurrent.futures.Future


class Pool:
    """Calls a function of arrays in a thread of its own, with the rows of all that wait."""

    def __init__(self, make: Callable[[np.ndarray], np.ndarray]):
        """`make`: [N, D] -> [N, ...], each row from its own row alone."""
        self._make, self._thread = make, OwnThread('pictures')
        self._guard = threading.Lock()
        self._waiting: list[_Job] = []

    def __call__(self, rows: np.ndarray, form: Callable[[np.ndarray], _Result]) -> _Result:
        """[N, D] -> what `form` makes, in that thread, of the function's [N, ...]; raises what either of both raises.

        The array that `form` gets is a part of the whole run's: what is kept of it should be a copy.
        """
        future: concurrent.futures.Future[_Result] = concurrent.futures.Future()
        with self._guard:
            self._waiting.append(_Job(rows, form, future))
        self._thread.submit(self._run)  # One for each job, of which it takes at least the oldest: none is forgotten.
        return future.result()

    def _run(self) -> None:
        jobs = self._next()
        if not jobs:  # Those of an earlier caller have made them.
            return
        try:
            made = self._make(np.concatenate([job.rows for job in jobs]))
        except BaseException as error:  # Each of the callers is told.
            for job in jobs:
                job.future.set_exception(error)
            return
        begin = 0
        for job in jobs:
            _finish(job, made[begin : begin + len(job.rows)])
            begin += len(job.rows)

    def _next(self) -> list[_Job]:
        """The jobs that waited longest, as many as fit into one run, at least one if any waits."""
        with self._guard:
            rows = np.cumsum([len(job.rows) for job in self._waiting])
            fitting = max(1, int(np.searchsorted(rows, _MOST, side='right')))
            taken, self._waiting = self._waiting[:fitting], self._waiting[fitting:]
        return taken


def _finish(job: _Job, made: np.ndarray) -> None:
    try:
        job.future.set_result(job.form(made))
    except BaseException as error:
        job.future.set_exception(error)
