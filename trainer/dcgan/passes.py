"""The passes of a step through both networks, and the losses: parts of which `model_fn` makes its graphs."""

from __future__ import annotations

import enum
from typing import Any, NamedTuple

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.data import images
from trainer.dcgan import adaptive_augmentation, augmentation, backend, conditioning, losses, networks, noise
from trainer.dcgan.penalties import PENALTIES
from trainer.dcgan.reading import Batch
from trainer.dcgan.updates import Updates

Params = dict[str, Any]  # Of the model_fn.


class _Stream(enum.IntEnum):
    """The uses of random numbers in a step; each has a stream of its own."""

    NOISE, PENALTY, FLIP, AUGMENT_REAL, AUGMENT_FAKE = range(5)


class Pairs(NamedTuple):
    """Real and generated images of a step, float32 [B, H, W, C], and the classes of both, as the networks take them."""

    real: tf.Tensor
    fake: tf.Tensor
    classes: tf.Tensor | None


def real_and_fake(batch: Batch, params: Params, updates: Updates | None) -> Pairs:
    """The images of a batch, and as many generated ones of the same classes."""
    real, classes = images.to_model_range(batch['images']), classes_of(batch, params)
    z = tf.random.stateless_normal([real.shape[0], params['hparams'].noise_dim], _seed(params, _Stream.NOISE))
    return Pairs(real, generate(z, classes, params, updates), classes)


def classes_of(batch: Batch, params: Params) -> tf.Tensor | None:
    """The classes of a batch as the networks take them, float32 [B, K]; None for an unconditional run."""
    count = params['hparams'].classes
    return conditioning.one_hot(batch['labels'], count, strength(params)) if count else None


def strength(params: Params) -> tf.Tensor:
    """How strongly classes count in this step, float32 scalar."""
    return conditioning.strength(params['hparams'], v1.train.get_global_step())


def augmented(pairs: Pairs, params: Params) -> Pairs:
    """The images as the discriminator sees them."""
    hparams, (real, fake, classes) = params['hparams'], pairs
    if hparams.flip:
        real = augmentation.flip(real, _seed(params, _Stream.FLIP))
    share, begun = adaptive_augmentation.share(hparams), adaptive_augmentation.is_begun(hparams)

    def changed(x: tf.Tensor, stream: _Stream) -> tf.Tensor:
        return augmentation.augment(x, hparams.augmentations, share, _seed(params, stream), begun)

    return Pairs(changed(real, _Stream.AUGMENT_REAL), changed(fake, _Stream.AUGMENT_FAKE), classes)


def _seed(params: Params, stream: _Stream) -> tf.Tensor:
    return noise.step_seed(params['hparams'].seed, v1.train.get_global_step(), backend.of(params), stream)


def generate(z: tf.Tensor, classes: tf.Tensor | None, params: Params, updates: Updates | None) -> tf.Tensor:
    """Images of noise; see `networks.generator`."""
    shape, for_tpu = params['hparams'].architecture, backend.of(params).for_tpu
    return networks.generator(z, shape, updates, _dtype(params), for_tpu, classes)


def discriminate(x: tf.Tensor, classes: tf.Tensor | None, params: Params, updates: Updates | None) -> tf.Tensor:
    """Logits of images; see `networks.discriminator`."""
    shape, for_tpu = params['hparams'].architecture, backend.of(params).for_tpu
    return networks.discriminator(x, shape, updates, _dtype(params), for_tpu, classes)


def _dtype(params: Params) -> str:
    chosen = params['hparams'].compute_dtype
    return backend.of(params).auto_dtype if chosen == 'auto' else chosen


def judge(pairs: Pairs, params: Params, updates: Updates | None) -> tuple[tf.Tensor, tf.Tensor]:
    """Logits of the real and of the generated images, float32 [B, 1] each."""
    real, fake, classes = pairs
    logits = discriminate(real, classes, params, updates), discriminate(fake, classes, params, updates)
    losses.check_logits(*logits)
    if updates is not None:
        adaptive_augmentation.follow(logits[0], params['hparams'], backend.of(params), updates)
    return logits


def loss_of(params: Params) -> losses.Loss:
    """The GAN loss of the run."""
    return losses.LOSSES[params['hparams'].loss]


def discriminator_loss(
    logits: tuple[tf.Tensor, tf.Tensor], pairs: Pairs, params: Params, updates: Updates
) -> tf.Tensor:
    """D's loss with its penalties, scalar."""
    of_logits = loss_of(params).discriminator(*logits, real_target(params))
    return of_logits + _penalties(pairs._replace(fake=tf.stop_gradient(pairs.fake)), params, updates)


def real_target(params: Params) -> float:
    """What D's loss takes as the target of real images."""
    return 1.0 - params['hparams'].label_smoothing


def _penalties(pairs: Pairs, params: Params, updates: Updates) -> tf.Tensor:
    """The weighted sum of the penalties whose weight is not 0."""

    def critic(x: tf.Tensor) -> tf.Tensor:
        # The images of a penalty must not enter the discriminator's statistics.
        return discriminate(x, pairs.classes, params, updates.without_statistics())

    weights = {name: getattr(params['hparams'], name) for name in PENALTIES}
    seed = _seed(params, _Stream.PENALTY)
    terms = [
        weight * PENALTIES[name](critic, pairs.real, pairs.fake, seed) for name, weight in weights.items() if weight
    ]
    return tf.add_n([tf.zeros([]), *terms])
