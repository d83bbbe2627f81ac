"""The model_fn: one step of generator and discriminator, the same graph on CPU and TPU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.data import images
from trainer.dcgan import adaptive_augmentation, conditioning, losses, networks, optimization, passes, scalars
from trainer.dcgan.hparams import ALTERNATING
from trainer.dcgan.passes import Pairs
from trainer.dcgan.reading import Batch
from trainer.dcgan.updates import Updates

tpu = v1.estimator.tpu
ByNetwork = Mapping[str, Updates]


def model_fn(
    features: dict[str, tf.Tensor], labels: None, mode: str, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Builds the graph of one mode, of TPUEstimator on a CPU or a TPU.

    Args:
      features: a `Batch` to train and evaluate; to predict, 'noise' float32 [B, noise_dim] instead of images.
      labels: unused; labels are features, because the generator takes them too.
      mode: an Estimator mode key.
      params: 'hparams', an HParams; 'writer', what `scalars.host_call` takes; TPUEstimator's own keys.
      config: says how often summaries are written.

    Returns:
      The spec. Predictions are {'images': uint8 [B, H, W, C]}, made from the trained weights; `sampler` uses the EMA.
    """
    if mode == tf.estimator.ModeKeys.PREDICT:
        generated = passes.generate(features['noise'], passes.classes_of(features, params), params, None)
        return tpu.TPUEstimatorSpec(mode, predictions={'images': images.to_uint8(generated)})
    if mode == tf.estimator.ModeKeys.EVAL:
        return _eval_spec(features, params)
    step = training_step(features, params)
    if not params['use_tpu']:
        scalars.collect(step.scalars)
    return train_spec(step, params, config)


def train_spec(
    step: TrainingStep, params: dict[str, Any], config: v1.estimator.tpu.RunConfig
) -> v1.estimator.tpu.TPUEstimatorSpec:
    """The spec of a training step, which writes its scalars for TensorBoard."""
    host_call = scalars.host_call(step.scalars, params['writer'], config.save_summary_steps, step.counted)
    return tpu.TPUEstimatorSpec('train', loss=step.loss, train_op=step.counted.op, host_call=host_call)


class TrainingStep(NamedTuple):
    """A step of training.

    Attributes:
      loss: float32 scalar.
      counted: int64 scalar, the global step once this step is counted; evaluating it takes the step.
      scalars: float32 scalars by name.
    """

    loss: tf.Tensor
    counted: tf.Tensor
    scalars: dict[str, tf.Tensor]


def training_step(batch: Batch, params: dict[str, Any]) -> TrainingStep:
    """Builds a step of one replica.

    Args:
      batch: this replica's part of the batch.
      params: of `model_fn`; or, elsewhere than in TPUEstimator, 'hparams' and 'backend'.
    """
    hparams = params['hparams']
    updates = {network: Updates() for network in (networks.GENERATOR, networks.DISCRIMINATOR)}
    pairs = passes.real_and_fake(batch, params, updates[networks.GENERATOR])
    if hparams.classes:
        updates[networks.GENERATOR].assign(conditioning.kept_strength(), passes.strength(params))
    take_step = _alternating_step if hparams.update == ALTERNATING else _joint_step
    step = take_step(pairs, params, updates)
    found = scalars.of_step(*step.logits, *step.losses, hparams.loss)
    with tf.control_dependencies(step.moved):  # Else it would be chance whether the old or the new share is read.
        shares = adaptive_augmentation.scalars_of(hparams)
    # Nor may the step be counted before whether augmentation has begun is read.
    counted = optimization.finish_step([*step.moved, *shares.values()], params)
    return TrainingStep(tf.add_n(step.losses), counted, {**found, **shares})


class _Step(NamedTuple):
    """The results of a step: logits of real and generated images, losses of D and G, and the update operations."""

    logits: tuple[tf.Tensor, tf.Tensor]
    losses: tuple[tf.Tensor, tf.Tensor]
    moved: list[tf.Operation]


def _alternating_step(pairs: Pairs, params: dict[str, Any], updates: ByNetwork) -> _Step:
    """Updates D, then G by the logits of the updated D for the same images (Goodfellow et al. 2014, algorithm 1)."""
    discriminator, loss = updates[networks.DISCRIMINATOR], passes.loss_of(params)
    pairs = passes.augmented(pairs, params)
    logits = passes.judge(pairs._replace(fake=tf.stop_gradient(pairs.fake)), params, discriminator)
    discriminator_loss = passes.discriminator_loss(logits, pairs, params, discriminator)
    moved = optimization.minimize(networks.DISCRIMINATOR, discriminator_loss, params, discriminator)
    with tf.control_dependencies(moved):  # Operations built in here read the updated weights.
        # New `Updates`: the values that the earlier passes share were made from the old weights.
        fake_logits = passes.discriminate(pairs.fake, pairs.classes, params, Updates())
        compared = passes.discriminate(pairs.real, pairs.classes, params, Updates()) if loss.compares else None
        generator_loss = loss.generator(compared, fake_logits)
    moved = [*moved, *optimization.minimize(networks.GENERATOR, generator_loss, params, updates[networks.GENERATOR])]
    return _Step(logits, (discriminator_loss, generator_loss), moved)


def _joint_step(pairs: Pairs, params: dict[str, Any], updates: ByNetwork) -> _Step:
    """Updates both simultaneously, by gradients taken before either update, as in the DCGAN of tensorflow/tpu."""
    discriminator, loss = updates[networks.DISCRIMINATOR], passes.loss_of(params)
    slope_ratio = loss.slope_ratio if networks.judges_images_alone(params['hparams'].architecture) else None
    if slope_ratio:
        pairs = pairs._replace(fake=losses.rescale_gradient(pairs.fake, lambda: slope_ratio(logits[1])))
    pairs = passes.augmented(pairs, params)
    logits = passes.judge(pairs, params, discriminator)
    discriminator_loss = passes.discriminator_loss(logits, pairs, params, discriminator)
    generator_loss = loss.generator(*logits)
    if slope_ratio:
        moved = optimization.minimize_both(discriminator_loss, params, updates)
    else:
        moved = [
            *optimization.minimize(networks.DISCRIMINATOR, discriminator_loss, params, discriminator),
            *optimization.minimize(networks.GENERATOR, generator_loss, params, updates[networks.GENERATOR]),
        ]
    return _Step(logits, (discriminator_loss, generator_loss), moved)


def _eval_spec(batch: Batch, params: dict[str, Any]) -> v1.estimator.tpu.TPUEstimatorSpec:
    """Evaluates both networks, with the moving averages of batch norm, on images without augmentation."""
    logits = passes.judge(passes.real_and_fake(batch, params, None), params, None)
    loss = passes.loss_of(params)

    def metric_fn(real_score: tf.Tensor, fake_score: tf.Tensor) -> dict:
        return {'D(real)': v1.metrics.mean(real_score), 'D(fake)': v1.metrics.mean(fake_score)}

    return tpu.TPUEstimatorSpec(
        tf.estimator.ModeKeys.EVAL,
        loss=loss.discriminator(*logits, passes.real_target(params)) + loss.generator(*logits),
        eval_metrics=(metric_fn, [loss.score(tensor) for tensor in logits]),
    )
