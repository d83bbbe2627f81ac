"""One thread that does the heavy work of all callers, one call after the other.

TensorFlow's kernels and the allocator of C keep memory for each thread that has needed some: a hundred threads that run
a network and compress pictures keep a hundred times as much as one.
"""

from __future__ import annotations

import concurrent.futures
import queue
import threading
import weakref
from typing import Any, Callable, Optional, TypeVar

_Result = TypeVar('_Result')
_Call = tuple[concurrent.futures.Future, Callable, tuple]
_Calls = queue.SimpleQueue[Optional[_Call]]


class OwnThread:
    """As an executor of one thread, but a daemon: a model that hangs must not keep a server from its end."""

    def __init__(self, name: str):
        """`name` is that of the thread, which ends when the object does."""
        self._calls: _Calls = queue.SimpleQueue()
        threading.Thread(target=_work, args=(self._calls,), name=name, daemon=True).start()
        weakref.finalize(self, self._calls.put, None)

    def submit(self, function: Callable[..., _Result], *args: Any) -> concurrent.futures.Future[_Result]:
        """Calls `function(*args)` after all that was submitted before."""
        future: concurrent.futures.Future[_Result] = concurrent.futures.Future()
        self._calls.put((future, function, args))
        return future


def _work(calls: _Calls) -> None:
    while (call := calls.get()) is not None:
        _take(*call)
        del call  # Else what it holds would live until the next one.


def _take(future: concurrent.futures.Future, function: Callable, args: tuple) -> None:
    try:
        future.set_result(function(*args))
    except BaseException as error:  # Whatever it is, the caller is told.
        future.set_exception(error)
