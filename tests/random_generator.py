"""A generator of any architecture with random weights, large enough that its pictures have contrast."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import tiny_hparams
from trainer.dcgan import conditioning
from trainer.generator import weights

STRENGTH = 0.75  # Of the classes.


class RandomGenerator:
    """Its weights by name, and its pictures as TensorFlow makes them."""

    def __init__(self, seed: int = 0, **changes):
        self.hparams = tiny_hparams(**changes)
        random = np.random.default_rng(seed)
        with tf.Graph().as_default():
            self.noise = v1.placeholder(tf.float32, [None, self.hparams.noise_dim], 'noise')
            self._classes = v1.placeholder(tf.float32, [None, self.hparams.classes])
            self.output = weights.generator(self.noise, self._classes, self.hparams)
            variables = v1.global_variables()
            self.weights = {variable.op.name: _value(variable, random) for variable in variables}
            self.session = v1.Session()
            for variable in variables:
                self.session.run(variable.assign(self.weights[variable.op.name]))

    def images(self, noise: np.ndarray, classes: np.ndarray) -> np.ndarray:
        """float32 [N, noise_dim] and [N, K] -> float32 [N, H, W, C]."""
        return self.session.run(self.output, {self.noise: noise, self._classes: classes})

    def inputs(self, count: int) -> list[np.ndarray]:
        """Noise, and classes in turn; the last one has none."""
        random = np.random.default_rng(1)
        noise = random.normal(size=(count, self.hparams.noise_dim)).astype(np.float32)
        classes = np.eye(count, self.hparams.classes, dtype=np.float32)
        return [noise, classes]


def _value(variable: tf.Variable, random: np.random.Generator) -> np.ndarray:
    name, shape = variable.op.name, variable.shape.as_list()
    if name == conditioning.STRENGTH:
        return np.float32(STRENGTH)
    if name.endswith('moving_variance'):
        return random.uniform(0.5, 2, shape).astype(np.float32)
    spread = 0.3 / np.sqrt(np.prod(shape[:-1]) / 8) if len(shape) > 1 else 0.3
    return (random.normal(0, spread, shape) + name.endswith('norm/scale')).astype(np.float32)
