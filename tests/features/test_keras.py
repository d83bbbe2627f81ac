"""No test here reaches a network: the proxy of all of them is a port on which nothing listens."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import smooth_images
from trainer import errors
from trainer.features import registry
from trainer.features.inception import Inception
from trainer.features.vgg16 import Vgg16

keras = tf.keras
COLOUR = (200, 150, 180)


@pytest.fixture(autouse=True)
def no_network(monkeypatch, tmp_path):
    monkeypatch.setenv('KERAS_HOME', str(tmp_path / 'keras'))
    monkeypatch.setenv('https_proxy', 'http://127.0.0.1:9')
    monkeypatch.setenv('no_proxy', '')
    monkeypatch.setattr(
        'urllib.request._opener', None
    )  # Else the first download of the process would have fixed the proxy.


def vgg16() -> keras.Model:
    """Random except for the first block, whose first three channels pass on blue, green and red."""
    network = keras.applications.VGG16(weights=None, include_top=False, input_shape=(None, None, 3))
    for name in ('block1_conv1', 'block1_conv2'):
        kernel, bias = network.get_layer(name).get_weights()
        kernel[..., :3] = 0
        kernel[1, 1, :3, :3] = np.eye(3)
        network.get_layer(name).set_weights([kernel, bias])
    return network


@pytest.fixture(scope='module')
def vgg16_file(tmp_path_factory) -> str:
    path = str(tmp_path_factory.mktemp('weights') / 'vgg16_notop.h5')
    vgg16().save_weights(path)
    return path


@pytest.fixture(scope='module')
def extractor(vgg16_file) -> Vgg16:
    return Vgg16(vgg16_file)


def test_vgg16_gets_blue_green_red_less_the_mean_of_imagenet(extractor):
    picture = np.full((1, 64, 64, 3), COLOUR, np.uint8)
    found = extractor.extract(picture)['block1_pool'].reshape(8, 8, 64)
    red, green, blue = COLOUR
    expected = [blue - 103.939, green - 116.779, red - 123.68]
    np.testing.assert_allclose(found[3, 3, :3], expected, rtol=1e-5)


@pytest.mark.parametrize(('size', 'late'), [(28, 512), (32, 512), (64, 2048), (128, 8192)])
def test_the_features_of_vgg16_are_bounded_whatever_the_size(extractor, size, late):
    found = extractor.extract(smooth_images(2, size, channels=1))
    assert {layer: array.shape for layer, array in found.items()} == {
        'block1_pool': (2, 4096),
        'block5_pool': (2, late),
    }
    assert found['block5_pool'].any()


def test_vgg16_is_the_network_of_keras(extractor, vgg16_file):
    pictures = smooth_images(2, 64)
    network = keras.applications.VGG16(weights=vgg16_file, include_top=False)
    expected = network(keras.applications.vgg16.preprocess_input(pictures.astype(np.float32))).numpy()
    np.testing.assert_allclose(extractor.extract(pictures)['block5_pool'], expected.reshape(2, -1), rtol=1e-4)


def test_a_file_with_the_top_layers_does_as_well(extractor, tmp_path, vgg16_file):
    network = keras.applications.VGG16(weights=vgg16_file, include_top=False, input_shape=(32, 32, 3))
    flat = keras.layers.Flatten(name='flatten')(network.output)
    whole = keras.Model(network.input, keras.layers.Dense(2, name='predictions')(flat))
    whole.save_weights(str(tmp_path / 'top.h5'))
    other = Vgg16(str(tmp_path / 'top.h5'))
    pictures = smooth_images(1, 32)
    for layer, expected in extractor.extract(pictures).items():
        np.testing.assert_array_equal(other.extract(pictures)[layer], expected)
    assert other.version != extractor.version  # Features cached with another file are not used.
    assert 'weights of top.h5' in other.title


def test_files_of_something_else_are_refused(tmp_path):
    (tmp_path / 'text.h5').write_text('no weights')
    small = keras.Sequential([keras.layers.Dense(2, input_shape=(3,))])
    small.save_weights(str(tmp_path / 'small.h5'))
    for name, message in {
        'absent.h5': 'there is no such file',
        'text.h5': 'does not hold the weights of VGG16: give the .h5 file that Keras',
        'small.h5': 'does not hold the weights of VGG16: give the .h5 file that Keras',
    }.items():
        with pytest.raises(errors.UserError, match=f'--feature_weights=.*{name}:? {message}'):
            registry.make('vgg16', str(tmp_path / name))


def test_a_download_that_fails_is_one_line_with_the_way_out():
    with pytest.raises(errors.UserError) as raised:
        registry.make('vgg16')
    message = str(raised.value)
    assert message.startswith('the ImageNet weights of VGG16 cannot be downloaded (URL fetch failure on https://')
    assert message.endswith('give --feature_weights=FILE.h5, or use squeezenet, whose weights come with the package')
    assert '\n' not in message


def test_inception_is_the_network_of_keras(monkeypatch, tmp_path):
    made = keras.applications.InceptionV3
    network = made(weights=None, include_top=False, pooling='avg', input_shape=(299, 299, 3))
    random = np.random.default_rng(0)
    network.set_weights([random.normal(0.01, 0.02, w.shape) + (w.ndim == 1) for w in network.get_weights()])
    network.save_weights(str(tmp_path / 'inception.h5'))
    picture = np.full((1, 64, 64, 3), COLOUR, np.uint8)
    expected = network(np.full((1, 299, 299, 3), COLOUR, np.float32) / 127.5 - 1).numpy()
    asked = []

    def blank(**options) -> keras.Model:  # Building it again takes three seconds.
        asked.append(options)
        network.set_weights([np.zeros_like(w) for w in network.get_weights()])
        return network

    monkeypatch.setattr(keras.applications, 'InceptionV3', blank)
    extractor = Inception(str(tmp_path / 'inception.h5'))
    assert asked == [dict(weights=None, include_top=False, pooling='avg', input_shape=(299, 299, 3))]
    found = extractor.extract(picture)['avg_pool']
    assert found.shape == (1, 2048)
    assert found.any()
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())


def stand_in(**_: object) -> keras.Model:
    """The mean of each channel, after a convolution that only provides weights."""
    picture = keras.Input((299, 299, 3))
    same = keras.layers.Conv2D(3, 1, use_bias=False, kernel_initializer=tf.initializers.constant(np.eye(3)))(picture)
    return keras.Model(picture, keras.layers.GlobalAveragePooling2D()(same))


def test_inception_gets_299_px_between_minus_one_and_one(monkeypatch):
    asked = []
    monkeypatch.setattr(keras.applications, 'InceptionV3', lambda **options: asked.append(options) or stand_in())
    extractor = registry.make('inception')
    assert [options['weights'] for options in asked] == ['imagenet']  # Keras's own, if no file is given.
    found = extractor.extract(np.full((2, 32, 32, 3), COLOUR, np.uint8))['avg_pool']
    np.testing.assert_allclose(found, np.tile(np.array(COLOUR) / 127.5 - 1, (2, 1)), rtol=1e-3)
    assert '299 px' in extractor.title


def test_weights_lie_in_a_bucket_too(gcs, monkeypatch, tmp_path):
    monkeypatch.setattr(keras.applications, 'InceptionV3', stand_in)
    stand_in().save_weights(str(tmp_path / 'weights.h5'))
    gcs.server.put(f'{gcs.bucket}/weights.h5', (tmp_path / 'weights.h5').read_bytes())
    local, remote = Inception(str(tmp_path / 'weights.h5')), Inception(f'{gcs.bucket}/weights.h5')
    assert remote.version == local.version
    with pytest.raises(errors.UserError, match='there is no such file'):
        Inception(f'{gcs.bucket}/absent.h5')
