"""The hyper-parameters: the model and how it is trained."""

from __future__ import annotations

import dataclasses
import math

from trainer import errors
from trainer.dcgan import augmentation, losses, normalization
from trainer.dcgan.network_options import NetworkOptions
from trainer.flags.declaration import ANYWHERE, option

_DEFAULT_KIMG = 96.0
_MOST_STEPS = 1_000_000_000
_MOST_KIMG, _MANY_IMAGES = 10_000_000, 'that is ten billion images'
_LARGEST, _FLOAT32 = 3e38, 'float32 has no larger number'
ALTERNATING, JOINT = 'alternating', 'joint'
# Image size and channels for the sample images and --input=null.
SMALLEST = {'image_size': 32, 'channels': 3}


@dataclasses.dataclass(frozen=True)
class HParams(NetworkOptions):
    """The model and how it learns."""

    train_batch_size: int = option(
        16,
        'Images per step. A small batch gives more steps in the same time and, on a CPU, better pictures. Use 64 on a '
        'GPU, and 1024 on a TPU, which splits the batch over its cores.',
        unit='images',
        lower=2,
        upper=65_536,
        why='no published batch is larger',
    )
    train_steps: int = option(
        0,
        'Length of training in steps, counted from the very first one; 0 uses --train_kimg. If both flags are given, '
        'the later one counts.',
        unit='steps',
        lower=0,
        replaces='train_kimg',
    )
    train_kimg: float = option(
        0.0,
        'Length of training in thousands of images, for any batch size; 0 uses --train_steps or, if that is 0 too, '
        f'{_DEFAULT_KIMG:g}.',
        unit='kimg',
        lower=0,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
        replaces='train_steps',
    )
    augment: str = option(
        augmentation.AUTO,
        'Random changes to what the discriminator sees, against overfitting: auto, none, or some of color, '
        'translation, cutout, separated by commas. auto is all three below 1,000 images (no color for grey ones), '
        'translation up to 50,000 and none above; it begins after 30 epochs, below 200 images at the first step.',
    )
    augment_share: float = option(
        0.5,
        'Share of the images that get each change of --augment, before --augment_target raises it; at 1 the generator '
        'may learn to make pictures that look changed.',
        lower=0,
        upper=1,
        why='1 is all images',
    )
    augment_target: float = option(
        0.6,
        'Adaptive augmentation (ADA): once --augment has begun, its share rises from --augment_share to at most 0.8 '
        'while the mean sign of D(real) exceeds this, because the discriminator overfits then, and falls while it does '
        'not; 0 keeps the share. wasserstein and the relativistic losses keep it too: their D(real) has no sign.',
        lower=0,
        upper=1,
        why='the mean of signs is at most 1',
    )
    augment_after_kimg: float = option(
        0.0,
        'Thousands of images to train on before --augment begins; 0 begins at once, or when --augment=auto chooses.',
        unit='kimg',
        lower=0,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
    )
    condition_after_kimg: float = option(
        -1.0,
        'Thousands of images to train on without --condition, which is then blended in over as many again: a class '
        'with few images collapses where the whole set does not; 0 conditions from the first step, and -1 chooses 20 '
        'epochs, but at most a quarter of the training.',
        unit='kimg',
        lower=-1,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
    )
    flip: bool = option(
        False, 'Mirror half of the training images; not for writing, nor for things whose left and right differ.'
    )
    ema_half_life_kimg: float = option(
        10.0,
        "Half-life, in thousands of images, of the exponential moving average (EMA) of the generator's weights, which "
        'makes all pictures; limited to 5% of the images trained on so far. 0 makes pictures from the last weights.',
        unit='kimg',
        lower=0,
        upper=_MOST_KIMG,
        why=_MANY_IMAGES,
    )
    update: str = option(
        ALTERNATING,
        'How a step updates the networks: alternating updates the discriminator, then the generator by the updated '
        'discriminator; joint updates both simultaneously, by the gradients of the old weights, as in the published '
        'TPU code.',
        choices=(ALTERNATING, JOINT),
    )
    loss: str = option('non_saturating', 'The GAN loss.', choices=tuple(losses.LOSSES))
    learning_rate: float = option(
        4e-4, 'Learning rate of Adam, for both networks.', lower=0, upper=_LARGEST, why=_FLOAT32
    )
    g_learning_rate: float = option(
        0.0, "The generator's own learning rate; 0 uses --learning_rate.", lower=0, upper=_LARGEST, why=_FLOAT32
    )
    d_learning_rate: float = option(
        0.0, "The discriminator's own learning rate; 0 uses --learning_rate.", lower=0, upper=_LARGEST, why=_FLOAT32
    )
    beta1: float = option(0.5, "Adam's momentum.", lower=0)
    label_smoothing: float = option(
        0.0, "Lowers the discriminator's target for real images from 1 to 1 - this.", lower=0
    )
    gradient_penalty: float = option(
        0.0,
        'Weight of the gradient penalty; 10 is usual for wasserstein.',
        lower=0,
        upper=_LARGEST,
        why=_FLOAT32,
    )
    r1_gamma: float = option(
        0.0,
        "Weight of the R1 penalty on the discriminator's gradient at real images; 0.01 to 0.1 is usual at 64 px, more "
        'for larger images and smaller batches. Cannot be combined with spectral normalisation.',
        lower=0,
        upper=_LARGEST,
        why=_FLOAT32,
    )
    compute_dtype: str = option(
        'auto',
        'Dtype of the arithmetic in the networks; variables stay float32. auto is bfloat16 on a TPU, which multiplies '
        'in it anyway, and with --runtime=pjrt; it is float32 elsewhere.',
        choices=('auto', 'float32', 'bfloat16'),
    )
    init_from: str = option(
        '',
        'What the networks start from: another run (its best checkpoint, if it has one), a checkpoint, or clothes32 or '
        'clothes64, which come with the package; empty starts at random.',
        path=ANYWHERE,
    )
    init_partial: bool = option(
        False, 'If the networks differ, take the variables that fit from --init_from and start the rest at random.'
    )
    freeze_d_layers: int = option(
        0,
        "Number of the discriminator's layers, from the image side, that stay as in --init_from (FreezeD).",
        unit='layers',
        lower=0,
    )
    seed: int = option(
        0,
        'Decides initial weights, noise and shuffling.',
        lower=0,
        upper=2**31 - 2,
        why='TensorFlow takes 32 bits, and a run that returns to a checkpoint takes the next seed',
    )

    def __post_init__(self) -> None:
        """Fills in train_steps; raises UserError if two hyper-parameters do not fit each other."""
        super().__post_init__()
        loss = losses.LOSSES[self.loss]
        if self.label_smoothing and not loss.takes_real_target:
            able = ', '.join(name for name, row in losses.LOSSES.items() if row.takes_real_target)
            raise errors.UserError(
                f'--label_smoothing={self.label_smoothing} has no meaning with --loss={self.loss}, which has no target '
                f'to soften: drop it, or choose a loss from {able}'
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
            raise errors.UserError(f'{flag} needs a run to start from: add --init_from=RUN, or leave it out')
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
                f'--train_kimg={self.train_kimg:g} in batches of {self.train_batch_size} is {steps:,} steps, and at '
                f'most {_MOST_STEPS:,} are allowed: give a larger --train_batch_size'
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
        """The first step with augmentation."""
        return math.ceil(1000 * self.augment_after_kimg / self.train_batch_size)
