"""What is learned and how: the hyper-parameters."""

from __future__ import annotations

import dataclasses
import math

from trainer import errors
from trainer.dcgan import augmentation, losses, normalization
from trainer.dcgan.network_options import NetworkOptions
from trainer.flags.declaration import ANYWHERE, option

_DEFAULT_KIMG = 96.0
_MOST_STEPS = 1_000_000_000
_MOST_KIMG, _MANY_IMAGES = 10_000_000, 'that is ten thousand million images'
_LARGEST, _FLOAT32 = 3e38, 'float32 has no larger number'
ALTERNATING, JOINT = 'alternating', 'joint'
# What the sample images and --input=null are trained at.
SMALLEST = {'image_size': 32, 'channels': 3}


@dataclasses.dataclass(frozen=True)
class HParams(NetworkOptions):
    """The model and how it learns."""

    train_batch_size: int = option(
        16,
        'Images a step. Few images make many steps of the same time, and on a CPU the better pictures; a GPU wants 64, '
        'and a TPU, which splits this over its cores, 1024.',
        unit='images',
        lower=2,
        upper=65_536,
        why='no published batch is larger',
    )
    train_steps: int = option(
        0,
        'Where training ends, counted from the very first step; 0 goes by --train_kimg. Of the two flags the later one '
        'counts.',
        unit='steps',
        lower=0,
        replaces='train_kimg',
    )
    train_kimg: float = option(
        0.0,
        f'The same in thousands of images, whatever the batch; 0 goes by --train_steps, or takes {_DEFAULT_KIMG:g}.',
        unit='kimg',
        lower=0,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
        replaces='train_steps',
    )
    augment: str = option(
        augmentation.AUTO,
        'Random changes to what the discriminator sees, against overfitting: none, or some of color, translation, '
        'cutout with commas between; auto is all three below 1,000 images (no color for grey ones), translation up to '
        '50,000, once the run has passed over them 30 times, below 200 from the start; none otherwise.',
    )
    augment_share: float = option(
        0.5,
        'Share of the images to which each change of --augment is made; with all of them the generator may draw '
        'pictures as if they had been changed.',
        lower=0,
        upper=1,
        why='1 is all of them',
    )
    augment_after_kimg: float = option(
        0.0,
        'Thousands of images to train on before --augment begins; 0 is from the start, or what --augment=auto chooses.',
        unit='kimg',
        lower=0,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
    )
    flip: bool = option(False, 'Mirror half of the training images; not for writing, nor where left and right differ.')
    ema_half_life_kimg: float = option(
        10.0,
        "Thousands of images after which weights count half in the average over the generator's, which makes all "
        'pictures; at most 5% of those trained on so far. 0 makes pictures from the last weights.',
        unit='kimg',
        lower=0,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
    )
    update: str = option(
        ALTERNATING,
        'Whom a step moves first: alternating moves the discriminator, and then the generator by what the moved one '
        'says; joint moves both by gradients taken before either has moved, as in the published TPU code.',
        choices=(ALTERNATING, JOINT),
    )
    loss: str = option('non_saturating', 'The GAN loss.', choices=tuple(losses.LOSSES))
    learning_rate: float = option(4e-4, 'Step size of Adam, for both networks.', lower=0, upper=_LARGEST, why=_FLOAT32)
    g_learning_rate: float = option(
        0.0, "The generator's own; 0 is --learning_rate.", lower=0, upper=_LARGEST, why=_FLOAT32
    )
    d_learning_rate: float = option(
        0.0, "The discriminator's own; 0 is --learning_rate.", lower=0, upper=_LARGEST, why=_FLOAT32
    )
    beta1: float = option(0.5, "Adam's momentum.", lower=0)
    label_smoothing: float = option(0.0, 'Teaches the discriminator 1 - this for real images.', lower=0)
    gradient_penalty: float = option(
        0.0,
        'Weight of the gradient penalty; 10 is usual for wasserstein.',
        lower=0,
        upper=_LARGEST,
        why=_FLOAT32,
    )
    r1_gamma: float = option(
        0.0,
        "Weight of the R1 penalty on the discriminator's slope at real images; 0.01 to 0.1 is usual at 64 px, more for "
        'larger images and smaller batches. Not together with spectral normalisation.',
        lower=0,
        upper=_LARGEST,
        why=_FLOAT32,
    )
    compute_dtype: str = option(
        'auto',
        'Arithmetic of the networks, while variables stay float32; auto is bfloat16 on a TPU, which multiplies in it '
        'anyway, and float32 elsewhere.',
        choices=('auto', 'float32', 'bfloat16'),
    )
    init_from: str = option(
        '',
        'What the networks start from: another run (its best checkpoint, if it has one), a checkpoint, or clothes32 or '
        'clothes64, which come with the package; empty is at random.',
        path=ANYWHERE,
    )
    init_partial: bool = option(
        False, 'Take from --init_from what fits, and start the rest at random, where the networks differ.'
    )
    freeze_d_layers: int = option(
        0,
        "Keep so many of the discriminator's layers, from the image side, as --init_from has them (FreezeD).",
        unit='layers',
        lower=0,
    )
    seed: int = option(
        0,
        'Decides initial weights, noise and shuffling.',
        lower=0,
        upper=2**31 - 2,
        why='TensorFlow takes 32 bits, and a run that goes back takes the next one',
    )

    def __post_init__(self) -> None:
        """Fills in train_steps; raises UserError where two hyper-parameters do not fit each other."""
        super().__post_init__()
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
        if (self.freeze_d_layers or self.init_partial) and not self.init_from:
            flag = f'--freeze_d_layers={self.freeze_d_layers}' if self.freeze_d_layers else '--init_partial'
            raise errors.UserError(f'{flag} is about what a run starts from: add --init_from=RUN, or leave it out')
        augmentation.parse(self.augment)
        if not self.train_steps and not self.train_kimg:
            object.__setattr__(self, 'train_kimg', _DEFAULT_KIMG)
        object.__setattr__(self, 'train_steps', self._steps())

    def _steps(self) -> int:
        if not self.train_kimg:
            return self.train_steps
        steps = math.ceil(1000 * self.train_kimg / self.train_batch_size)
        if steps > _MOST_STEPS:
            raise errors.UserError(
                f'--train_kimg={self.train_kimg:g} in batches of {self.train_batch_size} is {steps:,} steps: at most '
                f'{_MOST_STEPS:,}, so give a larger --train_batch_size'
            )
        if self.train_steps not in (0, steps):
            raise errors.UserError(
                f'--train_steps={self.train_steps} and --train_kimg={self.train_kimg:g}, which is {steps} steps of '
                f'{self.train_batch_size} images, both say where training ends: give one of them, and 0 for the other'
            )
        return steps

    @property
    def augmentations(self) -> tuple[str, ...]:
        """The names in `augment`; all of them while it is still 'auto'."""
        return augmentation.parse(self.augment)

    @property
    def augment_after_steps(self) -> int:
        """The first step that `augment` changes."""
        return math.ceil(1000 * self.augment_after_kimg / self.train_batch_size)
