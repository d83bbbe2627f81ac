"""Work on threads, with results in order and little of it under way at a time."""

from __future__ import annotations

import collections
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures
from typing import TypeVar

T = TypeVar('T')
R = TypeVar('R')
_WINDOW_PER_WORKER = 4


def map_in_order(function: Callable[[T], R], items: Iterable[T], workers: int) -> Iterator[R]:
    """Like `map`, on threads; `Executor.map` would take in all items at once, and keep their results."""
    pool = futures.ThreadPoolExecutor(workers)
    remaining = iter(items)
    try:
        window = collections.deque(
            pool.submit(function, item) for item in itertools.islice(remaining, workers * _WINDOW_PER_WORKER)
        )
        while window:
            yield window.popleft().result()
            window.extend(pool.submit(function, item) for item in itertools.islice(remaining, 1))
    finally:
        pool.shutdown(cancel_futures=True)
