"""The exponential moving average (EMA) of the generator's weights (Yazici et al. 2019, arXiv:1806.04498).

In adversarial training the weights of both networks circle round a solution. The average lies near the centre of the
generator's circle. Training does not use it; it only makes pictures.
"""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf
import tensorflow.compat.v1 as v1

_SCOPE = 'average'
# Early in training, old weights are far from the current ones, so the half-life is at most this share of the images
# seen so far (Karras et al. 2020, arXiv:2006.06676).
_RAMP_UP = 0.05


def name_of(variable: str) -> str:
    """The name, in a checkpoint, of the EMA of a variable such as 'generator/dense/kernel'."""
    return f'{_SCOPE}/{variable}'


def is_average(name: str) -> bool:
    """Whether a variable of a checkpoint is the EMA of another."""
    return name.startswith(f'{_SCOPE}/')


def name_without(name: str) -> str:
    """The name of the variable that an EMA belongs to."""
    return name[len(f'{_SCOPE}/') :]


def update(
    variables: Sequence[tf.Variable], step: tf.Tensor, batch_size: int, half_life_kimg: float
) -> list[tf.Operation]:
    """Moves the EMA of each variable towards its value.

    Args:
      variables: the variables to average, after their update in this step.
      step: int64 scalar, steps done before this one.
      batch_size: images per step.
      half_life_kimg: half-life in thousands of images; limited to 5 % of the images seen so far.
    """
    seen = tf.cast(step + 1, tf.float32) * batch_size
    half_life = tf.minimum(1000.0 * half_life_kimg, _RAMP_UP * seen)
    nearer = 1.0 - 0.5 ** (batch_size / half_life)
    ops = []
    for variable in variables:
        average = v1.get_variable(
            name_of(variable.name.split(':')[0]), variable.shape, initializer=v1.zeros_initializer(), trainable=False
        )
        ops.append(average.assign_sub(nearer * (average - variable), read_value=False))
    return ops
