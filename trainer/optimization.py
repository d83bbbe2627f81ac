"""One joint step of Adam (Kingma and Ba 2015, arXiv:1412.6980) on both networks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import ema, networks
from trainer.updates import Updates

Gradients = Sequence[tuple[tf.Tensor, tf.Variable]]

_ADAM_BETA2 = 0.999
_NETWORKS = (networks.DISCRIMINATOR, networks.GENERATOR)


def joint_step(
    discriminator_loss: tf.Tensor,
    generator_loss: tf.Tensor | None,
    params: dict[str, Any],
    updates: Mapping[str, Updates],
) -> tf.Operation:
    """Moves both networks, from gradients taken before either moves, and then all that follows them; counts the step.

    Args:
      discriminator_loss: scalar.
      generator_loss: scalar; None where the discriminator's loss gives the generator its gradient too (`losses.turn`).
      params: of the model_fn.
      updates: by network, what the passes of this step have collected.
    """
    hparams = params['hparams']
    optimizers = {network: _adam(network, params) for network in _NETWORKS}
    variables = {network: v1.trainable_variables(f'{network}/') for network in _NETWORKS}
    gradients = _gradients(discriminator_loss, generator_loss, optimizers, variables)
    steps = []
    for network in _NETWORKS:
        with v1.variable_scope(_scope(network)):
            steps += [optimizers[network].apply_gradients(gradients[network]), *updates[network].ops()]
    global_step = v1.train.get_global_step()
    if hparams.ema_half_life_kimg:
        with tf.control_dependencies(steps):
            generator = variables[networks.GENERATOR]
            steps += ema.update(generator, global_step, hparams.train_batch_size, hparams.ema_half_life_kimg)
    with tf.control_dependencies(steps):
        return v1.assign_add(global_step, 1).op


def _scope(network: str) -> str:
    """Names Adam's accumulators after the network.

    Otherwise they are numbered by creation order, and a later version that swaps the two calls would swap them on
    resume without a word.
    """
    return f'{network}_optimizer'


def _adam(network: str, params: dict[str, Any]) -> v1.train.Optimizer:
    hparams = params['hparams']
    own = {networks.DISCRIMINATOR: hparams.d_learning_rate, networks.GENERATOR: hparams.g_learning_rate}
    optimizer = v1.train.AdamOptimizer(own[network] or hparams.learning_rate, hparams.beta1, _ADAM_BETA2)
    return v1.tpu.CrossShardOptimizer(optimizer) if params['use_tpu'] else optimizer


def _gradients(
    discriminator_loss: tf.Tensor,
    generator_loss: tf.Tensor | None,
    optimizers: Mapping[str, v1.train.Optimizer],
    variables: Mapping[str, list[tf.Variable]],
) -> dict[str, Gradients]:
    discriminator, generator = _NETWORKS
    if generator_loss is not None:
        players = ((discriminator, discriminator_loss), (generator, generator_loss))
        return {network: optimizers[network].compute_gradients(loss, variables[network]) for network, loss in players}
    found = optimizers[discriminator].compute_gradients(
        discriminator_loss, [*variables[discriminator], *variables[generator]]
    )
    count = len(variables[discriminator])
    return {discriminator: found[:count], generator: found[count:]}
