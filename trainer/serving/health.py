"""Whether the server can answer: it makes a picture again, and compares it with the first one."""

from __future__ import annotations

import threading
import time
from typing import Callable

import numpy as np
from absl import logging

from trainer import errors
from trainer.inference.model import Model
from trainer.serving import http
from trainer.serving.http import Request, Response
from trainer.serving.limits import HEALTH_S

_SEED = 0


class _Test:
    """One picture, made in a thread of its own, because a model that hangs never returns."""

    def __init__(self, model: Model, expected: np.ndarray):
        self._model, self._expected = model, expected
        self.done = threading.Event()
        self.problem = ''
        threading.Thread(target=self._run, name='health', daemon=True).start()

    def _run(self) -> None:
        try:
            if not np.array_equal(self._model.of_seeds([_SEED]), self._expected):
                self.problem = f'the picture of seed {_SEED} has changed since the start'
        except Exception as error:  # Whatever a broken model raises.
            logging.exception('the model has failed')
            self.problem = f'the model has failed: {errors.one_line(str(error))[:200] or type(error).__name__}'
        self.done.set()


class Health:
    """Answers the health route: 200 if the model works, else 503 with the cause."""

    def __init__(self, model: Model, succeeded: Callable[[], float], patience_s: float = HEALTH_S):
        """Makes the picture to compare with.

        Args:
          model: to test.
          succeeded: the time, as of `time.monotonic`, of the latest answer to a prediction.
          patience_s: seconds without any picture after which the model counts as hanging.
        """
        self._model, self._succeeded, self._patience_s = model, succeeded, patience_s
        self._expected = model.of_seeds([_SEED])
        self._lock = threading.Lock()
        self._test: _Test | None = None
        self._draining = False

    def __call__(self, _: Request) -> Response:
        """Answers a check."""
        problem = 'the server is stopping' if self._draining else self._problem()
        return http.refusal(503, problem) if problem else http.json({'status': 'healthy'})

    def drain(self) -> None:
        """Answers 503 from now on, so that no more requests are sent here."""
        self._draining = True

    def _problem(self) -> str:
        begun = time.monotonic()
        with self._lock:  # Checks that come together share a test.
            if self._test is None or self._test.done.is_set():
                self._test = _Test(self._model, self._expected)
            test = self._test
        if test.done.wait(self._patience_s):
            return test.problem
        if self._succeeded() > begun:  # The model is busy, and works.
            return ''
        return f'the model has made no picture for {self._patience_s:g} s'
