"""The scalars of a training step: losses, and the discriminator's mean scores of real and generated images."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import losses

# Graph collection through which hooks find the scalars on a CPU; on a TPU they go through host_call only.
COLLECTION = 'scalars'


def of_step(
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    discriminator_loss: tf.Tensor,
    generator_loss: tf.Tensor,
    loss_name: str,
) -> dict[str, tf.Tensor]:
    """Float32 scalars by name; `loss_name` is a key of losses.LOSSES."""
    loss = losses.LOSSES[loss_name]
    scalars = {
        'discriminator_loss': discriminator_loss,
        'generator_loss': generator_loss,
        'D_real': tf.reduce_mean(loss.score(real_logits)),
        'D_fake': tf.reduce_mean(loss.score(fake_logits)),
    }
    if loss.boundary is not None:
        scalars['D_real_sign'] = tf.reduce_mean(tf.sign(real_logits - loss.boundary))
    return scalars


def collect(scalars: dict[str, tf.Tensor]) -> None:
    """Adds the scalars to the collection in which hooks find them on a CPU."""
    for name, value in scalars.items():
        v1.add_to_collection(COLLECTION, tf.identity(value, name=f'scalars/{name}'))


def host_call(scalars: dict[str, tf.Tensor], writer: Mapping[str, Any], every: int, step: tf.Tensor) -> tuple:
    """Makes the host_call that writes the scalars for TensorBoard, because a TPU program cannot.

    Args:
      scalars: float32 [], by name.
      writer: arguments of tf.summary.create_file_writer.
      every: steps between two points.
      step: int64 scalar, the global step.
    """

    def write(global_step: tf.Tensor, **values: tf.Tensor) -> list[tf.Operation]:
        step = global_step[0]
        due = tf.equal(step % every, 0)  # In a graph, == compares the tensor objects.
        with tf.summary.create_file_writer(**writer).as_default(), tf.summary.record_if(due):
            for name, value in values.items():
                tf.summary.scalar(name, tf.reduce_mean(value), step=step)
            return v1.summary.all_v2_summary_ops()

    # The outfeed joins the cores' values along the batch dimension, so each tensor needs one.
    tensors = {name: tf.reshape(value, [1]) for name, value in scalars.items()}
    return write, {'global_step': tf.reshape(step, [1]), **tensors}
