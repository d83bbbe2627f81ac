"""Remembers what is being answered and what was, because WeChat sends a message up to three times more."""

from __future__ import annotations

import collections
import dataclasses
import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar('T')


@dataclasses.dataclass
class Work(Generic[T]):
    """One answer in the making.

    Attributes:
      since: when it was begun, s.
      result: the answer, once `finish` has been called.
    """

    since: float
    result: T | None = None
    _late: bool = False
    _done: threading.Event = dataclasses.field(default_factory=threading.Event)
    _lock: threading.Lock = dataclasses.field(default_factory=threading.Lock)

    def wait(self, seconds: float) -> bool:
        """Whether the answer is there in time. If not, nobody gets it by this way any more."""
        self._done.wait(seconds)
        with self._lock:
            self._late = self._late or not self._done.is_set()
            return not self._late

    def finish(self, result: T) -> bool:
        """Sets the answer; returns whether it is too late for those who waited."""
        with self._lock:
            self.result = result
            self._done.set()
            return self._late


class AnsweredOnce(Generic[T]):
    """The works of the last seconds, by the ids of their messages; for several threads."""

    def __init__(self, most: int, keep_s: float, clock: Callable[[], float] = time.monotonic):
        """Keeps at most `most` works, the newest, each for `keep_s` seconds."""
        self._most, self._keep_s, self._clock = most, keep_s, clock
        self._works: collections.OrderedDict[Hashable, Work[T]] = collections.OrderedDict()
        self._lock = threading.Lock()

    def work(self, key: Hashable) -> tuple[Work[T], bool]:
        """The work for a message, and whether it is new, so that the caller has to begin it."""
        with self._lock:
            now = self._clock()
            while self._works and now - next(iter(self._works.values())).since > self._keep_s:
                self._works.popitem(last=False)
            known = self._works.get(key)
            if known:
                return known, False
            if len(self._works) >= self._most:
                self._works.popitem(last=False)
            self._works[key] = Work(now)
            return self._works[key], True
