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
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import flags, logging

from trainer import cli, errors, images, noise, trained
from trainer.cli import option
from trainer.quiet import quieten_tensorflow
from trainer.sampler import ExportedGenerator, Generator, noise_for

_FRAME_MS = 50
_LARGEST_SEED = 2**31 - 1


@dataclasses.dataclass(frozen=True)
class GenerateOptions:
    """What to make."""

    model_dir: str = option('', 'A training run.', unit='folder')
    checkpoint: str = option('', trained.HELP, choices=trained.CHOICES)
    saved_model: str = option('', 'An exported generator, instead of --model_dir.', unit='folder')
    output_dir: str = option('generated', 'Where the pictures go, local or gs://.', unit='folder')
    seeds: str = option('', 'Which pictures: seeds and ranges, such as 0-99 or 3,17,40-49; wins over --count.')
    count: int = option(64, 'How many pictures, of seeds 0, 1, 2 ...', unit='images', lower=1)
    grid: bool = option(True, 'Write all of them as one picture, grid.png.')
    columns: int = option(0, 'Pictures in a row of the grid; 0 makes it as square as it gets.', lower=0)
    singles: bool = option(False, 'Write each as a picture of its own, seed_000017.png.')
    interpolate: bool = option(False, 'Write interpolation.gif, a walk through the seeds and back to the first.')
    frames: int = option(24, 'Frames from one seed to the next.', unit='frames', lower=1)

    def __post_init__(self) -> None:
        if bool(self.model_dir) == bool(self.saved_model):
            raise errors.UserError('give one of --model_dir=FOLDER (a training run) and --saved_model=FOLDER')
        if self.checkpoint and self.saved_model:
            raise errors.UserError(
                f'--checkpoint={self.checkpoint} chooses from a --model_dir, a --saved_model has one'
            )
        if self.interpolate and len(self.seed_list) < 2:
            raise errors.UserError(f'--interpolate needs at least 2 seeds, not {len(self.seed_list)}')

    @property
    def seed_list(self) -> list[int]:
        """The seeds, in the order given."""
        return parse_seeds(self.seeds) if self.seeds else list(range(self.count))


def parse_seeds(text: str) -> list[int]:
    """'3,17,40-42' -> [3, 17, 40, 41, 42].

    Raises:
      errors.UserError: not a list of seeds and ranges, or out of range.
    """
    seeds: list[int] = []
    for part in text.split(','):
        first, dash, last = part.strip().partition('-')
        if not first.isdigit() or not (last if dash else first).isdigit():
            raise errors.UserError(f'--seeds={text}: {part!r} is neither a seed nor a range; write 3,17,40-49')
        start, end = int(first), int(last if dash else first)
        if start > end or end > _LARGEST_SEED:
            raise errors.UserError(f'--seeds={text}: {part!r} must rise and end at {_LARGEST_SEED} at most')
        seeds += range(start, end + 1)
    return seeds


def load(options: GenerateOptions) -> Generator:
    """Loads the generator that the options name.

    Raises:
      errors.UserError: there is none.
    """
    if options.saved_model:
        if not tf.saved_model.contains_saved_model(options.saved_model):
            raise errors.UserError(f'{options.saved_model} is no SavedModel: give the saved_model folder of a run')
        return ExportedGenerator(options.saved_model)
    return trained.load(options.model_dir, options.checkpoint).generator


def generate(generator: Generator, options: GenerateOptions) -> list[str]:
    """Writes the pictures that the options ask for and returns their paths."""
    seeds = options.seed_list
    vectors = noise_for(seeds, generator.noise_dim)
    pictures = generator.images(vectors)
    written = []
    if options.grid:
        written.append(os.path.join(options.output_dir, 'grid.png'))
        images.write_png(written[-1], images.tile_grid(pictures, options.columns))
    if options.singles:
        for seed, picture in zip(seeds, pictures):
            written.append(os.path.join(options.output_dir, f'seed_{seed:06d}.png'))
            images.write_png(written[-1], picture)
    if options.interpolate:
        written.append(os.path.join(options.output_dir, 'interpolation.gif'))
        frames = generator.images(_walk(vectors, options.frames))
        images.write_bytes(written[-1], images.encode_gif(list(frames), _FRAME_MS))
    return written


def seed_map(seeds: Sequence[int], columns: int) -> str:
    """A table of the seeds as they lie in the grid, so that a picture that one likes can be made again."""
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
        print('seeds in the grid, row by row:')
        print(seed_map(seeds, images.grid_columns(len(seeds), options.columns)))
    return 0


def _walk(vectors: np.ndarray, frames: int) -> np.ndarray:
    """float32 [N, noise_dim] -> [N * frames, noise_dim], around the circle of all N."""
    ways = [noise.spherical(start, end, frames) for start, end in zip(vectors, np.roll(vectors, -1, axis=0))]
    return np.concatenate(ways)


if __name__ == '__main__':
    cli.run(main, __doc__, [GenerateOptions])
