"""Eager execution of TensorFlow, even if the caller is inside a graph."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

import tensorflow as tf

T = TypeVar('T')


def eagerly(function: Callable[..., T], *args: Any) -> T:
    """Calls the function eagerly, even while a graph of an Estimator is in use."""
    if tf.executing_eagerly():
        return function(*args)
    # A default graph belongs to one thread, so a new thread has none; `tf.init_scope` would stay in a v1 graph.
    with futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()
