"""Compares a checkpoint with the model before it is restored, so that a mismatch ends in a one-line error."""

from __future__ import annotations

from collections.abc import Mapping

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import errors
from trainer.dcgan import adaptive_augmentation, conditioning, ema, networks
from trainer.dcgan.hparams import HParams
from trainer.model_dir import checkpoints

Shapes = Mapping[str, tuple[int, ...]]
_BATCH = 2


def check(checkpoint: str, hparams: HParams, to_train: bool) -> None:
    """Compares names and shapes of variables.

    Args:
      checkpoint: prefix of a readable checkpoint.
      hparams: with image size and channels.
      to_train: whether training continues from it, or only the generator is used.

    Raises:
      errors.UserError: variables are missing or have other shapes.
    """
    found = {
        name: tuple(shape) for name, shape in checkpoints.load_reader(checkpoint).get_variable_to_shape_map().items()
    }
    wanted = of_networks(hparams, to_train)
    if to_train:
        wanted = {**wanted, **_slots(wanted), 'global_step': ()}
        if hparams.augment_target:
            wanted[adaptive_augmentation.VARIABLE] = ()
    missing = sorted(name for name in wanted if name not in found)
    if len(missing) == len(wanted) or (missing and not _differing(found, wanted)):
        raise errors.UserError(
            f'{checkpoint} has no {missing[0]} ({len(missing)} of {len(wanted)} variables are missing): it comes from '
            'another program or from other hyper-parameters; give those that it was trained with, or choose another '
            '--model_dir'
        )
    differing = _differing(found, wanted)
    if differing:
        name = differing[0]
        raise errors.UserError(
            f'{checkpoint} has {name} of shape {list(found[name])}, but the hyper-parameters make it '
            f'{list(wanted[name])} (--image_size={hparams.image_size} --channels={hparams.channels} --base_filters='
            f'{hparams.base_filters} --noise_dim={hparams.noise_dim}): give those that it was trained with, or choose '
            'another --model_dir'
        )


def _differing(found: Shapes, wanted: Shapes) -> list[str]:
    return sorted(name for name, shape in wanted.items() if name in found and found[name] != shape)


def of_networks(hparams: HParams, both: bool = True) -> dict[str, tuple[int, ...]]:
    """Shapes of the variables of the generator, of its EMA and, if `both` is set, of the discriminator."""
    architecture = hparams.architecture
    with tf.Graph().as_default():
        classes = tf.zeros([_BATCH, architecture.classes]) if architecture.classes else None
        networks.generator(v1.placeholder(tf.float32, [_BATCH, hparams.noise_dim]), architecture, classes=classes)
        if architecture.classes:
            conditioning.kept_strength()
        averaged = v1.trainable_variables() if hparams.ema_half_life_kimg else []
        shapes = {ema.name_of(variable.op.name): tuple(variable.shape) for variable in averaged}
        if both:
            size = [_BATCH, architecture.image_size, architecture.image_size, architecture.channels]
            networks.discriminator(v1.placeholder(tf.float32, size), architecture, classes=classes)
        return {**shapes, **{variable.op.name: tuple(variable.shape) for variable in v1.global_variables()}}


def _slots(wanted: Shapes) -> dict[str, tuple[int, ...]]:
    """Adam's two moments of each kernel, which every checkpoint of a training run has."""
    kernels = {name: shape for name, shape in wanted.items() if name.endswith('/kernel')}
    return {
        f'{network}_optimizer/{name}/{slot}': shape
        for network in (networks.GENERATOR, networks.DISCRIMINATOR)
        for name, shape in kernels.items()
        if name.startswith(f'{network}/')
        for slot in ('Adam', 'Adam_1')
    }
