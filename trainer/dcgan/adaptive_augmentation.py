"""Adaptive discriminator augmentation (ADA): more images are augmented while the discriminator overfits.

Karras et al. 2020, arXiv:2006.06676, section 3. A discriminator that knows its training images takes nearly all of them
for real, so the mean sign of its logits on them tells when augmentation is too weak. No fixed share fits all sets: half
of the images is too few in long runs on varied photographs, and all of them cost variety on uniform ones
(docs/experiments.md).
"""

from __future__ import annotations

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import losses
from trainer.dcgan.backend import Backend
from trainer.dcgan.hparams import HParams
from trainer.dcgan.updates import Updates

# Thousands of images in which the share would rise by 1 if the mean sign exceeded its target by 1. A usual excess of
# 0.1 raises it by a half in 100,000 images; the paper takes 250,000, of a training 50 times as long.
_RISE_KIMG = 20.0
# Above this share the generator may draw what is changed (section 2.2 of the paper). On hands, 0.8 keeps the variety
# that a share rising to 1 loses (docs/experiments.md).
_MOST = 0.8
_SCOPE, _NAME = 'augmentation', 'share'
VARIABLE = f'{_SCOPE}/{_NAME}'  # In checkpoints of runs with a target.


def share(hparams: HParams) -> tf.Tensor | float:
    """The share of the images that a step augments: of `--augment_share`, or the current value of its variable.

    The variable exists in every run with a target, whatever its augmentations and its loss, so that both may change
    when it goes on. Read it once a step, before `follow` changes it.
    """
    return _variable(hparams).read_value() if hparams.augment_target else hparams.augment_share


def is_begun(hparams: HParams) -> tf.Tensor:
    """Bool scalar: whether this step augments."""
    return v1.train.get_global_step() >= hparams.augment_after_steps


def scalars_of(hparams: HParams) -> dict[str, tf.Tensor]:
    """{'augment_share': the share of the images that are augmented now}, {} if it does not adapt."""
    if not hparams.augment_target or not hparams.augmentations:
        return {}
    return {'augment_share': share(hparams) * tf.cast(is_begun(hparams), tf.float32)}


def follow(real_logits: tf.Tensor, hparams: HParams, backend: Backend, updates: Updates) -> None:
    """Moves the share towards the one at which the discriminator's logits have the target's mean sign.

    The paper moves it by a fixed length towards the target. Here the length is in proportion to the distance, because
    the mean of 16 signs has 17 values, and its own sign is not that of the mean over many steps.

    Args:
      real_logits: float32 [B, 1], of the training images as the discriminator saw them.
      hparams: the run's.
      backend: whose replicas must all come to the same share.
      updates: of the discriminator; takes the next share.
    """
    boundary = losses.LOSSES[hparams.loss].boundary
    if not hparams.augment_target or boundary is None:
        return
    signs = tf.sign(real_logits - boundary)
    counted = tf.stack([tf.reduce_sum(signs), tf.cast(tf.size(signs), tf.float32)])
    counted = backend.sum_over_replicas(counted)
    excess = counted[0] / counted[1] - hparams.augment_target
    gain = hparams.train_batch_size / (1000.0 * _RISE_KIMG)
    moved = share(hparams) + gain * excess * tf.cast(is_begun(hparams), tf.float32)
    least = hparams.augment_share
    updates.assign(_variable(hparams), tf.clip_by_value(moved, least, max(least, _MOST)))


def _variable(hparams: HParams) -> tf.Variable:
    with v1.variable_scope(_SCOPE, reuse=v1.AUTO_REUSE):
        initial = v1.constant_initializer(hparams.augment_share)
        return v1.get_variable(_NAME, [], initializer=initial, trainable=False)
