"""The variables of a network that a training step changes besides the weights: statistics of its layers."""

from __future__ import annotations

import collections
from typing import Callable, TypeVar

import tensorflow as tf

T = TypeVar('T')
_MOMENTUM = 0.9


class Updates:
    """Collects the changes of one network, so that its train op applies them once, after all its passes.

    The discriminator runs twice a step, on real and on fake images. Each moving average follows the mean of the two
    statistics; the global UPDATE_OPS list would apply them as two racing updates.
    """

    def __init__(self) -> None:
        self._batch_values: dict = collections.defaultdict(list)
        self._moving: dict = {}
        self._shared: dict = {}
        self._assigned: dict = {}

    def follow(self, moving: tf.Variable, batch_value: tf.Tensor) -> None:
        """Records `batch_value` as the statistic of this pass for the moving average `moving`."""
        self._moving[moving.name] = moving
        self._batch_values[moving.name].append(batch_value)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """A value that all passes of a step share: the first request for `name` calls `make()`, later ones reuse it."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def assign(self, variable: tf.Variable, value: tf.Tensor) -> None:
        """Records `value` as the next value of `variable`."""
        self._assigned[variable.name] = variable, value

    def without_statistics(self) -> Updates:
        """Updates for a pass whose batch statistics are dropped; it shares the values that passes share."""
        dropped = Updates()
        dropped._shared, dropped._assigned = self._shared, self._assigned
        return dropped

    def batch_values(self) -> dict[str, tf.Tensor]:
        """For each moving average, by variable name, the mean of its statistic over the passes."""
        return {name: tf.add_n(values) / len(values) for name, values in self._batch_values.items()}

    def ops(self) -> list[tf.Operation]:
        """One operation for each change, in the order in which the layers were built."""
        ops = [
            self._moving[name].assign_sub((1.0 - _MOMENTUM) * (self._moving[name] - value), read_value=False)
            for name, value in self.batch_values().items()
        ]
        return ops + [variable.assign(value, read_value=False) for variable, value in self._assigned.values()]
