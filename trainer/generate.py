"""Makes pictures with a trained generator; needs no data set.

  python -m trainer.generate --model_dir=runs/demo --count=16
      one grid of seeds 0 to 15.
  python -m trainer.generate --model_dir=runs/demo --seeds=3,17,40-49 --singles
      chosen seeds, a PNG each as well.
  python -m trainer.generate --saved_model=runs/demo/saved_model --seeds=3,17 --interpolate
      a walk from one seed to the next, and back to the first, as an animated GIF.

  python -m trainer.generate --model_dir=runs/clothes --label=all --count=500 --singles --agree=95%
      of a run with --condition=labels, a folder for each label: only pictures that a labeller of real images calls so.

The same seed always gives the same picture.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Sequence

import numpy as np
from absl import flags, logging

from trainer import cli, errors, terminal
from trainer.data import images
from trainer.dcgan.conditioning import Classes
from trainer.evaluation import agreement, labelled_pictures
from trainer.evaluation.agreement import Judge
from trainer.evaluation.labelled_pictures import ALL
from trainer.features import registry
from trainer.filesystem import disk_errors, files, outputs
from trainer.flags import shares
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading, seed_ranges
from trainer.generator.sampler import ExportedGenerator, Generator
from trainer.model_dir import run_data
from trainer.pretrained import packing
from trainer.quiet import quieten_tensorflow

_MADE_BY = 'trainer.generate'
_GRID, _FILM = labelled_pictures.GRID, 'interpolation.gif'
_FRAME_MS, _AT_ONCE = 50, 1024
_MOST_IN_GRID, _MOST_FRAMES = 10_000, 10_000  # Pictures in one file, and therefore in memory together.


@dataclasses.dataclass(frozen=True)
class GenerateOptions(Options):
    """What to make."""

    model_dir: str = option('', 'A training run.', unit='folder', path=ANYWHERE)
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    pretrained: str = option(
        '', 'A model that comes with the package, instead of --model_dir.', choices=('', *packing.NAMES)
    )
    saved_model: str = option('', 'An exported generator, instead of --model_dir.', unit='folder', path=ANYWHERE)
    label: str = option('', 'Of a run with classes: the label of all pictures, or all for as many of each label.')
    agree: str = option(
        '',
        'With --label, keep only pictures that a labeller of the real images gives this label, with a confidence that '
        'is right about such a share of the real ones, and that are no near copies; 95% is usual. Goes on until '
        '--count are kept, and writes kept.csv. Empty keeps all.',
    )
    data: str = option(
        '', 'The real images for --agree; empty is the data set of the training run.', unit='folder', path=ANYWHERE
    )
    output_dir: str = option('generated', 'Where the pictures go, local or gs://.', unit='folder', path=ANYWHERE)
    seeds: str = option('', 'Seeds and ranges of the pictures, such as 0-99 or 3,17,40-49; overrides --count.')
    count: int = option(
        64, 'Number of pictures, from the seeds 0, 1, 2 ...; with --label, of each label.',
        unit='images', lower=1, upper=seed_ranges.MOST, why='a folder of more files is hard to handle',
    )  # fmt: skip
    grid: bool = option(True, 'Write all pictures as one grid, grid.png.')
    columns: int = option(0, 'Pictures in a row of the grid; 0 makes it as square as possible.', lower=0)
    singles: bool = option(False, 'Write each picture to a file of its own, such as seed_000017.png.')
    interpolate: bool = option(False, 'Write interpolation.gif, a walk through the seeds and back to the first.')
    frames: int = option(
        24, 'Frames from one seed to the next.',
        unit='frames', lower=1, upper=_MOST_FRAMES, why='all frames are kept in memory',
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if sum(map(bool, (self.model_dir, self.saved_model, self.pretrained))) != 1:
            raise errors.UserError(
                'give one of --model_dir=FOLDER (a training run), --saved_model=FOLDER and '
                f'--pretrained={"|".join(packing.NAMES)}'
            )
        if self.checkpoint and not self.model_dir:
            raise errors.UserError(f'--checkpoint={self.checkpoint} chooses from a --model_dir: give one')
        if self.agree and not self.label:
            raise errors.UserError(f'--agree={self.agree} judges pictures of labels: add --label=NAME, or all')
        if self.agree and self.saved_model and not self.data:
            raise errors.UserError(f'--agree={self.agree} needs the real images: give --data=FOLDER')
        if self.interpolate and (self.agree or self.label == ALL):
            raise errors.UserError('--interpolate walks within one label: give --label=NAME, without --agree')
        _ = self.share  # Raises if it cannot be read.
        count = len(self.seed_list)
        if self.interpolate and count < 2:
            raise errors.UserError(f'--interpolate needs at least 2 seeds, not {count}')
        if self.interpolate and count * self.frames > _MOST_FRAMES:
            raise errors.UserError(
                f'--interpolate makes {count * self.frames:,} frames from {count:,} seeds, more than the '
                f'{_MOST_FRAMES:,} of one animation: give fewer seeds or --frames'
            )
        if self.grid and not self.label and count > _MOST_IN_GRID:
            raise errors.UserError(
                f'--grid takes at most {_MOST_IN_GRID:,} pictures, not {count:,}: give fewer, or --nogrid --singles'
            )

    @property
    def seed_list(self) -> Sequence[int]:
        """The seeds, in the order given."""
        return seed_ranges.parse(self.seeds) if self.seeds else range(self.count)

    @property
    def share(self) -> float | None:
        """--agree in (0, 1]; None to keep all pictures."""
        return shares.parse('--agree', self.agree, 'the labels of real images') if self.agree else None

    @property
    def names(self) -> list[str]:
        """The names of the files to write, with `*` for any characters."""
        wanted = {_GRID: self.grid, 'seed_*.png': self.singles, _FILM: self.interpolate}
        return [name for name, written in wanted.items() if written]


def load(options: GenerateOptions) -> Generator:
    """Loads the generator that the options name.

    Raises:
      errors.UserError: there is none.
    """
    if options.pretrained:
        with packing.unpacked(options.pretrained) as folder:
            return loading.load(folder).generator
    if options.saved_model:
        return ExportedGenerator(options.saved_model)
    return loading.load(options.model_dir, options.checkpoint).generator


def generate(generator: Generator, options: GenerateOptions) -> list[str]:
    """Writes the pictures that the options ask for and returns their paths.

    Raises:
      errors.UserError: the folder holds something else, is in use, or cannot be written.
    """
    with _claimed(options, options.names):
        return _written(generator, options)


def generate_labels(generator: Generator, options: GenerateOptions) -> list[str]:
    """Writes the pictures of the labels that the options ask for; returns what was kept of each, in a sentence.

    Raises:
      errors.UserError: there is no such label, no real images to judge by, or as in `generate`.
    """
    labels = labelled_pictures.chosen(generator.classes, options.label)
    assert generator.classes
    request = labelled_pictures.Request(
        labels, options.seed_list if options.seeds else None, options.count, _judge(generator.classes, options),
        options.singles, options.grid, options.columns,
    )  # fmt: skip
    with _claimed(options, labelled_pictures.names(generator.classes, request) + [_FILM] * options.interpolate):
        found = labelled_pictures.write(generator, request, options.output_dir)
        if options.interpolate:
            _write_film(generator, options, np.repeat(labels, len(options.seed_list)))
    return [labelled_pictures.summary(generator.classes, selection) for selection in found]


def _judge(classes: Classes, options: GenerateOptions) -> Judge | None:
    if options.share is None:
        return None
    data = run_data.options_of(options.model_dir, options.data)
    train, holdout = run_data.open_both(data)
    return agreement.judge(train, holdout, classes.names, registry.make(registry.DEFAULT), options.share)


def _claimed(options: GenerateOptions, names: Sequence[str]) -> contextlib.ExitStack:
    stack = contextlib.ExitStack()
    stack.enter_context(outputs.claimed('--output_dir', options.output_dir, _MADE_BY, names, environ=os.environ))
    stack.enter_context(disk_errors.explained(f'--output_dir={options.output_dir}'))
    return stack


def _written(generator: Generator, options: GenerateOptions) -> list[str]:
    """Writes each picture as soon as it is made, so that without a grid memory does not grow with their number."""
    shown, singles = [], []
    for begin in range(0, len(options.seed_list), _AT_ONCE):
        seeds = options.seed_list[begin : begin + _AT_ONCE]
        pictures = generator.images(generator.latents(seeds))
        shown += [pictures] if options.grid else []
        for seed, picture in zip(seeds, pictures) if options.singles else ():
            singles.append(os.path.join(options.output_dir, f'seed_{seed:06d}.png'))
            images.write_png(singles[-1], picture, images.GENERATED)
    grid, film = (os.path.join(options.output_dir, name) for name in (_GRID, _FILM))
    if options.grid:
        images.write_png(grid, images.tile_grid(np.concatenate(shown), options.columns))
    if options.interpolate:
        _write_film(generator, options)
    return [*([grid] if options.grid else []), *singles, *([film] if options.interpolate else [])]


def main() -> int:
    """Generates what the flags ask for; returns the exit code."""
    options = cli.from_flags(GenerateOptions, flags.FLAGS)
    quieten_tensorflow()
    generator = load(options)
    if options.label:
        for line in generate_labels(generator, options):
            terminal.say(line)
        terminal.say(f'pictures: {options.output_dir}')
        return 0
    for path in generate(generator, options):
        logging.info('%s', path)
    if options.grid:
        shown = options.seed_list
        terminal.say('seeds in the grid, row by row:')
        terminal.say(seed_ranges.table(shown, images.grid_columns(len(shown), options.columns)))
    return 0


def _write_film(generator: Generator, options: GenerateOptions, labels: np.ndarray | None = None) -> None:
    frames = generator.images(generator.walk(generator.latents(options.seed_list, labels), options.frames))
    files.write_bytes(os.path.join(options.output_dir, _FILM), images.encode_gif(list(frames), _FRAME_MS))


if __name__ == '__main__':
    cli.run(main, __doc__, [GenerateOptions])
