"""The exponential moving average over the generator's weights (Yazici et al. 2019, arXiv:1806.04498).

The two players circle round each other; the average stands in the middle of the generator's circles. It takes no part
in the game: pictures are made from it, and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tensorflow.compat.v1 as v1

_SCOPE = 'average'
# While training is young, the weights of long ago are another generator's (Karras et al. 2020, arXiv:2006.06676).
_RAMP_UP = 0.05


def name_of(variable: str) -> str:
    """The name, in a checkpoint, of the average over the variable of a name such as 'generator/dense/kernel'."""
    return f'{_SCOPE}/{variable}'


def is_average(name: str) -> bool:
    """Whether a variable of a checkpoint is an average over another."""
    return name.startswith(f'{_SCOPE}/')


def name_without(name: str) -> str:
    """The name of the variable that an average is over."""
    return name[len(f'{_SCOPE}/') :]


def update(
    variables: Sequence[tf.Variable], step: tf.Tensor, batch_size: int, half_life_kimg: float
) -> list[tf.Operation]:
    """Moves the average of each variable towards its value.

    Args:
      variables: what to average, after their own update.
      step: int64 scalar, steps done before this one.
      batch_size: images a step.
      half_life_kimg: thousands of images after which a weight counts half; at most 5 % of the images seen so far.
    """
    seen = tf.cast(step + 1, tf.float32) * batch_size
    half_life = tf.minimum(1000.0 * half_life_kimg, _RAMP_UP * seen)
    nearer = 1.0 - 0.5 ** (batch_size / half_life)
    ops = []
    for variable in variables:
        average = v1.get_variable(
            name_of(variable.op.name), variable.shape, initializer=v1.zeros_initializer(), trainable=False
        )
        ops.append(average.assign_sub(nearer * (average - variable), read_value=False))
    return ops
