"""What is learned and how: the hyper-parameters, their file in model_dir, and the rule about changing them."""

from __future__ import annotations

import dataclasses
import json
import math
import posixpath

import tensorflow as tf
from absl import logging

from trainer import architecture, augmentation, errors, images, losses, normalization
from trainer.cli import option

FILE_NAME = 'hparams.json'
# Another value here means other variables, so no checkpoint can follow the change.
_ARCHITECTURE_FIELDS = (
    'image_size', 'channels', 'base_filters', 'noise_dim', 'discriminator_norm', 'minibatch_stddev',
)  # fmt: skip
# What --augment=auto leaves to the data.
_DATA_FIELDS = ('augment', 'augment_after_kimg')
_DEFAULT_STEPS = 6000
# What runs of versions that did not have these fields were trained with.
_BEFORE = {
    'discriminator_norm': 'batch', 'augment': 'none', 'augment_after_kimg': 0.0, 'flip': False,
    'ema_half_life_kimg': 0.0, 'minibatch_stddev': False, 'train_kimg': 0.0, 'g_learning_rate': 0.0,
    'd_learning_rate': 0.0, 'r1_gamma': 0.0,
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class HParams:
    """The model and how it learns."""

    image_size: int = option(32, 'Side of the square images.', unit='px', choices=architecture.IMAGE_SIZES)
    channels: int = option(3, 'Colour channels: 3 is RGB, 1 is grey.', choices=(1, 3))
    base_filters: int = option(32, 'Filters of the layer at the image; each layer inwards doubles them.', lower=1)
    noise_dim: int = option(100, "Length of the generator's input vector.", lower=1)
    discriminator_norm: str = option(
        'batch',
        "What bounds the discriminator's layers: batch normalisation as in the DCGAN paper, spectral normalisation, or "
        'nothing.',
        choices=tuple(normalization.NORMS),
    )
    minibatch_stddev: bool = option(
        False, 'Show the discriminator how much the images of a batch differ, against collapse.'
    )
    train_batch_size: int = option(
        16,
        'Images a step. Few images make many steps of the same time, and on a CPU the better pictures; a GPU wants 64, '
        'and a TPU, which splits this over its cores, 1024.',
        unit='images',
        lower=2,
    )
    train_steps: int = option(
        0,
        f'Where training ends, counted from the very first step; 0 goes by --train_kimg, or takes {_DEFAULT_STEPS:,}.',
        unit='steps',
        lower=0,
    )
    train_kimg: float = option(
        0.0, 'The same in thousands of images, whatever the batch; 0 goes by --train_steps.', unit='kimg', lower=0
    )
    augment: str = option(
        augmentation.AUTO,
        'Random changes to all that the discriminator sees, against overfitting: none, or some of color, translation, '
        'cutout with commas between; auto is all three below 200 images (no color for grey ones), translation up to '
        '50,000, once the run has passed over them 90 times, none otherwise.',
    )
    augment_after_kimg: float = option(
        0.0,
        'Thousands of images to train on before --augment begins; 0 is from the start, or what --augment=auto chooses.',
        unit='kimg',
        lower=0,
    )
    flip: bool = option(False, 'Mirror half of the training images; not for writing, nor where left and right differ.')
    ema_half_life_kimg: float = option(
        10.0,
        "Thousands of images after which weights count half in the average over the generator's, which makes all "
        'pictures; at most 5% of those trained on so far. 0 makes pictures from the last weights.',
        unit='kimg',
        lower=0,
    )
    loss: str = option('non_saturating', 'The GAN loss.', choices=tuple(losses.LOSSES))
    learning_rate: float = option(4e-4, 'Step size of Adam, for both networks.', lower=0)
    g_learning_rate: float = option(0.0, "The generator's own; 0 is --learning_rate.", lower=0)
    d_learning_rate: float = option(0.0, "The discriminator's own; 0 is --learning_rate.", lower=0)
    beta1: float = option(0.5, "Adam's momentum.", lower=0)
    label_smoothing: float = option(0.0, 'Teaches the discriminator 1 - this for real images.', lower=0)
    gradient_penalty: float = option(0.0, 'Weight of the gradient penalty; 10 is usual for wasserstein.', lower=0)
    r1_gamma: float = option(
        0.0,
        "Weight of the R1 penalty on the discriminator's slope at real images; 0.01 to 0.1 is usual at 64 px, more for "
        'larger images and smaller batches. Not together with spectral normalisation.',
        lower=0,
    )
    compute_dtype: str = option(
        'auto',
        'Arithmetic of the networks, while variables stay float32; auto is bfloat16 on a TPU, which multiplies in it '
        'anyway, and float32 elsewhere.',
        choices=('auto', 'float32', 'bfloat16'),
    )
    seed: int = option(0, 'Decides initial weights, noise and shuffling.', lower=0)

    def __post_init__(self) -> None:
        """Fills in train_steps; raises UserError where two hyper-parameters do not fit each other."""
        loss = losses.LOSSES[self.loss]
        if self.label_smoothing and not loss.takes_real_target:
            able = ', '.join(name for name, row in losses.LOSSES.items() if row.takes_real_target)
            raise errors.UserError(
                f'--label_smoothing={self.label_smoothing} has no meaning with --loss={self.loss}, which has no target '
                f'to soften: drop it, or choose a loss of {able}'
            )
        if self.label_smoothing >= 1:
            raise errors.UserError(f'--label_smoothing={self.label_smoothing} must be below 1; 0.1 is usual')
        if self.beta1 >= 1:
            raise errors.UserError(f'--beta1={self.beta1} must be below 1; 0.5 is usual for a DCGAN')
        if loss.needs_gradient_penalty and not self.gradient_penalty:
            raise errors.UserError(f'--loss={self.loss} diverges without a penalty: add --gradient_penalty=10')
        if self.r1_gamma and self.discriminator_norm == normalization.SPECTRAL:
            raise errors.UserError(
                f'--r1_gamma={self.r1_gamma} and --discriminator_norm={self.discriminator_norm} both flatten the '
                'discriminator and together do worse than either: give --discriminator_norm=none, or drop --r1_gamma'
            )
        augmentation.parse(self.augment)
        object.__setattr__(self, 'train_steps', self._steps())

    def _steps(self) -> int:
        if not self.train_kimg:
            return self.train_steps or _DEFAULT_STEPS
        steps = math.ceil(1000 * self.train_kimg / self.train_batch_size)
        if self.train_steps not in (0, steps):
            raise errors.UserError(
                f'--train_steps={self.train_steps} and --train_kimg={self.train_kimg:g}, which is {steps} steps of '
                f'{self.train_batch_size} images, both say where training ends: give one of them, and 0 for the other'
            )
        return steps

    @property
    def architecture(self) -> architecture.Architecture:
        """The shape of both networks."""
        return architecture.build(
            self.image_size,
            self.channels,
            self.noise_dim,
            self.base_filters,
            self.discriminator_norm,
            self.minibatch_stddev,
        )

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The names in `augment`; all of them while it is still 'auto'."""
        return augmentation.parse(self.augment)

    @property
    def augment_after_steps(self) -> int:
        """The first step that `augment` changes."""
        return math.ceil(1000 * self.augment_after_kimg / self.train_batch_size)


def read(model_dir: str) -> HParams | None:
    """Reads the hyper-parameters that `model_dir` was trained with; None if nothing was trained there.

    Raises:
      errors.UserError: the file cannot be understood.
    """
    path = posixpath.join(model_dir, FILE_NAME)
    if not tf.io.gfile.exists(path):
        return None
    try:
        with tf.io.gfile.GFile(path) as file:
            return HParams(**{**_BEFORE, **json.load(file)})
    except (ValueError, TypeError) as error:
        raise errors.UserError(f'{path} cannot be read ({error}): restore it, or choose another --model_dir') from None


def write(model_dir: str, hparams: HParams) -> None:
    """Writes `hparams.json` into `model_dir`."""
    text = json.dumps(dataclasses.asdict(hparams), indent=2) + '\n'
    images.write_bytes(posixpath.join(model_dir, FILE_NAME), text.encode())


def check_change(model_dir: str, new: HParams) -> None:
    """Holds new hyper-parameters against those that the checkpoints in `model_dir` were trained with.

    Raises:
      errors.UserError: the architecture differs, so the checkpoints do not fit.
    """
    before = read(model_dir)
    for field in dataclasses.fields(HParams) if before else ():
        old_value, new_value = getattr(before, field.name), getattr(new, field.name)
        if old_value == new_value or (new.augment == augmentation.AUTO and field.name in _DATA_FIELDS):
            continue
        # An average that was not kept from the start would be of the last steps only, and is not in the checkpoint.
        begins_average = field.name == 'ema_half_life_kimg' and not old_value
        if field.name in _ARCHITECTURE_FIELDS or begins_average:
            raise errors.UserError(
                f'{model_dir} was trained with --{field.name}={old_value} and cannot go on with {new_value}: '
                f'give --{field.name}={old_value}, or choose another --model_dir'
            )
        logging.info('--%s changes from %s to %s', field.name, old_value, new_value)
