"""The TPU's own training step, run through XLA on this machine and compared with the CPU trainer's."""

from __future__ import annotations

import math
from unittest import mock

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.compiler.tf2xla.python import xla

from tests.conftest import SHIPPED, smooth_images, tiny_hparams
from tests.fakes import tpu_program
from trainer.dcgan import backend, input_fn, model_fn, noise
from trainer.dcgan.hparams import HParams
from trainer.machine.preparation import Machine
from trainer.options import RunOptions
from trainer.run.estimator import make_estimator

BATCH, CORES = 8, 8


def batch(hparams: HParams, count: int = BATCH) -> dict[str, tf.Tensor]:
    """What an input_fn yields; of a run with classes, every fourth image has none."""
    images = {'images': tf.constant(smooth_images(count, 32))}
    return {**images, 'labels': tf.range(count) % 4 - 1} if hparams.classes else images


def one_noise_for_all(monkeypatch) -> None:
    """XLA and TensorFlow's own kernels turn the same seed into different numbers, so both get this noise."""
    uniform = np.random.default_rng(2).uniform(size=BATCH * 4).astype(np.float32)
    z = tf.constant(np.random.default_rng(1).normal(size=[BATCH, 8]), tf.float32).numpy()
    monkeypatch.setattr(model_fn.tf.random, 'stateless_normal', lambda *_: tf.constant(z))
    monkeypatch.setattr(
        model_fn.tf.random,
        'stateless_uniform',
        lambda shape, _: tf.reshape(tf.constant(uniform[: math.prod(shape)]), shape),
    )


def cpu_step(hparams: HParams, folder: str, steps: int) -> tuple[dict, dict]:
    """All variables before and after `steps` steps of the CPU trainer's graph."""
    config = make_estimator(hparams, RunOptions(model_dir=folder), Machine(), BATCH).config
    params = {'hparams': hparams, 'batch_size': BATCH, 'use_tpu': False, 'writer': {'logdir': folder}}
    with tf.Graph().as_default():
        v1.set_random_seed(0)  # As Estimator does with the run's seed.
        v1.train.create_global_step()
        train_op = model_fn.model_fn(batch(hparams), None, 'train', params, config).train_op
        named = {variable.op.name: variable for variable in v1.global_variables()}
        with v1.Session(config=config.session_config) as session:
            session.run(v1.global_variables_initializer())
            before = session.run(named)
            for _ in range(steps):
                session.run(train_op)
            return before, session.run(named)


def tpu_step(hparams: HParams) -> tpu_program.XlaStep:
    """The step that each of eight cores takes on `BATCH` images of its own."""
    of_all = HParams(**{**hparams.__dict__, 'train_batch_size': BATCH * CORES})
    return tpu_program.XlaStep(tpu_program.build(of_all, 'train', input_fn.null_input_fn, 'never_written', CORES))


def load(step: tpu_program.XlaStep, values: dict) -> None:
    for name, variable in step.variables.items():
        if name in values:
            variable.assign(values[name])


ARTICLE = {
    'kernel_size': 5, 'generator_norm': 'batch', 'discriminator_norm': 'batch', 'augment': 'none',
    'ema_half_life_kimg': 0.0, 'update': 'joint', 'generator_output': 'deconv', 'augment_target': 0.0,
    'generator_upsampling': 'plain',
}  # fmt: skip
MODULATED = {'generator_norm': 'self_modulated'}
R1 = {'discriminator_norm': 'none', 'r1_gamma': 1.0}
LATE = {'augment': 'cutout', 'augment_after_kimg': 0.001}
SEEN = {'discriminator_input': 'features'}
CONDITIONAL = {'condition': 'labels', 'classes': 3, 'condition_after_kimg': 0.0}
OPTIONS = {
    'default': (SHIPPED, 48),
    'article': (ARTICLE, 26),
    'penalty': ({**ARTICLE, 'loss': 'wasserstein', 'gradient_penalty': 10.0}, 26),
    'relativistic': (
        {**R1, **MODULATED, 'loss': 'relativistic', 'kernel_size': 5, 'augment': 'translation', 'flip': True},
        34,
    ),
    'spectral': (
        {
            'discriminator_norm': 'spectral',
            'minibatch_stddev': True,
            'loss': 'hinge',
            'generator_upsampling': 'filtered',
            **MODULATED,
            **SEEN,
            **LATE,
            **CONDITIONAL,
        },  # fmt: skip
        45,
    ),
}


@pytest.mark.parametrize('changes, count', OPTIONS.values(), ids=OPTIONS)
def test_the_tpu_and_the_cpu_take_the_same_step(changes, count, tmp_path, monkeypatch):
    """Both run in float32, from the same weights, images and noise; only the TPU's step has folded convolutions.

    Adam's first moment after a step is the gradient times a constant. The weights themselves cannot be compared: if a
    gradient is rounding noise, Adam changes its weight by the whole learning rate, in either direction. The gradient
    penalty, which differentiates a gradient, goes through the folded convolutions twice.
    """
    one_noise_for_all(monkeypatch)
    hparams = tiny_hparams(compute_dtype='float32', learning_rate=5e-3, **changes)
    before, after = cpu_step(hparams, str(tmp_path), steps=1)
    step = tpu_step(hparams)
    load(step, before)
    step.step(*batch(hparams).values())
    found = {name: variable.numpy() for name, variable in step.variables.items()}
    assert found['global_step'] == after['global_step'] == 1
    gradients = [name for name in after if name.endswith('/Adam')]
    assert len(gradients) == count
    for name in [*gradients, *(name for name in after if '/moving_' in name)]:
        layer = name.split('/Adam')[0].rpartition('/')[0]
        scale = max(np.abs(after[other]).max() for other in after if other.startswith(layer) and 'Adam_1' not in other)
        # A bias before batch norm has no gradient: its values are rounding errors, summed over thousands of pixels.
        tolerance = 1e-4 if np.abs(after[name]).max() < 1e-4 * scale else 2e-5
        np.testing.assert_allclose(found[name], after[name], rtol=0, atol=tolerance * scale, err_msg=name)
    if changes.get('loss') != 'wasserstein':  # The loss of a critic need not fall.
        assert_it_trains(step, hparams, first=2)


def test_the_tpu_step_trains_in_bfloat16(tmp_path):
    hparams = tiny_hparams(compute_dtype='auto', learning_rate=5e-3, **MODULATED, **CONDITIONAL)
    before, _ = cpu_step(hparams, str(tmp_path), steps=0)
    step = tpu_step(hparams)  # auto is bfloat16 on a TPU.
    load(step, before)
    assert_it_trains(step, hparams, first=1)


def assert_it_trains(step: tpu_program.XlaStep, hparams: HParams, first: int) -> None:
    images = batch(hparams).values()
    sent = np.array([[float(value[0]) for value in step.step(*images)] for _ in range(4)])
    steps, losses = sent[:, 0], sent[:, 1:3]
    np.testing.assert_array_equal(steps, np.arange(first, first + 4))
    assert np.isfinite(losses).all()
    assert losses[3, 0] < losses[0, 0]
    assert len(set(losses[:, 1])) == 4


def test_each_replica_draws_noise_of_its_own():
    """If all replicas had the same noise, a batch of 1,024 would hold 128 distinct images."""
    drawn = set()
    for replica in range(8):
        with mock.patch.object(xla, 'replica_id', lambda replica=replica: tf.constant(replica)):
            of_a_tpu = backend.of({'use_tpu': True, 'hparams': tiny_hparams(), 'batch_size': 1})
            for step in (1, 2):
                for stream in (0, 1):
                    seed = noise.step_seed(0, tf.constant(step, tf.int64), of_a_tpu, stream)
                    drawn.add(tuple(seed.numpy()))
    assert len(drawn) == 8 * 2 * 2
