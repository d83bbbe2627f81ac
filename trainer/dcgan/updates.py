"""What a training step changes in a network besides its weights: statistics that follow them."""

from __future__ import annotations

import collections
from typing import Callable, TypeVar

import tensorflow as tf

T = TypeVar('T')
_MOMENTUM = 0.9


class Updates:
    """Collects the changes of one network, so that its train op can make them once, after all its passes.

    The discriminator runs twice a step, on real and on fake images: each moving average then follows the mean of the
    two, which the global UPDATE_OPS list would apply as two racing updates.
    """

    def __init__(self) -> None:
        self._batch_values: dict = collections.defaultdict(list)
        self._moving: dict = {}
        self._shared: dict = {}
        self._assigned: dict = {}

    def follow(self, moving: tf.Variable, batch_value: tf.Tensor) -> None:
        """Notes that `batch_value` is this pass's statistic for the moving average `moving`."""
        self._moving[moving.name] = moving
        self._batch_values[moving.name].append(batch_value)

    def once(self, name: str, make: Callable[[], T]) -> T:
        """What all passes of a step share: `make()` for the first that asks for `name`, its result for the others."""
        if name not in self._shared:
            self._shared[name] = make()
        return self._shared[name]

    def assign(self, variable: tf.Variable, value: tf.Tensor) -> None:
        """Notes that `variable` becomes `value`."""
        self._assigned[variable.name] = variable, value

    def without_statistics(self) -> Updates:
        """For a pass whose batch statistics are dropped; what passes share, it shares."""
        dropped = Updates()
        dropped._shared, dropped._assigned = self._shared, self._assigned
        return dropped

    def batch_values(self) -> dict[str, tf.Tensor]:
        """The mean over the passes of each moving average's statistic, by the name of its variable."""
        return {name: tf.add_n(values) / len(values) for name, values in self._batch_values.items()}

    def ops(self) -> list[tf.Operation]:
        """One operation for each change, in the order in which the layers were built."""
        ops = [
            self._moving[name].assign_sub((1.0 - _MOMENTUM) * (self._moving[name] - value), read_value=False)
            for name, value in self.batch_values().items()
        ]
        return ops + [variable.assign(value, read_value=False) for variable, value in self._assigned.values()]
