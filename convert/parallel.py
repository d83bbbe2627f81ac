"""Work on threads: the results keep their order, and only a few items are in flight at a time."""

from __future__ import annotations

import collections
import contextlib
import itertools
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

T = TypeVar('T')
R = TypeVar('R')
_ITEMS_A_TASK = 8  # Handing small images over one by one would cost a tenth of the time that they take.
_TASKS_A_WORKER = 3


def map_in_order(
    function: Callable[[T], R], items: Iterable[T], workers: int, items_a_task: int = _ITEMS_A_TASK
) -> Iterator[R]:
    """Like `map`, on threads. `Executor.map` would read all items at once, and keep their results.

    After the first error no other item is started. During an outage each item may wait for minutes, which would add up.
    """
    failures: list[BaseException] = []

    def work(task: list[T]) -> list[R]:
        results = []
        for item in task:
            if failures:
                raise failures[0]
            try:
                results.append(function(item))
            except BaseException as error:
                failures.append(error)
                raise
        return results

    source = iter(items)
    tasks = iter(lambda: list(itertools.islice(source, items_a_task)), [])
    pool = futures.ThreadPoolExecutor(workers)
    try:
        window = collections.deque(
            pool.submit(work, task) for task in itertools.islice(tasks, workers * _TASKS_A_WORKER)
        )
        while window:
            yield from window.popleft().result()
            window.extend(pool.submit(work, task) for task in itertools.islice(tasks, 1))
    finally:
        failures.append(futures.CancelledError())  # An interruption waits for single items, not for whole tasks.
        pool.shutdown(cancel_futures=True)


class Room:
    """An amount of something, such as bytes of memory, that threads take and give back."""

    def __init__(self, size: int):
        self._size = self._left = size
        self._changed = threading.Condition()

    @contextlib.contextmanager
    def taken(self, amount: int) -> Iterator[None]:
        """Waits until `amount` is free, and holds it while entered; an amount above the total takes the total."""
        amount = min(amount, self._size)
        with self._changed:
            self._changed.wait_for(lambda: self._left >= amount)
            self._left -= amount
        try:
            yield
        finally:
            with self._changed:
                self._left += amount
                self._changed.notify_all()
