"""The order in which images are drawn: decided by a seed and the numbers that are folded into it, and nothing else."""

from __future__ import annotations

import tensorflow as tf


def permutations(seen: int, count: int, seed: int) -> tf.data.Dataset:
    """A permutation of the numbers below `count` for each epoch, without end; skips the first `seen` numbers."""
    first, offset = divmod(seen, count)

    def epoch(number: tf.Tensor) -> tf.Tensor:
        return permutation(count, seed, number)[tf.where(tf.equal(number, first), offset, 0) :]

    return tf.data.Dataset.range(first, tf.int64.max).map(epoch)


def permutation(count: int, seed: int, *numbers: int | tf.Tensor) -> tf.Tensor:
    """A permutation, int64 [count], decided by the seed and the numbers."""
    return _shuffled(tf.range(count, dtype=tf.int64), _folded(seed, *numbers))


def _folded(seed: int, *numbers: int | tf.Tensor) -> tf.Tensor:
    folded = tf.constant([seed, 0], tf.int64)
    for number in numbers:
        folded = tf.random.experimental.stateless_fold_in(folded, tf.cast(number, tf.int64))
    return folded


def _shuffled(values: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    return tf.random.experimental.stateless_shuffle(values, seed)


def weighted(weights: tf.Tensor, seed: int, *numbers: int | tf.Tensor) -> tf.Tensor:
    """As many draws as there are weights, float32 [N] -> int64 [N], by systematic sampling.

    Each number comes as often as its weight says, rounded up or down. Even weights give a permutation.
    """
    count = tf.size(weights, tf.int64)
    first, second = (_folded(seed, *numbers, draw) for draw in (0, 1))
    start = _shuffled(tf.range(count), first)
    edges = tf.cumsum(tf.cast(tf.gather(weights, start), tf.float64))
    places = (tf.cast(tf.range(count), tf.float64) + 0.5) * edges[-1] / tf.cast(count, tf.float64)
    chosen = tf.gather(start, tf.searchsorted(edges, places))
    return _shuffled(chosen, second)
