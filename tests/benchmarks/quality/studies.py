"""The runs that the studies compare, as tables."""

from __future__ import annotations

import dataclasses

CLEAN, FOREIGN, FILTERED = '', 'foreign', 'filtered'
EVALUATIONS = 8  # In each run.
# The usual length; a run of another length has it in its name.
KIMG = {32: 1024, 64: 512, 128: 448}
_BASE_FILTERS = {32: 32, 64: 32, 128: 16}
_BATCH = '--train_batch_size'
WARM = 'clothes64'  # A model of trainer.pretrained.


@dataclasses.dataclass(frozen=True)
class Data:
    """Which images are trained on.

    Attributes:
      part: uses one `part`-th of the full set.
      count: uses this many images of it, instead of a part.
      variant: CLEAN, with FOREIGN images among them, or with foreign images and then FILTERED by the audit.
    """

    part: int = 1
    count: int = 0
    variant: str = CLEAN

    def images(self, full: int) -> int:
        """How many images of a full set of `full` these are; for a filtered set, before the filter."""
        return self.count or full // self.part


@dataclasses.dataclass(frozen=True)
class Run:
    """One training run.

    Attributes:
      recipe: the name of `flags`, which include the batch size.
      size: side of the images, px.
      kimg: thousands of images to train on, repeats counted.
    """

    recipe: str
    flags: tuple[str, ...]
    size: int
    kimg: float
    seed: int
    data: Data = Data()
    base_filters: int = 0

    @property
    def batch(self) -> int:
        return next(int(value) for name, _, value in (flag.partition('=') for flag in self.flags) if name == _BATCH)

    @property
    def steps(self) -> int:
        return round(self.kimg * 1000 / self.batch)

    def name(self, images: int) -> str:
        """The run's folder; two studies share a run by giving it the same name."""
        variant = f'-{self.data.variant}' if self.data.variant else ''
        length = f'-{self.kimg:g}kimg' if self.kimg != KIMG[self.size] else ''
        return f'{self.recipe}-{self.size}-n{images}-s{self.seed}{variant}{length}'

    def training_flags(self) -> list[str]:
        """The flags of python -m trainer.task, except those that name folders."""
        every = self.steps // EVALUATIONS
        return [
            f'--image_size={self.size}',
            f'--base_filters={self.base_filters or _BASE_FILTERS[self.size]}',
            '--noise_dim=100',
            f'--train_steps={self.steps}',
            f'--seed={self.seed}',
            *(f'--{what}_steps={every}' for what in ('eval', 'save', 'sample')),
            '--stop_after_evals_without_best=0',
            '--keep_checkpoints=2',
            '--log_steps=200',
            *self.flags,
        ]


def changed(flags: tuple[str, ...], *changes: str) -> tuple[str, ...]:
    """The flags with the changes, which replace flags or are added."""
    merged = {flag.partition('=')[0]: flag for flag in (*flags, *changes)}
    return tuple(merged.values())


RECIPES = {
    # The published recipe, in batches of 64.
    'article': (
        f'{_BATCH}=64',
        '--update=joint',
        '--kernel_size=5',
        '--generator_norm=batch',
        '--generator_output=deconv',
        '--generator_upsampling=plain',
        '--discriminator_norm=batch',
        '--augment=none',
        '--augment_target=0',
        '--ema_half_life_kimg=0',
        '--learning_rate=2e-4',
    ),
    # The default before D and G were updated alternately, except for its augmentation, which is today's.
    'joint': (
        f'{_BATCH}=16',
        '--update=joint',
        '--kernel_size=5',
        '--generator_norm=batch',
        '--generator_output=deconv',
        '--generator_upsampling=plain',
        '--discriminator_norm=batch',
        '--augment=auto',
        '--augment_target=0',
        '--ema_half_life_kimg=10',
        '--learning_rate=4e-4',
    ),
    'ours': (
        f'{_BATCH}=16',
        '--update=alternating',
        '--kernel_size=4',
        '--generator_norm=self_modulated',
        '--generator_output=refined',
        '--generator_upsampling=auto',
        '--discriminator_norm=batch',
        '--augment=auto',
        '--augment_target=0.6',
        '--ema_half_life_kimg=10',
        '--learning_rate=4e-4',
    ),
}
_JOINT, _OURS = RECIPES['joint'], RECIPES['ours']

# From the joint step to ours, one feature at a time, and then ours with one change each.
SWEEP = {
    **RECIPES,
    'alternating': changed(_JOINT, '--update=alternating'),
    'alternating_self_modulated': changed(_JOINT, '--update=alternating', '--generator_norm=self_modulated'),
    'alternating_kernel_4': changed(_JOINT, '--update=alternating', '--kernel_size=4'),
    'ours_deconv': changed(_OURS, '--generator_output=deconv'),
    'ours_plain': changed(_OURS, '--generator_upsampling=plain'),
    'ours_filtered': changed(_OURS, '--generator_upsampling=filtered'),
    'ours_features': changed(_OURS, '--discriminator_input=features'),
    'ours_batch_64': changed(_OURS, f'{_BATCH}=64'),
    'ours_batch_8': changed(_OURS, f'{_BATCH}=8'),
    'ours_rate_8e-4': changed(_OURS, '--learning_rate=8e-4'),
    'ours_rate_2e-4': changed(_OURS, '--learning_rate=2e-4'),
    'ours_relativistic': changed(_OURS, '--loss=relativistic'),
    'ours_relativistic_least_squares': changed(_OURS, '--loss=relativistic_least_squares'),
    'ours_hinge': changed(_OURS, '--loss=hinge'),
    'ours_fixed_share': changed(_OURS, '--augment_target=0'),
    'ours_no_augmentation': changed(_OURS, '--augment=none'),
    'ours_translation': changed(_OURS, '--augment=translation'),
    'ours_all_augmentations': changed(_OURS, '--augment=color,translation,cutout'),
    'ours_average_20': changed(_OURS, '--ema_half_life_kimg=20'),
    'ours_smoothed': changed(_OURS, '--label_smoothing=0.1'),
    'ours_spectral': changed(_OURS, '--discriminator_norm=spectral'),
    'ours_flip': changed(_OURS, '--flip=true'),
    'ours_stddev': changed(_OURS, '--minibatch_stddev=true'),
    'ours_r1': changed(_OURS, '--discriminator_norm=none', '--r1_gamma=0.05'),
}


def _distinct(variants: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The variants, without those whose flags equal an earlier one's."""
    first: dict[frozenset[str], str] = {}
    for name, flags in variants.items():
        first.setdefault(frozenset(flags), name)
    return {name: variants[name] for name in first.values()}


def _final(size: int, kimg: float = 0, data: Data = Data()) -> list[Run]:  # noqa: B008  Frozen.
    return [
        Run(recipe, flags, size, kimg or KIMG[size], seed, data) for seed in (0, 1) for recipe, flags in RECIPES.items()
    ]


def _shorter(data: Data) -> Run:
    return Run('ours', _OURS, 32, 256, 0, data)  # Ten minutes each.


def _warm(count: int) -> list[Run]:
    """Runs from random weights and from the packed model of clothes, on a small set of other images."""
    warm = changed(_OURS, f'--init_from={WARM}')
    recipes = {'ours': _OURS, 'warm': warm, 'warm_frozen_2': changed(warm, '--freeze_d_layers=2')}
    return [Run(name, flags, 64, 25.6, seed, Data(count=count)) for seed in (0, 1) for name, flags in recipes.items()]


STUDIES = {
    # All screened variants, on any set: a short run of each.
    'screen32': [Run(name, flags, 32, 128, 0) for name, flags in _distinct(SWEEP).items()],
    # For a set of another kind: the old default, and the current one.
    'kinds32': [Run(name, RECIPES[name], 32, 512, seed) for seed in (0, 1) for name in ('joint', 'ours')],
    'kinds64': [Run(name, RECIPES[name], 64, 48, seed) for seed in (0, 1) for name in ('joint', 'ours')],
    # For images other than clothes.
    'warm64-n200': _warm(200),
    'warm64-n100': _warm(100),
    'final32': _final(32),
    'final32-n1000': _final(32, 512, Data(count=1000)),
    'final64': _final(64),
    'final64-n1000': _final(64, 256, Data(count=1000)),
    'final128': _final(128),
    'how_many': [_shorter(Data(part)) for part in (8, 4, 2, 1)],
    'foreign': [_shorter(Data(4, variant=variant)) for variant in (CLEAN, FOREIGN, FILTERED)],
}


def small(run: Run) -> Run:
    """The same run in seconds, to try the studies themselves."""
    data = Data(part=2) if run.data.count else run.data
    flags = (*changed(run.flags, f'{_BATCH}=8'), '--extractor=pixels', '--eval_samples=64')
    return dataclasses.replace(run, data=data, flags=flags, kimg=0.128, base_filters=4)
