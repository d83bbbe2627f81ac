"""Writes a page that shows what a generator learned: samples beside the training images that are most like them.

  python -m trainer.explore --model_dir=runs/roses --data=data/roses64
      open runs/roses/explore/index.html; --output_dir=gs://BUCKET/FOLDER writes it to a bucket.

Each sample has its seed, its nearest training images by colour and by shape, and a mark if it is likely a copy. A
second tab shows the data set with its duplicates and outliers. The page is a folder of files; it needs no server or
network.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from absl import flags, logging

from trainer import cli, errors, terminal
from trainer.data.image_set import ImageSet
from trainer.features import extraction, registry
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.filesystem import disk_errors, outputs
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading
from trainer.generator.loading import TrainedGenerator
from trainer.metrics import density, duplicates
from trainer.model_dir import run_data
from trainer.page import builder, comparison
from trainer.page.content import DatasetPart, Generated, Layer, Page
from trainer.quiet import quieten_tensorflow

_MADE_BY = 'trainer.explore'


@dataclasses.dataclass(frozen=True)
class ExploreOptions(Options):
    """What to show.

    Raises:
      errors.UserError: a value that breaks its rule.
    """

    model_dir: str = option('', 'The training run.', unit='folder', path=ANYWHERE)
    data: str = option(
        '', 'The data set to compare with; empty is that of the training run.', unit='folder', path=ANYWHERE
    )
    output_dir: str = option(
        '', 'Where the page goes, local or gs://; empty is explore in --model_dir.', unit='folder', path=ANYWHERE
    )
    count: int = option(
        400,
        'Number of samples, from the seeds 0, 1, 2 ...',
        unit='images',
        lower=100,
        upper=1000,
        why='one page shows all of them',
    )
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    extractor: str = option(
        registry.DEFAULT, 'The features by which images are compared.', choices=tuple(registry.EXTRACTORS)
    )
    feature_weights: str = option('', "A file of weights, instead of the extractor's own.", unit='file', path=ANYWHERE)
    neighbours: int = option(
        24,
        'Number of nearest images shown for each image.',
        unit='images',
        lower=1,
        upper=1000,
        why='the page holds all of them',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_dir:
            raise errors.UserError('give --model_dir=FOLDER, a training run of python -m trainer.task')

    @property
    def folder(self) -> str:
        """Where the page goes."""
        return self.output_dir or os.path.join(self.model_dir, 'explore')


@dataclasses.dataclass(frozen=True)
class Samples:
    """What the generator made.

    Attributes:
      pixels: uint8 [N, H, W, C].
      seeds: of each.
      command: makes a sample again if ` --seeds=SEED` is appended.
      labels: the name of each one's class, '' for none; () for an unconditional generator.
    """

    pixels: np.ndarray
    seeds: range
    command: str
    labels: Sequence[str] = ()


def explore(options: ExploreOptions) -> str:
    """Writes the page and returns the path of what to open.

    Raises:
      errors.UserError: no run, no data set, or a folder that cannot be written or holds something else.
    """
    made = loading.load(options.model_dir, options.checkpoint)
    data = run_data.options_of(options.model_dir, options.data)
    train, holdout = run_data.open_both(data, made.hparams.image_size, made.hparams.channels)
    run_data.warn_of_change(options.model_dir, train, holdout)
    with outputs.claimed('--output_dir', options.folder, _MADE_BY, builder.NAMES, environ=os.environ):
        page = _page(options, made, train, holdout)
        with disk_errors.explained(f'--output_dir={options.folder}'):
            builder.write_page(options.folder, page)
    return os.path.join(options.folder, builder.INDEX)


def _page(options: ExploreOptions, made: TrainedGenerator, train: ImageSet, holdout: ImageSet | None) -> Page:
    seeds = range(options.count)
    command = cli.command('trainer.generate', model_dir=options.model_dir, checkpoint=made.which)
    pixels = made.generator.images(made.generator.latents(seeds))
    extractor = registry.make(options.extractor, options.feature_weights)
    classes, drawn = made.generator.classes, made.generator.labels(seeds)
    labels = [classes.names[number] if number >= 0 else '' for number in drawn.tolist()] if classes else ()
    generated, dataset = compare(Samples(pixels, seeds, command, labels), train, holdout, extractor, options.neighbours)
    facts = [*_facts_of_run(options, made), *_facts_of_sizes(train, holdout), ('Compared by', extractor.title)]
    title = f'What {os.path.basename(os.path.normpath(options.model_dir))} learned'
    return Page(title, facts, dataset, generated)


def compare(
    samples: Samples, train: ImageSet, holdout: ImageSet | None, extractor: Extractor, count: int
) -> tuple[Generated, DatasetPart]:
    """Finds the neighbours of samples and training images, and makes the two tabs of the page from them.

    Args:
      samples: the generated images.
      train, holdout: the data set.
      extractor: the features to compare by.
      count: number of neighbours of each image.
    """
    logging.info('%s: %d samples, %d training images', extractor.name, len(samples.seeds), len(train))
    raw = extraction.of_set(train, extractor)
    raw_samples = extraction.of_pixels(samples.pixels, extractor)
    raw_holdout = extraction.of_set(holdout, extractor) if holdout else {}
    to_training, from_training, among = [], [], []
    for layer, likeness in comparison.likenesses(extractor):
        space = Space.of(raw[layer])
        images, made = space.embed(raw[layer]), space.embed(raw_samples[layer])
        to_training.append(Layer(likeness, comparison.nearest(made, images, count)))
        from_training.append(Layer(likeness, comparison.nearest(images, made, count)))
        among.append(Layer(likeness, comparison.nearest(images, images, count, exclude_self=True)))
    real = space.embed(raw_holdout[layer]) if raw_holdout else None  # The late layer is the last of the loop.
    generated = Generated(
        pixels=samples.pixels,
        seeds=samples.seeds,
        command=samples.command,
        to_training=tuple(to_training),
        from_training=tuple(from_training),
        nearest_cosines=to_training[-1].nearest.cosines[:, 0],
        scale=comparison.scale(images, real),
        labels=samples.labels,
    )
    dataset = DatasetPart(
        images=train,
        entries=train.entries(),
        label_names=train.labels,
        density=density.local_density(raw[extractor.late]),
        clusters=duplicates.find(train, images),
        nearest=tuple(among),
    )
    return generated, dataset


def _facts_of_run(options: ExploreOptions, made: TrainedGenerator) -> list[tuple[str, str]]:
    began = made.hparams.init_from
    return [
        ('Run', options.model_dir),
        *([('Started from', began)] if began else []),
        ('Checkpoint', f'{made.which}, step {made.step:,}'),
        ('Samples', f'{options.count:,}, seeds 0 to {options.count - 1}'),
    ]


def _facts_of_sizes(train: ImageSet, holdout: ImageSet | None) -> list[tuple[str, str]]:
    return [
        ('Training images', f'{len(train):,} of {train.image_size} px'),
        ('Hold-out', f'{len(holdout):,} images' if holdout else 'none'),
    ]


def main() -> None:
    """Writes the page that the flags ask for."""
    options = cli.from_flags(ExploreOptions, flags.FLAGS)
    quieten_tensorflow()
    terminal.say(f'open {explore(options)}')


if __name__ == '__main__':
    cli.run(main, __doc__, [ExploreOptions])
