"""Adam (Kingma and Ba 2015, arXiv:1412.6980) on each network, and the end of a step."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import backend, ema, networks
from trainer.dcgan.backend import Backend
from trainer.dcgan.updates import Updates

Gradients = Sequence[tuple[tf.Tensor, tf.Variable]]

_ADAM_BETA2 = 0.999


def minimize(network: str, loss: tf.Tensor, params: dict[str, Any], updates: Updates) -> list[tf.Operation]:
    """One Adam step on one network, with the updates of its statistics.

    Args:
      network: networks.GENERATOR or networks.DISCRIMINATOR.
      loss: the network's loss, scalar.
      params: of the model_fn.
      updates: the changes that the network's passes of this step have collected.
    """
    optimizer = _adam(network, params)
    gradients = _gradients(optimizer, loss, _variables(network), params)
    return _apply(network, optimizer, gradients, updates)


def minimize_both(loss: tf.Tensor, params: dict[str, Any], updates: Mapping[str, Updates]) -> list[tf.Operation]:
    """One Adam step on both networks, by one backward pass from the discriminator's loss.

    `losses.rescale_gradient` turns the gradient that reaches the generator into that of the generator's loss.
    """
    optimizers = {network: _adam(network, params) for network in (networks.DISCRIMINATOR, networks.GENERATOR)}
    variables = [variable for network in optimizers for variable in _variables(network)]
    found = _gradients(optimizers[networks.DISCRIMINATOR], loss, variables, params)
    count = len(_variables(networks.DISCRIMINATOR))
    gradients = {networks.DISCRIMINATOR: found[:count], networks.GENERATOR: found[count:]}
    return [
        operation
        for network, optimizer in optimizers.items()
        for operation in _apply(network, optimizer, gradients[network], updates[network])
    ]


def finish_step(moved: Sequence[tf.Operation | tf.Tensor], params: dict[str, Any]) -> tf.Tensor:
    """Updates the generator's EMA after all that is `moved`, and counts the step.

    Returns:
      The global step once this step is counted, int64 scalar.
    """
    hparams, steps = params['hparams'], list(moved)
    global_step = v1.train.get_global_step()
    if hparams.ema_half_life_kimg:
        with tf.control_dependencies(steps):
            generator = _variables(networks.GENERATOR)
            steps += ema.update(generator, global_step, hparams.train_batch_size, hparams.ema_half_life_kimg)
    with tf.control_dependencies(steps):
        return tf.identity(v1.assign_add(global_step, 1))


def _variables(network: str) -> list[tf.Variable]:
    return v1.trainable_variables(f'{network}/')


def _gradients(
    optimizer: v1.train.Optimizer, loss: tf.Tensor, variables: Sequence[tf.Variable], params: dict[str, Any]
) -> Gradients:
    """The gradients of the whole batch's mean loss, the same on each replica."""
    of_step = backend.of(params)
    share = loss / of_step.replicas if of_step.replicas > 1 else loss
    return _summed(_without_frozen(optimizer.compute_gradients(share, variables), params), of_step)


def _summed(gradients: Gradients, of_step: Backend) -> Gradients:
    return [(of_step.sum_over_replicas(gradient), variable) for gradient, variable in gradients]


def _without_frozen(gradients: Gradients, params: dict[str, Any]) -> Gradients:
    """Sets the gradients of the discriminator's frozen layers to 0 (FreezeD, Mo et al. 2020, arXiv:2002.10964).

    Adam does not change a variable whose gradients have all been 0. Its accumulators exist nevertheless, so a run may
    unfreeze the layers later.
    """
    frozen = networks.discriminator_scopes(params['hparams'].freeze_d_layers)
    return [(tf.zeros_like(v) if v.name.startswith(frozen) else gradient, v) for gradient, v in gradients]


def _apply(network: str, optimizer: v1.train.Optimizer, gradients: Gradients, updates: Updates) -> list[tf.Operation]:
    # Adam's accumulators are named after the network. Otherwise they would be numbered by creation order, and a later
    # version that swaps the two calls would silently swap them on resume.
    with v1.variable_scope(f'{network}_optimizer'):
        return [optimizer.apply_gradients(gradients), *updates.ops()]


def _adam(network: str, params: dict[str, Any]) -> v1.train.Optimizer:
    hparams = params['hparams']
    own = {networks.DISCRIMINATOR: hparams.d_learning_rate, networks.GENERATOR: hparams.g_learning_rate}
    return v1.train.AdamOptimizer(own[network] or hparams.learning_rate, hparams.beta1, _ADAM_BETA2)
