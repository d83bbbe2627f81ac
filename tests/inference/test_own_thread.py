"""One thread takes the calls of all, in their order, and ends with its object."""

from __future__ import annotations

import gc
import threading

import pytest

from trainer.inference.own_thread import OwnThread


def test_all_calls_are_made_in_one_thread_in_their_order():
    own, taken = OwnThread('worker'), []
    futures = [own.submit(lambda n: taken.append((n, threading.current_thread().name)), n) for n in range(20)]
    assert [future.result(10) for future in futures] == [None] * 20
    assert taken == [(number, 'worker') for number in range(20)]


def test_an_error_is_its_callers_alone():
    own = OwnThread('worker')
    failed, following = own.submit(int, 'three'), own.submit(int, '3')
    with pytest.raises(ValueError, match='three'):
        failed.result(10)
    assert following.result(10) == 3


def test_the_thread_ends_with_its_object_and_keeps_no_process_from_its_end():
    own = OwnThread('worker')
    thread = own.submit(threading.current_thread).result(10)
    assert thread.daemon
    assert thread.is_alive()
    del own
    gc.collect()
    thread.join(10)
    assert not thread.is_alive()
