"""Noise and class of a seed depend on nothing else: not on the seeds beside it, and not on how they are computed."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from trainer.dcgan import conditioning, noise
from trainer.generator import sampler

SEEDS = [3, -(2**31), 0, 2**31 - 1, 3]


def test_many_seeds_in_one_graph_are_as_each_alone():
    for dim in (1, 100):
        made = sampler._noise(dim)(tf.constant(SEEDS, tf.int32)).numpy()
        for seed, row in zip(SEEDS, made):
            np.testing.assert_array_equal(noise.from_seeds(tf.constant([seed], tf.int32), dim)[0], row)
    shares = (0.1, 0.2, 0.7)
    drawn = sampler._drawn(shares)(tf.constant(range(200), tf.int32)).numpy()
    for seed in (0, 7, 199):
        assert conditioning.draw(tf.constant([seed], tf.int32), np.array(shares)).numpy() == drawn[seed]
    assert set(drawn) == {-1, 0, 1}
