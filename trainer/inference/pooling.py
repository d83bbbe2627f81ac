"""Makes the pictures of several callers in one batch.

A generator makes every picture in a batch of fixed size, so that a seed always gives the same pixels. Callers that come
while a batch runs share the next one instead of paying for one each.
"""

from __future__ import annotations

import threading
from typing import Callable

import numpy as np

_MOST = 256  # Latent vectors in one run; a caller with more has a run of its own.


class _Job:
    """What one caller waits for."""

    def __init__(self, latents: np.ndarray):
        self.latents = latents
        self.images: np.ndarray | None = None
        self.error: BaseException | None = None
        self.woken = threading.Event()  # It is done, or it is the caller's turn to run.

    @property
    def done(self) -> bool:
        return self.images is not None or self.error is not None


class Pool:
    """Calls a function of arrays from one thread at a time, with the rows of all that wait."""

    def __init__(self, make: Callable[[np.ndarray], np.ndarray]):
        """`make`: [N, D] -> [N, ...], each row from its own row alone."""
        self._make = make
        self._guard, self._running = threading.Lock(), False
        self._waiting: list[_Job] = []

    def __call__(self, latents: np.ndarray) -> np.ndarray:
        """[N, D] -> [N, ...]; raises what the function raises."""
        job = _Job(latents)
        with self._guard:
            self._waiting.append(job)
            waits, self._running = self._running, True
        if waits:
            job.woken.wait()
        if not job.done:  # The caller that has waited longest runs for all that wait, and then wakes the next.
            self._run(self._next())
            self._hand_over()
        if job.error is not None:
            raise job.error
        assert job.images is not None
        return job.images

    def _next(self) -> list[_Job]:
        """The jobs that waited longest, as many as fit into one run, at least one."""
        with self._guard:
            rows = np.cumsum([len(job.latents) for job in self._waiting])
            fitting = max(1, int(np.searchsorted(rows, _MOST, side='right')))
            taken, self._waiting = self._waiting[:fitting], self._waiting[fitting:]
        return taken

    def _hand_over(self) -> None:
        with self._guard:
            self._running = bool(self._waiting)
            if self._waiting:
                self._waiting[0].woken.set()

    def _run(self, jobs: list[_Job]) -> None:
        try:
            made = self._make(np.concatenate([job.latents for job in jobs]))
            begin = 0
            for job in jobs:
                job.images = made[begin : begin + len(job.latents)]
                begin += len(job.latents)
        except BaseException as error:  # Each of the callers is told.
            for job in jobs:
                job.error = error
        for job in jobs:
            job.woken.set()
