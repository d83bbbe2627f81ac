"""The model_fn: one step of generator and discriminator, the same graph on CPU and TPU."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.data import images
from trainer.dcgan import adaptive_augmentation, augmentation, backend, losses, networks, noise, optimization, scalars
from trainer.dcgan.hparams import ALTERNATING
from trainer.dcgan.penalties import PENALTIES
from trainer.dcgan.updates import Updates

tpu = v1.estimator.tpu
ByNetwork = Mapping[str, Updates]


class _Stream(enum.IntEnum):
    """The uses of random numbers in a step; each has a stream of its own."""

    NOISE, PENALTY, FLIP, AUGMENT_REAL, AUGMENT_FAKE = range(5)


def model_fn(
    features: dict[str, tf.Tensor], labels: None, mode: str, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Builds the graph of one mode, of TPUEstimator on a CPU or a TPU.

    Args:
      features: 'images' uint8 [B, H, W, C] to train and evaluate, 'noise' float32 [B, noise_dim] to predict.
      labels: unused; a DCGAN is unconditional.
      mode: an Estimator mode key.
      params: 'hparams', an HParams; 'writer', what `scalars.host_call` takes; TPUEstimator's own keys.
      config: says how often summaries are written.

    Returns:
      The spec. Predictions are {'images': uint8 [B, H, W, C]}, made from the trained weights; `sampler` uses the EMA.
    """
    if mode == tf.estimator.ModeKeys.PREDICT:
        generated = _generate(features['noise'], params, None)
        return tpu.TPUEstimatorSpec(mode, predictions={'images': images.to_uint8(generated)})
    if mode == tf.estimator.ModeKeys.EVAL:
        return _eval_spec(features['images'], params)
    step = training_step(features['images'], params)
    if not params['use_tpu']:
        scalars.collect(step.scalars)
    return train_spec(step, v1.train.get_global_step(), params, config)


def train_spec(
    step: TrainingStep, global_step: tf.Tensor, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    """The spec of a training step, which writes its scalars for TensorBoard as those of `global_step`."""
    host_call = scalars.host_call(step.scalars, params['writer'], config.save_summary_steps, global_step)
    return tpu.TPUEstimatorSpec('train', loss=step.loss, train_op=step.train_op, host_call=host_call)


class TrainingStep(NamedTuple):
    """A step of training: its loss, the operation that takes it, and scalars of it by name."""

    loss: tf.Tensor
    train_op: tf.Operation
    scalars: dict[str, tf.Tensor]


def training_step(pixels: tf.Tensor, params: dict[str, Any]) -> TrainingStep:
    """Builds a step of one replica.

    Args:
      pixels: uint8 [B, H, W, C], this replica's part of the batch.
      params: of `model_fn`; or, elsewhere than in TPUEstimator, 'hparams' and 'backend'.
    """
    hparams = params['hparams']
    updates = {network: Updates() for network in (networks.GENERATOR, networks.DISCRIMINATOR)}
    real, fake = _real_and_fake(pixels, params, updates[networks.GENERATOR])
    take_step = _alternating_step if hparams.update == ALTERNATING else _joint_step
    step = take_step(real, fake, params, updates)
    found = scalars.of_step(*step.logits, *step.losses, hparams.loss)
    with tf.control_dependencies(step.moved):  # Else it would be chance whether the old or the new share is read.
        found.update(adaptive_augmentation.scalars_of(hparams))
    return TrainingStep(tf.add_n(step.losses), optimization.finish_step(step.moved, params), found)


class _Step(NamedTuple):
    """The results of a step: logits of real and generated images, losses of D and G, and the update operations."""

    logits: tuple[tf.Tensor, tf.Tensor]
    losses: tuple[tf.Tensor, tf.Tensor]
    moved: list[tf.Operation]


def _alternating_step(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any], updates: ByNetwork) -> _Step:
    """Updates D, then G by the logits of the updated D for the same images (Goodfellow et al. 2014, algorithm 1)."""
    discriminator = updates[networks.DISCRIMINATOR]
    real, fake = _augment(real, fake, params)
    logits = _judge(real, tf.stop_gradient(fake), params, discriminator)
    discriminator_loss = _discriminator_loss(logits, real, fake, params, discriminator)
    moved = optimization.minimize(networks.DISCRIMINATOR, discriminator_loss, params, discriminator)
    with tf.control_dependencies(moved):  # Operations built in here read the updated weights.
        # New `Updates`: the values that the earlier passes share were made from the old weights.
        fake_logits = _discriminate(fake, params, Updates())
        compared = _discriminate(real, params, Updates()) if _loss(params).compares else None
        generator_loss = _loss(params).generator(compared, fake_logits)
    moved = [*moved, *optimization.minimize(networks.GENERATOR, generator_loss, params, updates[networks.GENERATOR])]
    return _Step(logits, (discriminator_loss, generator_loss), moved)


def _joint_step(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any], updates: ByNetwork) -> _Step:
    """Updates both simultaneously, by gradients taken before either update, as in the DCGAN of tensorflow/tpu."""
    discriminator = updates[networks.DISCRIMINATOR]
    slope_ratio = _loss(params).slope_ratio if networks.judges_images_alone(params['hparams'].architecture) else None
    if slope_ratio:
        fake = losses.rescale_gradient(fake, lambda: slope_ratio(logits[1]))
    real, fake = _augment(real, fake, params)
    logits = _judge(real, fake, params, discriminator)
    discriminator_loss = _discriminator_loss(logits, real, fake, params, discriminator)
    generator_loss = _loss(params).generator(*logits)
    if slope_ratio:
        moved = optimization.minimize_both(discriminator_loss, params, updates)
    else:
        moved = [
            *optimization.minimize(networks.DISCRIMINATOR, discriminator_loss, params, discriminator),
            *optimization.minimize(networks.GENERATOR, generator_loss, params, updates[networks.GENERATOR]),
        ]
    return _Step(logits, (discriminator_loss, generator_loss), moved)


def _eval_spec(pixels: tf.Tensor, params: dict[str, Any]) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Evaluates both networks, with the moving averages of batch norm, on images without augmentation."""
    real, fake = _real_and_fake(pixels, params, None)
    logits = _judge(real, fake, params, None)
    score = _loss(params).score

    def metric_fn(real_score: tf.Tensor, fake_score: tf.Tensor) -> dict:
        return {'D(real)': v1.metrics.mean(real_score), 'D(fake)': v1.metrics.mean(fake_score)}

    return tpu.TPUEstimatorSpec(
        tf.estimator.ModeKeys.EVAL,
        loss=_loss(params).discriminator(*logits, _real_target(params)) + _loss(params).generator(*logits),
        eval_metrics=(metric_fn, [score(tensor) for tensor in logits]),
    )


def _real_and_fake(pixels: tf.Tensor, params: dict[str, Any], updates: Updates | None) -> tuple[tf.Tensor, tf.Tensor]:
    z = tf.random.stateless_normal([pixels.shape[0], params['hparams'].noise_dim], _seed(params, _Stream.NOISE))
    return images.to_model_range(pixels), _generate(z, params, updates)


def _augment(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any]) -> tuple[tf.Tensor, tf.Tensor]:
    """Real and generated images as the discriminator sees them."""
    hparams = params['hparams']
    if hparams.flip:
        real = augmentation.flip(real, _seed(params, _Stream.FLIP))
    share, begun = adaptive_augmentation.share(hparams), adaptive_augmentation.is_begun(hparams)

    def changed(x: tf.Tensor, stream: _Stream) -> tf.Tensor:
        return augmentation.augment(x, hparams.augmentations, share, _seed(params, stream), begun)

    return changed(real, _Stream.AUGMENT_REAL), changed(fake, _Stream.AUGMENT_FAKE)


def _seed(params: dict[str, Any], stream: _Stream) -> tf.Tensor:
    return noise.step_seed(params['hparams'].seed, v1.train.get_global_step(), backend.of(params), stream)


def _generate(z: tf.Tensor, params: dict[str, Any], updates: Updates | None) -> tf.Tensor:
    return networks.generator(z, params['hparams'].architecture, updates, _dtype(params), backend.of(params).for_tpu)


def _discriminate(x: tf.Tensor, params: dict[str, Any], updates: Updates | None) -> tf.Tensor:
    return networks.discriminator(
        x, params['hparams'].architecture, updates, _dtype(params), backend.of(params).for_tpu
    )


def _dtype(params: dict[str, Any]) -> str:
    chosen = params['hparams'].compute_dtype
    return backend.of(params).auto_dtype if chosen == 'auto' else chosen


def _judge(
    real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any], updates: Updates | None
) -> tuple[tf.Tensor, tf.Tensor]:
    logits = _discriminate(real, params, updates), _discriminate(fake, params, updates)
    losses.check_logits(*logits)
    if updates is not None:
        adaptive_augmentation.follow(logits[0], params['hparams'], backend.of(params), updates)
    return logits


def _loss(params: dict[str, Any]) -> losses.Loss:
    return losses.LOSSES[params['hparams'].loss]


def _discriminator_loss(
    logits: tuple[tf.Tensor, tf.Tensor], real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any], updates: Updates
) -> tf.Tensor:
    of_logits = _loss(params).discriminator(*logits, _real_target(params))
    return of_logits + _penalties(real, tf.stop_gradient(fake), params, updates)


def _real_target(params: dict[str, Any]) -> float:
    return 1.0 - params['hparams'].label_smoothing


def _penalties(real: tf.Tensor, fake: tf.Tensor, params: dict[str, Any], updates: Updates) -> tf.Tensor:
    """The weighted sum of the penalties whose weight is not 0."""

    def critic(x: tf.Tensor) -> tf.Tensor:
        # The images of a penalty must not enter the discriminator's statistics.
        return _discriminate(x, params, updates.without_statistics())

    weights = {name: getattr(params['hparams'], name) for name in PENALTIES}
    seed = _seed(params, _Stream.PENALTY)
    terms = [weight * PENALTIES[name](critic, real, fake, seed) for name, weight in weights.items() if weight]
    return tf.add_n([tf.zeros([]), *terms])
