"""Writes a page that shows what a generator learned: samples beside the training images that are most like them.

  python -m trainer.explore --model_dir=runs/roses --data=data/roses64
      open runs/roses/explore/index.html; --output_dir=gs://BUCKET/FOLDER writes it to a bucket.

Each sample has its seed, its nearest training images by colour and by shape, and a mark if it is likely a copy. A
second tab shows the data set with its duplicates and outliers. In a third the page makes new pictures itself, walks
from one to another, and finds the training images nearest to a picture of yours. The page is a folder of files; it
needs no server or network. It stays under 15 MB: of many training images it has some, and its first lines say how many
and what else is left out.
"""

from __future__ import annotations

import dataclasses
import os

from absl import flags

from trainer import cli, errors, terminal
from trainer.data.image_set import ImageSet
from trainer.evaluation import live_generator, page_parts
from trainer.evaluation.page_parts import Samples
from trainer.features import registry
from trainer.filesystem import disk_errors, outputs
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading
from trainer.generator.loading import TrainedGenerator
from trainer.model_dir import run_data
from trainer.page import budget, builder
from trainer.page.content import Page
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
    images: int = option(
        0,
        'Number of training images on the page; 0 is as many as there is room for.',
        unit='images',
        lower=0,
        upper=100_000,
        why='a browser shows no more',
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_dir:
            raise errors.UserError('give --model_dir=FOLDER, a training run of python -m trainer.task')

    @property
    def folder(self) -> str:
        """Where the page goes."""
        return self.output_dir or os.path.join(self.model_dir, 'explore')


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
            builder.write(options.folder, budget.fitted(page, options.images).files)
    return os.path.join(options.folder, builder.INDEX)


def _page(options: ExploreOptions, made: TrainedGenerator, train: ImageSet, holdout: ImageSet | None) -> Page:
    seeds = range(options.count)
    command = cli.command('trainer.generate', model_dir=options.model_dir, checkpoint=made.which)
    pixels = made.generator.images(made.generator.latents(seeds))
    extractor = registry.make(options.extractor, options.feature_weights)
    classes, drawn = made.generator.classes, made.generator.labels(seeds)
    labels = [classes.names[number] if number >= 0 else '' for number in drawn.tolist()] if classes else ()
    samples = Samples(pixels, seeds, command, labels)
    compared = page_parts.compare(samples, train, holdout, extractor, options.neighbours)
    serve = cli.command('trainer.serve', model_dir=options.model_dir, checkpoint=made.which)
    live = live_generator.embedded(made.generator, made.hparams, command, serve)
    found = compared.finder and dataclasses.replace(compared.finder, bits=live.bits)
    live = dataclasses.replace(live, finder=found, finder_note=compared.finder_note)
    facts = [*_facts_of_run(options, made), *_facts_of_sizes(train, holdout), ('Compared by', extractor.title)]
    title = f'What {os.path.basename(os.path.normpath(options.model_dir))} learned'
    return Page(
        title,
        facts,
        compared.dataset,
        compared.generated,
        live,
        vectors=compared.vectors,
        neighbours=options.neighbours,
    )


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
