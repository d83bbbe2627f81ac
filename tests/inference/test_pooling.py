"""Callers that come at the same time share a batch, and each gets its own rows or its own error."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from trainer.inference.own_thread import OwnThread
from trainer.inference.pooling import Pool


class Doubling:
    """Doubles; the first call waits until it is let go."""

    def __init__(self):
        self.begun, self.go, self.sizes = threading.Event(), threading.Event(), []

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        self.sizes.append(len(rows))
        self.begun.set()
        assert self.go.wait(10)
        if (rows < 0).any():
            raise ValueError('below zero')
        return 2 * rows


def together(pool: Pool, make: Doubling, batches: list[np.ndarray]) -> list:
    """Calls with the first batch, and with the others while that runs; returns what each call got."""
    got: list = [None] * len(batches)

    def call(number: int) -> None:
        try:
            got[number] = pool(batches[number])
        except ValueError as error:
            got[number] = str(error)

    threads = [threading.Thread(target=call, args=(number,)) for number in range(len(batches))]
    threads[0].start()
    assert make.begun.wait(10)
    for thread in threads[1:]:
        thread.start()
    while len(pool._waiting) < len(batches) - 1:
        pass
    make.go.set()
    for thread in threads:
        thread.join(10)
    return got


def rows(first: float, count: int) -> np.ndarray:
    return np.arange(first, first + count, dtype=np.float64)[:, None]


def test_those_that_wait_share_one_run():
    make = Doubling()
    batches = [rows(10 * number, number + 1) for number in range(6)]
    got = together(Pool(make, OwnThread('test')), make, batches)
    assert all(np.array_equal(made, 2 * batch) for made, batch in zip(got, batches))
    assert make.sizes == [1, 2 + 3 + 4 + 5 + 6]


def test_a_run_is_bounded_and_a_large_request_is_not_split():
    make = Doubling()
    batches = [rows(1000 * number, size) for number, size in enumerate((1, 300, 200, 200))]
    got = together(Pool(make, OwnThread('test')), make, batches)
    assert all(np.array_equal(made, 2 * batch) for made, batch in zip(got, batches))
    assert sorted(make.sizes) == [1, 200, 200, 300]


def test_an_error_reaches_all_that_shared_the_run_and_no_other():
    make = Doubling()
    pool = Pool(make, OwnThread('test'))
    got = together(pool, make, [rows(1, 1), rows(-5, 1), rows(2, 1)])
    assert np.array_equal(got[0], [[2]])
    assert got[1:] == ['below zero'] * 2
    with pytest.raises(ValueError, match='below zero'):
        pool(rows(-1, 1))
    assert np.array_equal(pool(rows(4, 1)), [[8]])


class Counting(OwnThread):
    """Counts what is submitted."""

    submitted = 0

    def submit(self, function, *args):
        self.submitted += 1
        return super().submit(function, *args)


def test_a_crowd_leaves_no_runs_behind():
    """One run for each caller would pile up, and each would take the few that had just come."""
    make, thread = Doubling(), Counting('test')
    together(Pool(make, thread), make, [rows(number, 1) for number in range(20)])
    assert thread.submitted == len(make.sizes) == 2
