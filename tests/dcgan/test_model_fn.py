from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import SHIPPED, smooth_images, tiny_hparams
from trainer.dcgan import losses, model_fn, networks, scalars
from trainer.dcgan.hparams import JOINT

TRAIN, EVAL, PREDICT = tf.estimator.ModeKeys.TRAIN, tf.estimator.ModeKeys.EVAL, tf.estimator.ModeKeys.PREDICT


def build(mode: str, tmp_path, **changes):
    """The spec of one mode, in the current graph, with a batch of 8 smooth images."""
    hparams = tiny_hparams(**changes)
    v1.train.create_global_step()
    features = {'images': tf.constant(smooth_images(8, hparams.image_size, hparams.channels))}
    if mode == PREDICT:
        features = {'noise': tf.zeros([8, hparams.noise_dim])}
    params = {'hparams': hparams, 'use_tpu': False, 'batch_size': 8, 'writer': {'logdir': str(tmp_path)}}
    config = v1.estimator.tpu.RunConfig(model_dir=str(tmp_path))
    return model_fn.model_fn(features, None, mode, params, config)


def run_steps(tmp_path, steps: int, **changes) -> tuple[list[dict], dict, dict]:
    """Trains a few steps; returns the scalars of each, and all variables before and after."""
    with tf.Graph().as_default(), v1.Session() as session:
        v1.set_random_seed(1)
        spec = build(TRAIN, tmp_path, **changes)
        told = {tensor.op.name: tensor for tensor in v1.get_collection(scalars.COLLECTION)}
        variables = {variable.op.name: variable for variable in v1.global_variables()}
        session.run(v1.global_variables_initializer())
        before = session.run(variables)
        history = [session.run((told, spec.train_op))[0] for _ in range(steps)]
        return history, before, session.run(variables)


def test_every_trainable_variable_belongs_to_exactly_one_network(tmp_path):
    with tf.Graph().as_default():
        build(TRAIN, tmp_path, **SHIPPED)
        generator, discriminator = (
            {variable.name for variable in v1.trainable_variables(f'{network}/')}
            for network in (networks.GENERATOR, networks.DISCRIMINATOR)
        )
        assert generator
        assert discriminator
        assert not generator & discriminator
        assert generator | discriminator == {variable.name for variable in v1.trainable_variables()}


def test_optimizer_state_is_named_after_its_network(tmp_path):
    with tf.Graph().as_default():
        build(TRAIN, tmp_path, **SHIPPED)
        names = {variable.op.name for variable in v1.global_variables()}
    powers = {name for name in names if 'beta1_power' in name}
    assert powers == {'generator_optimizer/beta1_power', 'discriminator_optimizer/beta1_power'}


def ancestors(op: tf.Operation) -> set[tf.Operation]:
    """All operations that have run when `op` runs."""
    found, left = set(), [op]
    while left:
        op = left.pop()
        new = {*(tensor.op for tensor in op.inputs), *op.control_inputs} - found
        found |= new
        left += new
    return found


@pytest.mark.parametrize('update', ['alternating', JOINT])
def test_no_step_leaves_to_chance_what_is_read_before_it_is_written(tmp_path, update):
    adapts = {'augment_target': 0.6, 'augment_after_kimg': 0.016, 'augment': 'cutout'}
    with tf.Graph().as_default():
        spec = build(TRAIN, tmp_path, **{**SHIPPED, **adapts, 'update': update})
        told = [*v1.get_collection(scalars.COLLECTION), *spec.host_call[1].values()]
        ran = set().union(*(ancestors(op) | {op} for op in (spec.train_op, *(tensor.op for tensor in told))))
        earlier = {op: ancestors(op) for op in ran if any(tensor.dtype == tf.resource for tensor in op.inputs)}
    unordered = [
        (write.name, other.name)
        for write in earlier
        if 'Assign' in write.type or 'ResourceApply' in write.type
        for other in earlier
        if other is not write and set(resources(write)) & set(resources(other))
        if other not in earlier[write] and write not in earlier[other]
    ]
    assert len(earlier) > 100
    assert not unordered


def resources(op: tf.Operation) -> list[str]:
    return [tensor.op.name for tensor in op.inputs if tensor.dtype == tf.resource]


def test_one_step_moves_everything_once(tmp_path):
    _, before, after = run_steps(tmp_path, steps=1, **SHIPPED)
    assert after['global_step'] == before['global_step'] + 1
    still = [name for name in before if np.array_equal(before[name], after[name])]
    assert still == ['augmentation/share']  # It moves once D overfits.


@pytest.mark.parametrize('network', [networks.GENERATOR, networks.DISCRIMINATOR])
def test_each_optimizer_moves_its_own_network_only(tmp_path, network):
    with tf.Graph().as_default(), v1.Session() as session:
        build(TRAIN, tmp_path, update=JOINT)  # In an alternating update the generator's waits for the discriminator's.
        variables = {variable.op.name: variable for variable in v1.trainable_variables()}
        session.run(v1.global_variables_initializer())
        before = session.run(variables)
        session.run(v1.get_default_graph().get_operation_by_name(f'{network}_optimizer/Adam'))
        after = session.run(variables)
    moved = {name.split('/')[0] for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {network}


@pytest.mark.usefixtures('grappler')
@pytest.mark.parametrize('loss', losses.LOSSES)
def test_every_loss_trains(tmp_path, loss):
    penalty = 10.0 if losses.LOSSES[loss].needs_gradient_penalty else 0.0
    history, _, after = run_steps(tmp_path, steps=3, loss=loss, gradient_penalty=penalty, **SHIPPED)
    assert all(np.isfinite(value) for scalars in history for value in scalars.values())
    assert all(np.isfinite(value).all() for value in after.values())


def test_the_discriminator_learns_to_tell_one_batch_from_noise(tmp_path):
    history, _, _ = run_steps(tmp_path, steps=20, learning_rate=2e-3, g_learning_rate=1e-6, augment='none')
    assert history[-1]['scalars/discriminator_loss'] < 0.5 * history[0]['scalars/discriminator_loss']
    assert history[-1]['scalars/D_real'] > history[-1]['scalars/D_fake'] + 0.3


def test_augmentation_begins_when_it_is_time(tmp_path):
    plain, _, _ = run_steps(tmp_path, steps=3, augment='none')
    late, _, _ = run_steps(tmp_path, steps=3, augment='cutout', augment_after_kimg=0.016)  # Two batches of 8.
    assert late[:2] == plain[:2]
    assert late[2] != plain[2]


def test_bfloat16_keeps_variables_in_float32_and_follows_float32(tmp_path):
    exact, _, _ = run_steps(tmp_path, steps=1, **SHIPPED)
    rounded, before, after = run_steps(tmp_path, steps=1, compute_dtype='bfloat16', **SHIPPED)
    assert {value.dtype for name, value in before.items() if name != 'global_step'} == {np.dtype('float32')}
    assert rounded[0]['scalars/discriminator_loss'] == pytest.approx(exact[0]['scalars/discriminator_loss'], rel=0.02)
    assert np.isfinite(after['generator/dense/kernel']).all()


def test_the_same_seed_gives_the_same_run(tmp_path):
    first, again = (run_steps(tmp_path, steps=3, **SHIPPED)[0] for _ in range(2))
    assert first == again


def test_evaluation_and_prediction_use_moving_averages(tmp_path):
    for mode in (EVAL, PREDICT):
        with tf.Graph().as_default() as graph:
            build(mode, tmp_path)
            norms = [op for op in graph.get_operations() if op.type == 'FusedBatchNormV3']
            assert norms
            assert not any(op.get_attr('is_training') for op in norms)


def test_predictions_are_uint8_images(tmp_path):
    with tf.Graph().as_default():
        predictions = build(PREDICT, tmp_path).predictions
        assert (predictions['images'].dtype, predictions['images'].shape) == (tf.uint8, [8, 32, 32, 3])
