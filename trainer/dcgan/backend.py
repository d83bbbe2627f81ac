"""What a training step is built for: the devices that share its batch, and how each of them hears of the others.

The step is written once. A CPU has one replica; a TPU of TPUEstimator has one on each core; `trainer.pjrt` passes the
backend of its own devices.
"""

from __future__ import annotations

import dataclasses
from typing import Any, Callable

import tensorflow as tf
import tensorflow.compat.v1 as v1

Params = dict[str, Any]  # Of the model_fn.
SumOverReplicas = Callable[[tf.Tensor], tf.Tensor]


@dataclasses.dataclass(frozen=True)
class Backend:
    """The devices of a step.

    Attributes:
      replicas: how many share a batch; each takes the same step on its own part of the images.
      sum_over_replicas: (tensor) -> the sum of this tensor over the replicas.
      replica_id: () -> int32 scalar, the number of this replica; None if there is only one.
      for_tpu: whether convolutions take the form that a TPU computes faster (`convolution`).
      auto_dtype: what --compute_dtype=auto means here.
    """

    replicas: int = 1
    sum_over_replicas: SumOverReplicas = lambda tensor: tensor
    replica_id: Callable[[], tf.Tensor] | None = None
    for_tpu: bool = False
    auto_dtype: str = 'float32'


def of(params: Params) -> Backend:
    """The backend that the parameters of a model_fn name: 'backend', or the one that 'use_tpu' stands for."""
    if 'backend' in params:
        return params['backend']
    if not params['use_tpu']:
        return Backend()
    cores = params['hparams'].train_batch_size // params['batch_size']
    return Backend(cores, v1.tpu.cross_replica_sum, replica_id, for_tpu=True, auto_dtype='bfloat16')


def replica_id() -> tf.Tensor:
    """XLA's number of this replica, int32 scalar. In TPUEstimator the public replica context gives 0 on every core."""
    from tensorflow.compiler.tf2xla.python import xla

    return xla.replica_id()
