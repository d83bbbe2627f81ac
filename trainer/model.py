"""The model_fn: one joint step of generator and discriminator, the same graph on CPU and TPU."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import images, layers, losses, networks, noise, storage
from trainer.hparams import HParams

tpu = v1.estimator.tpu

# Graph collection through which hooks on the CPU find the scalars of the step; a TPU's go through host_call only.
SCALARS = 'scalars'
_ADAM_BETA2 = 0.999


def model_fn(
    features: dict[str, tf.Tensor], labels: None, mode: str, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Builds the graph of one mode.

    Args:
      features: 'images' uint8 [B, H, W, C] to train and evaluate, 'noise' float32 [B, noise_dim] to predict.
      labels: unused; a DCGAN is unconditional.
      mode: an Estimator mode key.
      params: 'hparams', an HParams; 'summary_dir', where the scalars of each step go; TPUEstimator's own keys.
      config: tells how often there are summaries.

    Returns:
      The spec; predictions are {'images': uint8 [B, H, W, C]}.
    """
    if mode == tf.estimator.ModeKeys.PREDICT:
        generated = _generate(features['noise'], params, None)
        return tpu.TPUEstimatorSpec(mode, predictions={'images': images.to_uint8(generated)})
    if mode == tf.estimator.ModeKeys.EVAL:
        return _eval_spec(features['images'], params)
    return _train_spec(features['images'], params, config)


def _train_spec(
    pixels: tf.Tensor, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    hparams = params['hparams']
    generator_averages, discriminator_averages = layers.MovingAverages(), layers.MovingAverages()
    real, fake = _real_and_fake(pixels, params, generator_averages)
    real_logits = _discriminate(real, params, discriminator_averages)
    fake_logits = _discriminate(fake, params, discriminator_averages)
    discriminator_loss, generator_loss = _losses(real_logits, fake_logits, hparams)
    if hparams.gradient_penalty:
        discriminator_loss += hparams.gradient_penalty * _penalty(real, fake, params)
    # Both gradients are taken before either update, so that the two players move at the same time.
    train_ops = [
        _minimize(discriminator_loss, networks.DISCRIMINATOR, params, discriminator_averages),
        _minimize(generator_loss, networks.GENERATOR, params, generator_averages),
    ]
    with tf.control_dependencies(train_ops):
        train_op = v1.assign_add(v1.train.get_global_step(), 1).op
    scalars = _scalars(real_logits, fake_logits, discriminator_loss, generator_loss, hparams)
    if not params['use_tpu']:
        for name, value in scalars.items():
            v1.add_to_collection(SCALARS, tf.identity(value, name=f'scalars/{name}'))
    return tpu.TPUEstimatorSpec(
        tf.estimator.ModeKeys.TRAIN,
        loss=discriminator_loss + generator_loss,
        train_op=train_op,
        host_call=_host_call(scalars, params['summary_dir'], config.save_summary_steps),
    )


def _eval_spec(pixels: tf.Tensor, params: dict[str, Any]) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Evaluates with moving averages, as the networks will be used."""
    hparams = params['hparams']
    real, fake = _real_and_fake(pixels, params, None)
    real_logits, fake_logits = _discriminate(real, params, None), _discriminate(fake, params, None)
    discriminator_loss, generator_loss = _losses(real_logits, fake_logits, hparams)
    score = losses.LOSSES[hparams.loss].score

    def metric_fn(real_score: tf.Tensor, fake_score: tf.Tensor) -> dict:
        return {'D(real)': v1.metrics.mean(real_score), 'D(fake)': v1.metrics.mean(fake_score)}

    return tpu.TPUEstimatorSpec(
        tf.estimator.ModeKeys.EVAL,
        loss=discriminator_loss + generator_loss,
        eval_metrics=(metric_fn, [score(real_logits), score(fake_logits)]),
    )


def _real_and_fake(
    pixels: tf.Tensor, params: dict[str, Any], averages: layers.MovingAverages | None
) -> tuple[tf.Tensor, tf.Tensor]:
    hparams = params['hparams']
    seed = noise.step_seed(hparams.seed, v1.train.get_global_step(), params['use_tpu'])
    z = tf.random.stateless_normal([pixels.shape[0], hparams.noise_dim], seed)
    return images.to_model_range(pixels), _generate(z, params, averages)


def _generate(z: tf.Tensor, params: dict[str, Any], averages: layers.MovingAverages | None) -> tf.Tensor:
    return networks.generator(z, params['hparams'].architecture, averages, _dtype(params), params['use_tpu'])


def _discriminate(x: tf.Tensor, params: dict[str, Any], averages: layers.MovingAverages | None) -> tf.Tensor:
    return networks.discriminator(x, params['hparams'].architecture, averages, _dtype(params), params['use_tpu'])


def _dtype(params: dict[str, Any]) -> str:
    chosen = params['hparams'].compute_dtype
    if chosen == 'auto':
        return 'bfloat16' if params['use_tpu'] else 'float32'
    return chosen


def _losses(real_logits: tf.Tensor, fake_logits: tf.Tensor, hparams: HParams) -> tuple[tf.Tensor, tf.Tensor]:
    losses.check_logits(real_logits, fake_logits)
    loss = losses.LOSSES[hparams.loss]
    return loss.discriminator(real_logits, fake_logits, 1.0 - hparams.label_smoothing), loss.generator(fake_logits)


def _penalty(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any]) -> tf.Tensor:
    seed = noise.step_seed(params['hparams'].seed, v1.train.get_global_step(), params['use_tpu'], stream=1)
    mix = tf.random.stateless_uniform([real.shape[0], 1, 1, 1], seed)
    # These averages are dropped: mixed images must not enter the discriminator's statistics.
    return losses.gradient_penalty(lambda x: _discriminate(x, params, layers.MovingAverages()), real, fake, mix)


def _minimize(loss: tf.Tensor, network: str, params: dict[str, Any], averages: layers.MovingAverages) -> tf.Operation:
    """One Adam step on the variables of one network, together with its moving averages."""
    hparams = params['hparams']
    # A scope of its own names Adam's accumulators after the network; otherwise they are numbered by creation order,
    # and a later version that swaps the two calls would swap them on resume without a word.
    with v1.variable_scope(f'{network}_optimizer'):
        optimizer = v1.train.AdamOptimizer(hparams.learning_rate, hparams.beta1, _ADAM_BETA2)
        if params['use_tpu']:
            optimizer = v1.tpu.CrossShardOptimizer(optimizer)
        gradients = optimizer.compute_gradients(loss, v1.trainable_variables(f'{network}/'))
        return tf.group(optimizer.apply_gradients(gradients), *averages.update_ops())


def _scalars(
    real_logits: tf.Tensor,
    fake_logits: tf.Tensor,
    discriminator_loss: tf.Tensor,
    generator_loss: tf.Tensor,
    hparams: HParams,
) -> dict[str, tf.Tensor]:
    loss = losses.LOSSES[hparams.loss]
    scalars = {
        'discriminator_loss': discriminator_loss,
        'generator_loss': generator_loss,
        'D_real': tf.reduce_mean(loss.score(real_logits)),
        'D_fake': tf.reduce_mean(loss.score(fake_logits)),
    }
    if loss.boundary is not None:
        scalars['D_real_sign'] = tf.reduce_mean(tf.sign(real_logits - loss.boundary))
    return scalars


def _host_call(scalars: dict[str, tf.Tensor], folder: str, every: int) -> tuple:
    """Writes the scalars for TensorBoard from the host, where a TPU program cannot."""
    step = v1.train.get_global_step()
    # To a bucket, each flush is an upload of the whole file.
    buffering = dict(max_queue=10_000, flush_millis=600_000) if storage.is_remote(folder) else {}

    def write(global_step: tf.Tensor, **values: tf.Tensor) -> list[tf.Operation]:
        step = global_step[0]
        due = tf.equal(step % every, 0)  # In a graph, == compares the tensor objects.
        with tf.summary.create_file_writer(folder, **buffering).as_default(), tf.summary.record_if(due):
            for name, value in values.items():
                tf.summary.scalar(name, tf.reduce_mean(value), step=step)
            return v1.summary.all_v2_summary_ops()

    # The outfeed joins the cores' values along the batch dimension, so each tensor needs one.
    tensors = {name: tf.reshape(value, [1]) for name, value in scalars.items()}
    return write, {'global_step': tf.reshape(step, [1]), **tensors}
