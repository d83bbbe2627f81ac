"""The step on four devices: equal to the mean of four single ones, and to Estimator's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Callable, NamedTuple

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.compiler.tf2xla.python import xla

from tests.conftest import smooth_images, tiny_hparams
from tests.dcgan.test_tpu_step import CONDITIONAL, batch, cpu_step
from tests.pjrt.conftest import DEVICES
from trainer.dcgan import noise
from trainer.dcgan.backend import Backend
from trainer.pjrt import lowering
from trainer.pjrt.device import Device, arguments, visit_function

SHARE = 8
HPARAMS = {'compute_dtype': 'float32', 'ema_half_life_kimg': 1.0, 'update': 'joint', **CONDITIONAL}
REPLICA = 'replica'


class Devices(NamedTuple):
    """One device whose number is a variable, `replica`, and four together."""

    single: Device
    four: Device


def replica_id_of_a_variable() -> tf.Tensor:
    with v1.variable_scope('', reuse=v1.AUTO_REUSE):
        variable = v1.get_variable(REPLICA, [], tf.int32, v1.zeros_initializer(), trainable=False)
    return tf.identity(variable.assign_add(0))  # Every variable of a program changes.


def step_seed(_: int, step: tf.Tensor, backend: Backend, stream: int = 0) -> tf.Tensor:
    replica = backend.replica_id() if backend.replica_id else tf.constant(0)
    return tf.stack([tf.cast(step, tf.int32), stream + 16 * replica])


def normal(shape: list[int], seed: tf.Tensor) -> tf.Tensor:
    """Noise by arithmetic: XLA and TensorFlow's own kernels turn the same seed into different numbers."""
    x = tf.cast(tf.range(int(np.prod(shape))), tf.float32) * 0.61803
    x += tf.reduce_sum(tf.cast(seed, tf.float32) * [0.7548, 0.1234])
    return tf.reshape(1.7 * tf.sin(6.28318 * (x - tf.floor(x))), shape)


@pytest.fixture(scope='module')
def arithmetic_noise() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, 'step_seed', step_seed)
        patch.setattr(tf.random, 'stateless_normal', normal)
        yield patch


@pytest.fixture(scope='module')
def devices(jax, arithmetic_noise) -> Devices:
    four = lowering.lower(tiny_hparams(train_batch_size=DEVICES * SHARE, **HPARAMS), DEVICES)
    arithmetic_noise.setattr(xla, 'replica_id', replica_id_of_a_variable)
    single = lowering.lower(tiny_hparams(train_batch_size=SHARE, **HPARAMS), 1)
    found = Devices(Device(single, jax.devices()[:1], 5), Device(four, jax.devices(), 4))
    for device in found:
        device._visit = compiled_well(device)
    return found


def compiled_well(device: Device) -> Callable:
    """As for a user: without the compiler's optimizations sums round more."""
    visit = visit_function(device.program, device._sharding)
    options = {'xla_backend_optimization_level': 3, 'xla_llvm_disable_expensive_passes': False}
    lowered = visit.lower(*arguments(device.program, device._sharding, device.steps))
    return lowered.compile(compiler_options=options)


@pytest.fixture(scope='module')
def start(devices, tmp_path_factory) -> dict[str, np.ndarray]:
    """The variables that Estimator begins with."""
    begin, _ = cpu_step(tiny_hparams(**HPARAMS), str(tmp_path_factory.mktemp('start')), steps=0)
    return begin


def pixels(steps: int, count: int) -> np.ndarray:
    """uint8 [steps, count, 32, 32, 3], the same for each step, as `cpu_step` takes them."""
    return np.repeat(smooth_images(count, 32)[None], steps, axis=0)


def after(device: Device, start: dict[str, np.ndarray], *visits: np.ndarray, last_step: int = 100, replica: int = 0):
    """Name -> value in each replica, after visits from `start`."""
    device.begin(last_step)
    device.load({**start, REPLICA: np.int32(replica)})
    step = 0
    for visit in visits:
        labels = batch(tiny_hparams(**HPARAMS), visit.shape[1])['labels'].numpy()
        taken, *scalars = device.visit(np.array([device.put(images, labels) for images in visit]), step)
        assert np.isfinite(scalars).all()
        step += taken
    found = {variable.name: np.asarray(value) for variable, value in zip(device.program.variables, device._state)}
    assert found['global_step'].tolist() == [step] * device.program.replicas
    return found


def test_four_replicas_take_the_mean_of_four_single_steps(devices, start):
    """Adam's first moment after a step from 0 is the gradient times a constant. Statistics stay a replica's own."""
    images = pixels(1, DEVICES * SHARE)
    found = after(devices.four, start, images)
    parts = np.split(images, DEVICES, axis=1)
    singles = [after(devices.single, start, part, replica=number) for number, part in enumerate(parts)]
    moments = [name for name in found if name.endswith('/Adam')]
    assert len(moments) == 33
    for name in moments:
        mean = np.mean([single[name][0] for single in singles], axis=0, dtype=np.float64)
        layer = name.split('_optimizer/')[1].rpartition('/Adam')[0].rpartition('/')[0]
        largest = max(np.abs(found[other]).max() for other in moments if layer in other)
        if name.endswith('/kernel/Adam'):
            assert np.linalg.norm(found[name][0] - mean) < 1e-6 * np.linalg.norm(mean), name
        # Before a batch norm the gradient of a bias is rounding noise of a sum over thousands of pixels.
        np.testing.assert_allclose(found[name][0], mean, rtol=0, atol=5e-6 * largest, err_msg=name)
        assert np.abs(singles[0][name] - singles[1][name]).max() > 0
    for name, copies in found.items():
        if '/moving_' in name:
            own = np.stack([single[name][0] for single in singles])
            np.testing.assert_allclose(copies, own, rtol=1e-5, atol=1e-6, err_msg=name)
        else:
            assert all(np.array_equal(copies[0], copy) for copy in copies), name


@pytest.mark.parametrize('steps', [1, 5])
def test_the_step_is_that_of_estimator(steps, devices, start, tmp_path):
    hparams = tiny_hparams(**HPARAMS)
    _, expected = cpu_step(hparams, str(tmp_path), steps)
    found = after(devices.single, start, pixels(steps, SHARE))
    assert set(found) == {*expected, REPLICA}
    kernels = [name for name in expected if name.endswith('/kernel')]
    for name in kernels:
        difference = np.linalg.norm(found[name][0] - expected[name]) / np.linalg.norm(expected[name])
        assert difference < 1e-5, name


def test_many_steps_in_a_visit_are_as_many_visits(devices, start):
    images = pixels(4, DEVICES * SHARE) + np.arange(4, dtype=np.uint8)[:, None, None, None, None]
    at_once = after(devices.four, start, images)
    one_by_one = after(devices.four, start, *images[:, None])
    assert all(np.array_equal(at_once[name], one_by_one[name]) for name in at_once)
    shorter = after(devices.four, start, images[:3], images[:3], last_step=4)
    same_images = after(devices.four, start, images[:3], images[:1])
    assert shorter['global_step'][0] == 4
    assert all(np.array_equal(shorter[name], same_images[name]) for name in shorter)
