"""What one client may ask for, and how much all of them together."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator

BODY_BYTES = 3 << 19  # 1.5 MiB: the body of a request; Vertex AI sends at most 1.5 MB to a shared endpoint.
DRAINED_BYTES = 16 << 20  # A larger body is read, and dropped, up to here, so that its sender gets the answer.
HEADER_BYTES = 32 << 10
PICTURES = 64  # In one answer.
PICTURES_TOGETHER = 1024  # In all answers in progress; 128 that recognise a photograph have 768.
REQUEST_S = 60  # Until a request has arrived whole.
IDLE_S = 120  # Of a connection without a request.
CONNECTIONS = 1024
HEALTH_S = 8  # Vertex AI waits 10 s for the answer of a health check.
DRAIN_S = 8  # Cloud Run sends SIGKILL 10 s after SIGTERM.
RETRY_S = 1


class Busy(Exception):
    """Too many requests are in progress: the client may come again."""


class Gate:
    """Lets so much in at a time, and turns others away."""

    def __init__(self, most: int, what: str):
        """Takes the most that may be inside together, and its name, in the plural."""
        self.most, self._what = most, what
        self._inside, self._lock = 0, threading.Lock()

    @contextlib.contextmanager
    def passed(self, count: int = 1) -> Iterator[None]:
        """`count` are inside while the context lasts.

        Raises:
          Busy: they do not fit in.
        """
        with self._lock:
            if self._inside + count > self.most:
                raise Busy(f'{self._inside} {self._what} are in progress, and at most {self.most} may be: try again')
            self._inside += count
        try:
            yield
        finally:
            with self._lock:
                self._inside -= count
