from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import SHIPPED
from tests.dcgan.test_model_fn import TRAIN, build, run_steps
from trainer.dcgan import networks, normalization
from trainer.dcgan.hparams import JOINT
from trainer.dcgan.updates import Updates


def sigma(kernel: np.ndarray) -> float:
    """The largest singular value of a kernel as a matrix of one column for each filter."""
    return np.linalg.svd(kernel.reshape(-1, kernel.shape[-1]), compute_uv=False)[0]


def test_the_kernels_in_use_have_a_largest_singular_value_of_one(tmp_path):
    """After some training steps, with one power iteration per step."""
    with tf.Graph().as_default() as graph, v1.Session() as session:
        v1.set_random_seed(1)
        train_op = build(TRAIN, tmp_path, discriminator_norm=normalization.SPECTRAL, update=JOINT, **SHIPPED).train_op
        operations = [op for op in graph.get_operations() if op.name.startswith('discriminator')]
        quotients = [op for op in operations if op.type == 'RealDiv']
        session.run(v1.global_variables_initializer())
        for _ in range(60):
            session.run(train_op)
        used = session.run([op.outputs[0] for op in quotients])
    sigmas = [sigma(kernel) for kernel in used if kernel.ndim > 1 and kernel.shape[-1] > 1]
    assert len(sigmas) == 3  # Of the convolutions; the dense layer's kernel is a vector, whose length is exact.
    assert sigmas == pytest.approx([1.0] * 3, abs=0.05)


def test_the_power_iteration_finds_the_largest_singular_value():
    kernel = np.random.default_rng(0).normal(size=[3, 3, 4, 6]).astype(np.float32)
    with tf.Graph().as_default(), v1.Session() as session:
        updates = Updates()
        with v1.variable_scope('layer'):
            used = normalization.spectral(tf.constant(kernel), updates)
        session.run(v1.global_variables_initializer())
        for _ in range(50):
            session.run(updates.ops())
        np.testing.assert_allclose(session.run(used), kernel / sigma(kernel), rtol=1e-4)


def test_real_and_fake_pass_share_one_iteration(tmp_path):
    with tf.Graph().as_default() as graph:
        build(TRAIN, tmp_path, discriminator_norm=normalization.SPECTRAL, update=JOINT)
        reads = [op.inputs[0].op.name for op in graph.get_operations() if op.name.endswith('MatMul/ReadVariableOp')]
        assigned = [op.inputs[0].op.name for op in graph.get_operations() if op.type == 'AssignVariableOp']
    layers = {f'discriminator/{layer}/u' for layer in ('conv0', 'conv1', 'conv2', 'dense')}
    assert sorted(name for name in reads if name in layers) == sorted(layers)
    # Once at initialisation, and once per step.
    assert sorted(name for name in assigned if name in layers) == sorted([*layers, *layers])


def test_what_is_trained_does_not_depend_on_the_length_of_a_kernel():
    """The gradient is orthogonal to the kernel, because the kernel is divided by its own size."""
    kernel = tf.constant(np.random.default_rng(0).normal(size=[8, 1]), tf.float32)

    @tf.function
    def slope():
        with v1.variable_scope('dense', reuse=v1.AUTO_REUSE):
            used = normalization.spectral(kernel, None)
        (gradient,) = tf.gradients(used, [kernel], grad_ys=[tf.ones([8, 1])])
        return tf.reduce_sum(gradient * kernel)

    assert float(slope()) == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize('norm', normalization.NORMS)
def test_batch_norm_is_where_it_is_asked_for(norm, tmp_path):
    _, before, after = run_steps(tmp_path, steps=1, discriminator_norm=norm)
    names = [name for name in before if name.startswith(f'{networks.DISCRIMINATOR}/')]
    assert any('/norm' in name for name in names) == (norm == 'batch')
    assert any(name.endswith('/u') for name in names) == (norm == 'spectral')
    assert all(np.isfinite(value).all() for value in after.values())
