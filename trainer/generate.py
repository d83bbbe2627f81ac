"""Makes pictures with a trained generator; needs no data set.

  python -m trainer.generate --model_dir=runs/demo --count=16
      one grid of seeds 0 to 15.
  python -m trainer.generate --model_dir=runs/demo --seeds=3,17,40-49 --singles
      chosen seeds, a PNG each as well.
  python -m trainer.generate --saved_model=runs/demo/saved_model --seeds=3,17 --interpolate
      a walk from one seed to the next, and back to the first, as an animated GIF.

The same seed always gives the same picture.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Sequence

import numpy as np
from absl import flags, logging

from trainer import cli, errors, terminal
from trainer.data import images
from trainer.dcgan import noise
from trainer.filesystem import disk_errors, files, outputs
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading
from trainer.generator.sampler import ExportedGenerator, Generator
from trainer.pretrained import packing
from trainer.quiet import quieten_tensorflow

_MADE_BY = 'trainer.generate'
_GRID, _FILM = 'grid.png', 'interpolation.gif'
_FRAME_MS = 50
_LARGEST_SEED = 2**31 - 1
_AT_ONCE = 1024
_MOST_PICTURES = 1_000_000
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
    output_dir: str = option('generated', 'Where the pictures go, local or gs://.', unit='folder', path=ANYWHERE)
    seeds: str = option('', 'Seeds and ranges of the pictures, such as 0-99 or 3,17,40-49; overrides --count.')
    count: int = option(
        64, 'Number of pictures, from the seeds 0, 1, 2 ...',
        unit='images', lower=1, upper=_MOST_PICTURES, why='a folder of more files is hard to handle',
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
        count = len(self.seed_list)
        if self.interpolate and count < 2:
            raise errors.UserError(f'--interpolate needs at least 2 seeds, not {count}')
        if self.interpolate and count * self.frames > _MOST_FRAMES:
            raise errors.UserError(
                f'--interpolate makes {count * self.frames:,} frames from {count:,} seeds, more than the '
                f'{_MOST_FRAMES:,} of one animation: give fewer seeds or --frames'
            )
        if self.grid and count > _MOST_IN_GRID:
            raise errors.UserError(
                f'--grid takes at most {_MOST_IN_GRID:,} pictures, not {count:,}: give fewer seeds, or --nogrid '
                '--singles'
            )

    @property
    def seed_list(self) -> Sequence[int]:
        """The seeds, in the order given."""
        return parse_seeds(self.seeds) if self.seeds else range(self.count)

    @property
    def names(self) -> list[str]:
        """The names of the files to write, with `*` for any characters."""
        wanted = {_GRID: self.grid, 'seed_*.png': self.singles, _FILM: self.interpolate}
        return [name for name, written in wanted.items() if written]


def parse_seeds(text: str) -> list[int]:
    """'3,17,40-42' -> [3, 17, 40, 41, 42].

    Raises:
      errors.UserError: it is not a list of seeds and ranges, a seed is out of range, or there are too many.
    """
    seeds: list[int] = []
    for part in text.split(','):
        found = re.fullmatch(r'([0-9]{1,10})(?:-([0-9]{1,10}))?', part.strip())
        if not found:
            raise errors.UserError(f'--seeds={text}: {part!r} is neither a seed nor a range; write 3,17,40-49')
        start, end = int(found[1]), int(found[2] or found[1])
        if start > end or end > _LARGEST_SEED:
            raise errors.UserError(f'--seeds={text}: {part!r} must rise and end at {_LARGEST_SEED} at most')
        if len(seeds) + end - start >= _MOST_PICTURES:
            raise errors.UserError(f'--seeds={text}: more than {_MOST_PICTURES:,} pictures; make them in several runs')
        seeds += range(start, end + 1)
    return seeds


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
    claimed = outputs.claimed('--output_dir', options.output_dir, _MADE_BY, options.names, environ=os.environ)
    with claimed, disk_errors.explained(f'--output_dir={options.output_dir}'):
        return _written(generator, options)


def _written(generator: Generator, options: GenerateOptions) -> list[str]:
    """Writes each picture as soon as it is made, so that without a grid memory does not grow with their number."""
    shown, singles = [], []
    for begin in range(0, len(options.seed_list), _AT_ONCE):
        seeds = options.seed_list[begin : begin + _AT_ONCE]
        pictures = generator.images(generator.latents(seeds))
        shown += [pictures] if options.grid else []
        for seed, picture in zip(seeds, pictures) if options.singles else ():
            singles.append(os.path.join(options.output_dir, f'seed_{seed:06d}.png'))
            images.write_png(singles[-1], picture)
    grid, film = (os.path.join(options.output_dir, name) for name in (_GRID, _FILM))
    if options.grid:
        images.write_png(grid, images.tile_grid(np.concatenate(shown), options.columns))
    if options.interpolate:
        frames = generator.images(_walk(generator.latents(options.seed_list), options.frames))
        files.write_bytes(film, images.encode_gif(list(frames), _FRAME_MS))
    return [*([grid] if options.grid else []), *singles, *([film] if options.interpolate else [])]


def seed_map(seeds: Sequence[int], columns: int) -> str:
    """A table of the seeds in the order of the grid, so that any picture in it can be made again."""
    width = len(str(max(seeds)))
    rows = [seeds[i : i + columns] for i in range(0, len(seeds), columns)]
    return '\n'.join(' '.join(f'{seed:{width}d}' for seed in row) for row in rows)


def main() -> int:
    """Generates what the flags ask for; returns the exit code."""
    options = cli.from_flags(GenerateOptions, flags.FLAGS)
    quieten_tensorflow()
    for path in generate(load(options), options):
        logging.info('%s', path)
    if options.grid:
        seeds = options.seed_list
        terminal.say('seeds in the grid, row by row:')
        terminal.say(seed_map(seeds, images.grid_columns(len(seeds), options.columns)))
    return 0


def _walk(vectors: np.ndarray, frames: int) -> np.ndarray:
    """float32 [N, noise_dim] -> [N * frames, noise_dim]: from each vector to the next, and back to the first."""
    ways = [noise.spherical(start, end, frames) for start, end in zip(vectors, np.roll(vectors, -1, axis=0))]
    return np.concatenate(ways)


if __name__ == '__main__':
    cli.run(main, __doc__, [GenerateOptions])
