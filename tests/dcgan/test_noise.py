from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.compiler.tf2xla.python import xla

from trainer.dcgan import noise
from trainer.dcgan.backend import Backend


def test_a_seed_alone_decides_its_row():
    both = noise.from_seeds(tf.constant([3, 17]), 8).numpy()
    np.testing.assert_array_equal(noise.from_seeds(tf.constant([17]), 8).numpy()[0], both[1])
    assert not np.allclose(both[0], both[1])


def test_noise_is_standard_normal():
    values = noise.from_seeds(tf.range(500), 100).numpy()
    assert values.mean() == pytest.approx(0, abs=0.02)
    assert values.std() == pytest.approx(1, abs=0.02)


def test_each_step_seed_and_stream_draws_differently():
    drawn = {
        tuple(noise.step_seed(seed, tf.constant(step, tf.int64), Backend(), stream).numpy())
        for seed in (0, 1)
        for step in (0, 1, 2)
        for stream in (0, 1)
    }
    assert len(drawn) == 12


def test_each_replica_draws_differently():
    """On a TPU, XLA fills in the replica's number: the seed must depend on it."""
    with tf.Graph().as_default() as graph:
        noise.step_seed(0, tf.constant(0, tf.int64), Backend(8, replica_id=xla.replica_id))
        assert 'XlaReplicaId' in {op.type for op in graph.get_operations()}


def test_the_way_between_two_seeds_stays_on_the_sphere():
    start, end = noise.from_seeds(tf.constant([1, 2]), 100)
    start, end = (start / tf.norm(start)).numpy(), (end / tf.norm(end)).numpy()
    way = noise.spherical(start, end, 10).numpy()
    assert way.shape == (10, 100)
    np.testing.assert_allclose(way[0], start, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(way, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(way @ end, np.cos(np.arccos(way[0] @ end) * (1 - np.arange(10) / 10)), atol=1e-5)


def test_the_way_from_a_seed_to_itself_stays_there():
    (start,) = noise.from_seeds(tf.constant([1]), 8)
    np.testing.assert_allclose(noise.spherical(start, start, 3).numpy(), np.tile(start, (3, 1)), atol=1e-6)
