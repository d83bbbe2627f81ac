from __future__ import annotations

import io
import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import smooth_images
from tests.reference import squeezenet as reference
from trainer import errors, operations
from trainer.features import extraction, registry
from trainer.features import squeezenet as squeezenet_module
from trainer.features.extractor import Extractor
from trainer.features.squeezenet import SqueezeNet

NEEDS_NOTHING = ['squeezenet', 'pixels']


@pytest.fixture(scope='module')
def squeezenet() -> SqueezeNet:
    return SqueezeNet()


def test_squeezenet_gives_what_the_package_of_its_weights_gives(squeezenet):
    with np.load(reference.ACTIVATIONS) as expected:
        found = squeezenet.extract(expected['pixels'])
        for layer, width in (('fire3', 2048), ('fire9', 512)):
            assert found[layer].shape == (2, width)
            assert found[layer].dtype == np.float32
            # Measured 0.0007 and 0.0010 of the largest activation: float16 has 11 bits.
            np.testing.assert_allclose(found[layer], expected[layer], rtol=0, atol=0.002 * expected[layer].max())


def test_the_reference_has_the_channels_the_right_way_round(squeezenet):
    with np.load(reference.ACTIVATIONS) as expected:
        swapped = squeezenet.extract(expected['pixels'][..., ::-1])
        assert np.abs(swapped['fire9'] - expected['fire9']).max() > 0.1 * expected['fire9'].max()


def test_the_weights_are_small_and_packed_by_the_script():
    with np.load(reference.WEIGHTS) as file:
        weights = {name: file[name] for name in file.files}
    assert len(weights) == 50
    assert {array.dtype for array in weights.values()} == {np.dtype(np.float16)}
    assert sum(array.size for array in weights.values()) == 722_496
    assert reference.packed(weights) == reference.WEIGHTS.read_bytes()
    assert reference.WEIGHTS.stat().st_size < 3_000_000
    note = pathlib.Path(reference.WEIGHTS).with_name('README.md').read_text()
    assert reference.SHA256 in note
    assert 'Permission is hereby granted' in note


def test_packing_says_nothing_of_the_time_of_day():
    with zipfile.ZipFile(io.BytesIO(reference.packed({'a': np.zeros(3)}))) as archive:
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


def test_the_script_unpickles_arrays_and_nothing_else():
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    state = (1, array.shape, array.dtype, False, array.tobytes())

    class Old:  # An array as numpy pickled it in 2019.
        def __reduce__(self):
            return np.core.multiarray._reconstruct, (np.ndarray, (0,), b'b'), state

    found = reference._Unpickler(io.BytesIO(pickle.dumps({'conv1': [Old()]}, protocol=3))).load()
    np.testing.assert_array_equal(found['conv1'][0], array)
    with pytest.raises(pickle.UnpicklingError, match='system is not part of an array'):
        reference._Unpickler(io.BytesIO(pickle.dumps(os.system))).load()


@pytest.mark.parametrize('name', NEEDS_NOTHING)
def test_grey_is_seen_as_the_same_picture_in_colour(name):
    grey = smooth_images(3, 32, channels=1)
    extractor = registry.make(name)
    found, expected = extractor.extract(grey), extractor.extract(grey.repeat(3, axis=-1))
    for layer in extractor.layers:
        np.testing.assert_allclose(found[layer], expected[layer], rtol=1e-5, atol=1e-6)


def test_squeezenet_sees_past_the_number_of_pixels(squeezenet):
    large = smooth_images(4, 128)
    small = np.round(large.reshape(4, 64, 2, 64, 2, 3).mean(axis=(2, 4))).astype(np.uint8)
    for layer in squeezenet.layers:
        alike = _cosines(squeezenet.extract(small)[layer], squeezenet.extract(large)[layer])
        assert (alike.argmax(axis=1) == np.arange(4)).all()
        assert np.diag(alike).min() > 0.98


def test_the_late_layer_as_plain_operations_is_the_same(squeezenet):
    """A page runs them in a browser."""
    pixels = smooth_images(3, 40)
    resized = tf.image.resize(pixels.astype(np.float32), [squeezenet_module.SIDE] * 2).numpy()
    pictures = (resized[..., ::-1] - np.array(squeezenet_module.MEAN_BGR)).astype(np.float32)
    found = operations.run(squeezenet.network(), pictures)
    np.testing.assert_allclose(found, squeezenet.extract(pixels)['fire9'], rtol=1e-3, atol=1e-3)


def test_early_features_know_where_in_the_picture_a_colour_is_and_late_ones_do_not(squeezenet):
    picture = np.full((1, 64, 64, 3), 255, np.uint8)
    picture[:, 8:24, 8:24] = (200, 30, 30)
    mirrored = picture[:, :, ::-1]
    early, late = (
        float(_cosines(squeezenet.extract(picture)[layer], squeezenet.extract(mirrored)[layer])[0, 0])
        for layer in (squeezenet.early, squeezenet.late)
    )
    assert early < 0.95 < late


def _cosines(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    a, b = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (a, b))
    return a @ b.T


@pytest.mark.parametrize('name', NEEDS_NOTHING)
def test_features_are_the_same_inside_the_session_of_a_training_run(name):
    pictures, extractor, found = smooth_images(2, 32), registry.make(name), []

    class Hook(tf.estimator.SessionRunHook):
        def after_run(self, run_context, run_values):
            found.append(extraction.of_pixels(pictures, extractor))

    with tf.Graph().as_default() as graph:
        v1.train.create_global_step()
        step = v1.assign_add(v1.train.get_global_step(), 1)
        with v1.train.MonitoredSession(hooks=[Hook()]) as session:
            operations = len(graph.get_operations())
            session.run(step)
            session.run(step)
            assert len(graph.get_operations()) == operations
    assert len(found) == 2
    for layer, expected in extractor.extract(pictures).items():
        for features in found:
            np.testing.assert_array_equal(features[layer], expected)


class Means(Extractor):
    """Two numbers for each picture: enough to follow pictures through batches and files."""

    name, version, title = 'means', '1', 'the mean of each picture'
    batch = 8
    layers = ('mean', 'both')

    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        mean = pixels.astype(np.float32).mean(axis=(1, 2, 3))[:, None]
        return {'mean': mean, 'both': np.concatenate([mean, -mean], axis=1)}


def test_batches_are_put_together_in_order():
    pictures, ticks = smooth_images(19, 32), []
    found = extraction.of_pixels(pictures, Means(), ticks.append)
    np.testing.assert_allclose(found['mean'][:, 0], pictures.mean(axis=(1, 2, 3)), rtol=1e-5)
    np.testing.assert_array_equal(found['both'], found['mean'] * [1, -1])
    assert ticks == [8, 16, 19]


def test_the_default_needs_no_weights_and_is_the_first_choice():
    assert next(iter(registry.EXTRACTORS)) == registry.DEFAULT
    extractor = registry.make(registry.DEFAULT)
    assert (extractor.early, extractor.late) == ('fire3', 'fire9')
    assert extractor.name == registry.DEFAULT


def test_what_is_no_extractor_is_refused():
    with pytest.raises(errors.UserError, match="no feature extractor 'vgg': choose one of squeezenet, vgg16, inc"):
        registry.make('vgg')


@pytest.mark.parametrize('name', NEEDS_NOTHING)
def test_weights_for_what_has_its_own_are_refused(name):
    with pytest.raises(errors.UserError, match=f'--feature_weights=w.h5: {name} takes no weights, leave it out'):
        registry.make(name, 'w.h5')
