"""The generator's input noise, which always comes from a seed and never from hidden state."""

from __future__ import annotations

import tensorflow as tf

from trainer.dcgan.backend import Backend

_FLAT = 1e-3  # In float32 the sine of a smaller angle has lost most of its digits.


def from_seeds(seeds: tf.Tensor, noise_dim: int) -> tf.Tensor:
    """int32 [N] -> float32 [N, noise_dim] from N(0, 1); each row depends on its own seed alone."""
    return tf.map_fn(
        lambda seed: tf.random.stateless_normal([noise_dim], tf.stack([seed, 0])),
        seeds,
        fn_output_signature=tf.TensorSpec([noise_dim], tf.float32),
    )


def step_seed(seed: int, step: tf.Tensor, backend: Backend, stream: int = 0) -> tf.Tensor:
    """int32 [2]: a seed of this training step and, if there are several, of this replica.

    Without the replica's number, all replicas would sample the same noise, and a batch of 1,024 would hold 128 distinct
    images.

    Args:
      seed: the run's seed.
      step: int64 scalar, the global step.
      backend: tells the replicas apart.
      stream: a different number for each use in a step, so that two random tensors do not share their bits.
    """
    fold_in = tf.random.experimental.stateless_fold_in
    seeds = fold_in(fold_in(tf.constant([seed, 1]), tf.cast(step, tf.int32)), stream)
    return fold_in(seeds, backend.replica_id()) if backend.replica_id else seeds


def spherical(start: tf.Tensor, end: tf.Tensor, steps: int) -> tf.Tensor:
    """Interpolates from one noise vector to another along the sphere (White 2016, arXiv:1609.04468).

    Args:
      start, end: float32 [noise_dim].
      steps: number of points, including the start but not the end.

    Returns:
      float32 [steps, noise_dim]. Vectors of the same or of opposite directions do not define one great circle, so the
      interpolation between them is linear. With a noise_dim of 1 that is always so.
    """
    cosine = tf.math.divide_no_nan(tf.reduce_sum(start * end), tf.norm(start) * tf.norm(end))
    angle = tf.acos(tf.clip_by_value(cosine, -1.0, 1.0))
    way = tf.range(steps, dtype=tf.float32)[:, None] / steps
    if tf.sin(angle) < _FLAT:
        return start + way * (end - start)
    return (tf.sin((1.0 - way) * angle) * start + tf.sin(way * angle) * end) / tf.sin(angle)
