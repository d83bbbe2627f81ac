"""The model_fn: one joint step of generator and discriminator, the same graph on CPU and TPU."""

from __future__ import annotations

import enum
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import augmentation, images, losses, networks, noise, optimization, scalars
from trainer.hparams import HParams
from trainer.penalties import PENALTIES
from trainer.updates import Updates

tpu = v1.estimator.tpu


class _Stream(enum.IntEnum):
    """What random numbers of a step are for; each use has its own."""

    NOISE, PENALTY, FLIP, AUGMENT_REAL, AUGMENT_FAKE = range(5)


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
      The spec; predictions are {'images': uint8 [B, H, W, C]}, by the trained weights: `sampler` has their average.
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
    loss = losses.LOSSES[hparams.loss]
    updates = {network: Updates() for network in (networks.GENERATOR, networks.DISCRIMINATOR)}
    real, fake = _real_and_fake(pixels, params, updates[networks.GENERATOR])
    slope_ratio = loss.slope_ratio if networks.judges_images_alone(hparams.architecture) else None
    if slope_ratio:
        fake = losses.turn(fake, lambda: slope_ratio(fake_logits))
    real, fake = _augment(real, fake, params)
    real_logits = _discriminate(real, params, updates[networks.DISCRIMINATOR])
    fake_logits = _discriminate(fake, params, updates[networks.DISCRIMINATOR])
    discriminator_loss, generator_loss = _losses(real_logits, fake_logits, hparams)
    discriminator_loss += _penalties(real, tf.stop_gradient(fake), params, updates[networks.DISCRIMINATOR])
    train_op = optimization.joint_step(discriminator_loss, None if slope_ratio else generator_loss, params, updates)
    found = scalars.of_step(real_logits, fake_logits, discriminator_loss, generator_loss, hparams.loss)
    if not params['use_tpu']:
        scalars.collect(found)
    return tpu.TPUEstimatorSpec(
        tf.estimator.ModeKeys.TRAIN,
        loss=discriminator_loss + generator_loss,
        train_op=train_op,
        host_call=scalars.host_call(found, params['summary_dir'], config.save_summary_steps),
    )


def _eval_spec(pixels: tf.Tensor, params: dict[str, Any]) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Evaluates the two players, with moving averages of batch norm, on images as they are."""
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


def _real_and_fake(pixels: tf.Tensor, params: dict[str, Any], updates: Updates | None) -> tuple[tf.Tensor, tf.Tensor]:
    z = tf.random.stateless_normal([pixels.shape[0], params['hparams'].noise_dim], _seed(params, _Stream.NOISE))
    return images.to_model_range(pixels), _generate(z, params, updates)


def _augment(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """What the discriminator sees of either."""
    hparams = params['hparams']
    if hparams.flip:
        real = augmentation.flip(real, _seed(params, _Stream.FLIP))
    return _change(real, params, _Stream.AUGMENT_REAL), _change(fake, params, _Stream.AUGMENT_FAKE)


def _change(x: tf.Tensor, params: dict[str, Any], stream: _Stream) -> tf.Tensor:
    hparams = params['hparams']
    begun = v1.train.get_global_step() >= hparams.augment_after_steps
    return augmentation.augment(x, hparams.augmentations, _seed(params, stream), begun)


def _seed(params: dict[str, Any], stream: _Stream) -> tf.Tensor:
    return noise.step_seed(params['hparams'].seed, v1.train.get_global_step(), params['use_tpu'], stream)


def _generate(z: tf.Tensor, params: dict[str, Any], updates: Updates | None) -> tf.Tensor:
    return networks.generator(z, params['hparams'].architecture, updates, _dtype(params), params['use_tpu'])


def _discriminate(x: tf.Tensor, params: dict[str, Any], updates: Updates | None) -> tf.Tensor:
    return networks.discriminator(x, params['hparams'].architecture, updates, _dtype(params), params['use_tpu'])


def _dtype(params: dict[str, Any]) -> str:
    chosen = params['hparams'].compute_dtype
    if chosen == 'auto':
        return 'bfloat16' if params['use_tpu'] else 'float32'
    return chosen


def _losses(real_logits: tf.Tensor, fake_logits: tf.Tensor, hparams: HParams) -> tuple[tf.Tensor, tf.Tensor]:
    losses.check_logits(real_logits, fake_logits)
    loss = losses.LOSSES[hparams.loss]
    return loss.discriminator(real_logits, fake_logits, 1.0 - hparams.label_smoothing), loss.generator(fake_logits)


def _penalties(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any], updates: Updates) -> tf.Tensor:
    """The sum of those that have a weight."""

    def critic(x: tf.Tensor) -> tf.Tensor:
        # Mixed images must not enter the discriminator's statistics.
        return _discriminate(x, params, updates.without_statistics())

    weights = {name: getattr(params['hparams'], name) for name in PENALTIES}
    seed = _seed(params, _Stream.PENALTY)
    terms = [weight * PENALTIES[name](critic, real, fake, seed) for name, weight in weights.items() if weight]
    return tf.add_n([tf.zeros([]), *terms])
