"""TensorFlow outside of any graph, wherever the caller is."""

from __future__ import annotations

from collections.abc import Callable
from concurrent import futures
from typing import Any, TypeVar

import tensorflow as tf

T = TypeVar('T')


def eagerly(function: Callable[..., T], *args: Any) -> T:
    """Calls the function where operations run at once, also when called while a graph of an Estimator is being used."""
    if tf.executing_eagerly():
        return function(*args)
    # A default graph is of one thread, so a new one has none; `tf.init_scope` would stay in a v1 graph.
    with futures.ThreadPoolExecutor(1) as pool:
        return pool.submit(function, *args).result()
