"""The plain operations of a generator make its pictures."""

from __future__ import annotations

import numpy as np
import pytest

from tests.random_generator import RandomGenerator
from trainer import operations
from trainer.generator import tracing

KINDS = [
    dict(kernel_size=5),
    dict(
        image_size=64,
        kernel_size=4,
        generator_norm='self_modulated',
        generator_output='refined',
        channels=1,
        generator_upsampling='filtered',
    ),
    dict(image_size=128, base_filters=3, kernel_size=4, condition='labels', classes=3, generator_output='refined'),
    dict(kernel_size=5, generator_norm='self_modulated', condition='labels', classes=2),
]


@pytest.mark.parametrize('kind', KINDS, ids=str)
def test_the_operations_make_the_pictures_of_the_generator(kind):
    made = RandomGenerator(**kind)
    network = tracing.network(made.weights, made.hparams.architecture)
    inputs = made.inputs(4)
    expected = made.images(*inputs)
    found = operations.run(network, *inputs[: len(network.inputs)])
    assert expected.std() > 0.15
    assert np.abs(expected).mean() < 0.9  # Most numbers are not at the ends of tanh, where all networks agree.
    np.testing.assert_allclose(found, expected, atol=2e-5)
    np.testing.assert_array_equal(operations.pixels(np.array([-1.0, 1.0, 0.0, 9.0])), [0, 255, 128, 255])


def test_a_class_counts_as_strongly_as_in_the_checkpoint():
    made = RandomGenerator(condition='labels', classes=2)
    weaker = {**made.weights, 'generator/class_strength': np.float32(0)}
    noise, classes = made.inputs(2)
    with_classes, without = (
        operations.run(tracing.network(weights, made.hparams.architecture), noise, classes)
        for weights in (made.weights, weaker)
    )
    assert np.abs(with_classes - without).max() > 0.05


def test_directions_are_those_along_which_the_first_layer_changes_most():
    made = RandomGenerator()
    directions = tracing.directions(made.weights, 5)
    kernel = made.weights['generator/dense/kernel']
    np.testing.assert_allclose(directions @ directions.T, np.eye(5), atol=1e-5)
    changes = np.linalg.norm(directions @ kernel, axis=1)
    random = np.random.default_rng(0).normal(size=(200, len(kernel)))
    others = np.linalg.norm((random / np.linalg.norm(random, axis=1, keepdims=True)) @ kernel, axis=1)
    assert (np.diff(changes) <= 1e-5).all() and changes[0] > others.max()
    assert (directions[np.arange(5), np.abs(directions).argmax(axis=1)] > 0).all()
    assert len(tracing.directions(made.weights, 99)) == made.hparams.noise_dim
