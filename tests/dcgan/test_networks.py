from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import SHIPPED, tiny_hparams
from trainer.dcgan import architecture, layers, networks
from trainer.dcgan.updates import Updates

# Trainable parameters at base_filters 64, noise_dim 100, 3 channels: 5x5 kernels with biases, batch norm on all layers
# but the discriminator's first and both outputs.
GOLDEN = {
    32: (1_443_587, 1_034_113),
    64: (5_135_363, 4_316_545),
    128: (19_072_515, 17_435_009),
}


def test_every_size_has_a_golden_row():
    assert set(GOLDEN) == set(architecture.IMAGE_SIZES)


@pytest.mark.parametrize('size', GOLDEN)
def test_golden_parameter_counts(size):
    shape = architecture.Architecture(size, 3, 100, architecture.filters(size, 64))
    with tf.Graph().as_default():
        pictures = networks.generator(tf.zeros([2, 100]), shape, Updates())
        networks.discriminator(pictures, shape, Updates())
        counts = tuple(
            sum(variable.shape.num_elements() for variable in v1.trainable_variables(f'{network}/'))
            for network in (networks.GENERATOR, networks.DISCRIMINATOR)
        )
        assert counts == GOLDEN[size]
        assert sum(counts) == sum(variable.shape.num_elements() for variable in v1.trainable_variables())


@pytest.mark.parametrize('size', architecture.IMAGE_SIZES)
@pytest.mark.parametrize(('channels', 'dtype'), [(3, 'float32'), (1, 'bfloat16')])
def test_shapes_dtypes_and_range(size, channels, dtype):
    shape = tiny_hparams(**{**SHIPPED, 'image_size': size, 'channels': channels}).architecture
    with tf.Graph().as_default(), v1.Session() as session:
        pictures = networks.generator(10 * tf.ones([3, 8]), shape, Updates(), dtype)
        logits = networks.discriminator(pictures, shape, Updates(), dtype)
        assert pictures.shape == [3, size, size, channels]
        assert logits.shape == [3, 1]
        assert {variable.dtype.base_dtype for variable in v1.global_variables()} == {tf.float32}
        session.run(v1.global_variables_initializer())
        values, logits = session.run([pictures, logits])
    assert values.dtype == logits.dtype == np.float32
    assert np.abs(values).max() <= 1
    assert np.isfinite(logits).all()


def test_the_image_is_refined_by_features_of_its_own_size():
    shape = tiny_hparams(**SHIPPED, base_filters=64).architecture
    with tf.Graph().as_default():
        networks.generator(tf.zeros([2, 8]), shape, Updates())
        shapes = {variable.op.name: variable.shape for variable in v1.trainable_variables()}
    assert shapes['generator/deconv0/kernel'] == [4, 4, 3, 64]
    assert shapes['generator/refining_deconv/kernel'] == [4, 4, 16, 64]
    assert shapes['generator/refining_norm/scale/bias'] == [16]
    assert shapes['generator/refining_conv/kernel'] == [3, 3, 16, 3]


def test_the_discriminator_sees_features_beside_the_image():
    shape = tiny_hparams(channels=1, base_filters=64, discriminator_input='features').architecture
    with tf.Graph().as_default():
        networks.discriminator(tf.zeros([2, 32, 32, 1]), shape, Updates())
        shapes = {variable.op.name: variable.shape for variable in v1.trainable_variables()}
    assert shapes['discriminator/full_size_conv/kernel'] == [3, 3, 1, 8]
    assert shapes['discriminator/features_conv/kernel'] == [4, 4, 8, 64]
    assert shapes['discriminator/conv0/kernel'] == [4, 4, 1, 64]
    first = {name.split('/')[1] for name in shapes if name.startswith(networks.discriminator_scopes(1))}
    assert first == {'full_size_conv', 'features_conv', 'conv0'}
    assert networks.discriminator_scopes(0) == ()


def test_a_row_that_does_not_reach_its_size_is_refused():
    with pytest.raises(ValueError, match='2 stride-2 layers reach 16 px, not 32'):
        architecture.Architecture(image_size=32, channels=3, noise_dim=8, filters=(4, 8))


def test_moving_averages_follow_the_mean_of_both_passes():
    averages = Updates()
    with tf.Graph().as_default(), v1.Session() as session:
        for level in (1.0, 3.0):
            x = tf.fill([2, 4, 4, 1], level) + tf.constant([[-1.0], [1.0]])[:, :, None, None]
            with v1.variable_scope('net', reuse=v1.AUTO_REUSE):
                layers.batch_norm(x, 'norm', averages)
        updates = averages.ops()
        assert len(updates) == 2
        by_name = {variable.name: variable for variable in v1.global_variables()}
        session.run(v1.global_variables_initializer())
        session.run(updates)
        mean, variance = session.run([by_name['net/norm/moving_mean:0'], by_name['net/norm/moving_variance:0']])
    assert mean == pytest.approx(0.1 * (1 + 3) / 2)
    # From 1 towards the sample variance of 32 values, each 1 away from their mean.
    assert variance == pytest.approx(0.9 + 0.1 * 32 / 31)


def test_without_moving_averages_a_picture_does_not_depend_on_its_batch():
    shape = tiny_hparams(**SHIPPED).architecture
    with tf.Graph().as_default(), v1.Session() as session:
        noise = tf.random.stateless_normal([4, 8], [0, 0])
        both = networks.generator(noise, shape), networks.generator(noise[:1], shape)
        session.run(v1.global_variables_initializer())
        all_four, one = session.run(both)
    np.testing.assert_allclose(all_four[:1], one, atol=1e-6)


def test_modulation_starts_as_plain_batch_norm_and_then_depends_on_the_noise():
    """Two images have the same activations, but different noise."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = tf.random.stateless_normal([1, 4, 4, 6], [0, 1]) * tf.ones([2, 1, 1, 1])
        condition = tf.random.stateless_normal([2, 8], [0, 2])
        modulated = layers.modulated_batch_norm(x, condition, 'modulated', Updates())
        plain = layers.batch_norm(x, 'plain', Updates())
        session.run(v1.global_variables_initializer())
        before, expected = session.run([modulated, plain])
        np.testing.assert_allclose(before, expected, atol=0.05)
        for variable in v1.trainable_variables('modulated/'):
            variable.load(np.random.default_rng(0).normal(size=variable.shape), session)
        one, other = session.run(modulated)
    assert np.abs(one - other).max() > 0.5


@pytest.mark.parametrize('size, layers', [(32, 1), (64, 2), (128, 3)])
def test_what_is_filtered(size, layers):
    filtered = tiny_hparams(image_size=size, generator_upsampling='filtered')
    names = [f'deconv{i}' for i in range(layers)]
    assert [*networks.filtered_deconvs(filtered.architecture)] == names
    refined = dataclasses.replace(filtered, generator_output='refined').architecture
    assert [*networks.filtered_deconvs(refined)] == [*names, 'refining_deconv']
    assert networks.filtered_deconvs(tiny_hparams(image_size=size).architecture) == ()
