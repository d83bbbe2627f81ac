"""Makes the pictures of several callers in one batch, in one thread.

A generator makes every picture in a batch of fixed size, so that a seed always gives the same pixels. Callers that come
while a batch runs share the next one instead of paying for one each. C libraries keep free memory for each thread that
has needed it: a hundred threads that run a network and compress pictures keep a hundred times as much as one.
"""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator
from typing import Any, Callable, Generic, TypeVar

import numpy as np

_MOST = 256  # Rows in one run; a caller with more has a run of its own.
_Result = TypeVar('_Result')


class _Job(Generic[_Result]):
    """What one caller waits for."""

    def __init__(self, rows: np.ndarray, form: Callable[[np.ndarray], _Result]):
        self.rows, self._form = rows, form
        self._result: _Result | None = None
        self._error: BaseException | None = None
        self._done = threading.Event()

    def finish(self, made: np.ndarray) -> None:
        """Gives the caller the form of its part of a run."""
        try:
            self._result = self._form(made)
        except BaseException as error:
            self._error = error
        self._done.set()

    def fail(self, error: BaseException) -> None:
        """Gives the caller an error."""
        self._error = error
        self._done.set()

    def wait(self) -> _Result:
        """What the caller gets."""
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]  # A form may well return None.


class Pool:
    """Calls a function of arrays from a thread of its own, with the rows of all that wait."""

    def __init__(self, make: Callable[[np.ndarray], np.ndarray]):
        """`make`: [N, D] -> [N, ...], each row from its own row alone."""
        self._jobs: queue.SimpleQueue[_Job[Any] | None] = queue.SimpleQueue()
        # A daemon, because a model that hangs must not keep a server from its end.
        threading.Thread(target=_work, args=(make, self._jobs), name='pictures', daemon=True).start()
        weakref.finalize(self, self._jobs.put, None)

    def __call__(self, rows: np.ndarray, form: Callable[[np.ndarray], _Result]) -> _Result:
        """[N, D] -> what `form` makes, in that thread, of the function's [N, ...]; raises what either of both raises.

        The array that `form` gets belongs to the run: what is kept of it must be a copy.
        """
        job = _Job(rows, form)
        self._jobs.put(job)
        return job.wait()


def _work(make: Callable[[np.ndarray], np.ndarray], waiting: queue.SimpleQueue[_Job[Any] | None]) -> None:
    for jobs in _together(waiting):
        _run(make, jobs)


def _together(waiting: queue.SimpleQueue[_Job[Any] | None]) -> Iterator[list[_Job[Any]]]:
    """Those that wait, as many together as fit into one run, until None comes."""
    jobs: list[_Job[Any]] = []
    while (job := waiting.get()) is not None:
        if jobs and sum(len(other.rows) for other in jobs) + len(job.rows) > _MOST:
            yield jobs
            jobs = []
        jobs.append(job)
        if waiting.empty():
            yield jobs
            jobs = []


def _run(make: Callable[[np.ndarray], np.ndarray], jobs: list[_Job[Any]]) -> None:
    try:
        made = make(np.concatenate([job.rows for job in jobs]))
    except BaseException as error:  # Each of the callers is told.
        for job in jobs:
            job.fail(error)
        return
    for job, end in zip(jobs, np.cumsum([len(job.rows) for job in jobs]).tolist()):
        job.finish(made[end - len(job.rows) : end])
