"""Trained weights, scaled down to their initial size."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import tiny_hparams
from trainer.dcgan import layers, networks
from trainer.dcgan.architecture import Architecture
from trainer.pretrained import rescaling

DEFAULT = tiny_hparams(
    generator_norm='self_modulated', generator_output='refined', discriminator_input='features'
).architecture
# Ranges of the variables that are not near 0.
_POSITIVE = {'scale': (4.0, 8.0), 'moving_variance': (0.5, 1.0)}


class Trained:
    """Both networks with random weights, larger than initial ones, and random statistics."""

    def __init__(self, architecture: Architecture):
        self.graph = tf.Graph()
        with self.graph.as_default():
            z = tf.random.stateless_normal([4, architecture.noise_dim], [0, 0])
            self.images = networks.generator(z, architecture)
            self.logits = networks.discriminator(self.images, architecture)
            self.variables = {variable.op.name: variable for variable in v1.global_variables()}
        random = np.random.default_rng(0)
        values = {
            name: random.uniform(*_POSITIVE[part], variable.shape)
            if (part := name.split('/')[-1]) in _POSITIVE
            else random.normal(0, 0.1, variable.shape)
            for name, variable in self.variables.items()
        }
        self.values = {name: value.astype(np.float32) for name, value in values.items()}

    def run(self, values: dict) -> tuple[np.ndarray, np.ndarray]:
        with self.graph.as_default(), v1.Session() as session:
            initializers = {name: variable.initializer for name, variable in self.variables.items()}
            session.run(list(initializers.values()), {initializers[name].inputs[1]: values[name] for name in values})
            return session.run([self.images, self.logits])


@pytest.mark.parametrize('architecture', [DEFAULT, dataclasses.replace(DEFAULT, generator_norm='batch')])
def test_images_stay_and_the_discriminator_becomes_unsure(architecture):
    trained = Trained(architecture)
    small = rescaling.rescaled(trained.values, architecture)
    for names in (*(free.names for free in networks.free_layers(architecture)), (networks.LAST_OF_DISCRIMINATOR,)):
        weights = np.concatenate([small[f'{name}/kernel'].ravel() for name in names])
        assert np.sqrt(np.mean(weights**2)) == pytest.approx(layers.INIT_STDDEV)
    images, logits = trained.run(trained.values)
    images_after, logits_after = trained.run(small)
    # Batch norm adds 1e-5 to a variance, which is more in proportion to smaller activations.
    np.testing.assert_allclose(images_after, images, atol=0.02)
    last = f'{networks.LAST_OF_DISCRIMINATOR}/kernel'
    shrunk = layers.INIT_STDDEV / np.sqrt(np.mean(trained.values[last] ** 2))
    np.testing.assert_allclose(logits_after, logits * shrunk, rtol=0.01, atol=0.02)
    assert images.std() > 0.05 and np.ptp(logits) > 0.1


def test_without_batch_norm_a_layers_size_counts_and_stays():
    architecture = dataclasses.replace(DEFAULT, discriminator_norm='spectral')
    trained = Trained(architecture)
    small = rescaling.rescaled(trained.values, architecture)
    np.testing.assert_array_equal(small['discriminator/conv1/kernel'], trained.values['discriminator/conv1/kernel'])


def test_averages_shrink_as_the_weights_do_and_small_or_missing_ones_stay():
    name = 'generator/deconv1/kernel'
    values = {name: np.full([4], 0.2, np.float32), f'average/{name}': np.full([4], 0.3, np.float32)}
    values['generator/dense/kernel'] = np.full([4], 0.01, np.float32)
    small = rescaling.rescaled(values, DEFAULT)
    np.testing.assert_allclose(small[name], 0.02)
    np.testing.assert_allclose(small[f'average/{name}'], 0.03)
    np.testing.assert_array_equal(small['generator/dense/kernel'], values['generator/dense/kernel'])
