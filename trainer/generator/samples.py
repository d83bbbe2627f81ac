"""Pictures of the run: a grid from fixed noise at each sampling step, and an animation of all grids."""

from __future__ import annotations

import dataclasses
import io
import os
import re
import warnings
from collections.abc import Callable

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging
from PIL import Image

from trainer import errors
from trainer.data import images
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.filesystem import files
from trainer.generator.sampler import CheckpointGenerator, Generator
from trainer.model_dir import checkpoints, event_log
from trainer.model_dir.divergence import NotFinite

_FOLDER = 'samples'
_GRID = re.compile(r'step_[0-9]{6,}\.png')
_MAX_FRAMES = 60
_FRAME_MS = 200
_LEAST_COLUMNS = 4  # In a grid with a row for each class.


def folder(model_dir: str) -> str:
    """Where the pictures of a run are."""
    return os.path.join(model_dir, _FOLDER)


def grid_path(model_dir: str, step: int) -> str:
    """The sample grid of a step."""
    return os.path.join(folder(model_dir), f'step_{step:06d}.png')


def grid_paths(model_dir: str) -> list[str]:
    """The sample grids that are there, in the order of their steps."""
    place = folder(model_dir)
    names = tf.io.gfile.listdir(place) if tf.io.gfile.isdir(place) else []
    found = [name for name in names if _GRID.fullmatch(name)]
    return [os.path.join(place, name) for name in sorted(found, key=lambda name: (len(name), name))]  # 1000000 is last.


def chart_path(model_dir: str) -> str:
    """The chart of a run's measures."""
    return os.path.join(folder(model_dir), 'metrics.png')


def draw(generator: Generator, count: int) -> np.ndarray:
    """The grid of a generator, uint8 [H, W, C]: up to `count` pictures, not chosen; with classes, a row for each."""
    layout = _layout(generator.classes, count)
    return _tiled(generator.images(_latents(generator, layout, count)), layout)


def write_real(model_dir: str, pixels: tf.Tensor) -> None:
    """Writes real images uint8 [N, H, W, C] to `samples/real.png`, by way of the network's own pixel range."""
    seen = images.to_uint8(images.to_model_range(pixels)).numpy()
    images.write_png(os.path.join(folder(model_dir), 'real.png'), images.tile_grid(seen))


def write_gif(model_dir: str) -> str | None:
    """Writes the grids as the animation `samples/progress.gif` and returns its path, None if there are no grids."""
    paths = grid_paths(model_dir)
    if not paths:
        return None
    chosen = {round(i) for i in np.linspace(0, len(paths) - 1, min(len(paths), _MAX_FRAMES))}
    frames = [frame for i in sorted(chosen) if (frame := _read(paths[i])) is not None]
    if not frames:
        return None
    path = os.path.join(folder(model_dir), 'progress.gif')
    files.write_bytes(path, images.encode_gif(frames, _FRAME_MS))
    return path


class SampleListener(v1.train.CheckpointSaverListener):
    """Generates a grid from each checkpoint on a sampling step; prevents saving weights that are NaN or infinite.

    It works from the checkpoint, on the host, so it is the same for a CPU and a TPU and needs no second training
    session.
    """

    def __init__(
        self,
        hparams: HParams,
        classes: Classes | None,
        model_dir: str,
        count: int,
        sample_steps: int,
        take_grid: Callable[[int, np.ndarray], None],
    ):
        """Draws a grid of up to `count` images every `sample_steps` steps, of a run with classes with a row for each.

        `take_grid` gets the step and the images, uint8 [N, H, W, C].
        """
        self._train_steps, self._model_dir, self._sample_steps = hparams.train_steps, model_dir, sample_steps
        self._take_grid = take_grid
        self.generator = CheckpointGenerator(hparams, classes)
        self._layout = _layout(classes, count)
        self._latents = _latents(self.generator, self._layout, count)
        self._drawn = -1

    def begin(self) -> None:
        """See the base class."""
        finite = [tf.reduce_all(tf.math.is_finite(variable)) for variable in v1.trainable_variables()]
        self._all_finite = tf.reduce_all(tf.stack(finite))

    def before_save(self, session: v1.Session, global_step_value: int) -> None:
        """Refuses to overwrite good checkpoints with weights that are NaN or infinite."""
        if not session.run(self._all_finite):
            raise NotFinite('a weight is not finite', int(global_step_value))

    def after_save(self, session: v1.Session, global_step_value: int) -> None:
        """See the base class."""
        step = int(global_step_value)
        due = step % self._sample_steps == 0 or step >= self._train_steps
        if not due or step == self._drawn:  # After an evaluation, training saves the same step again.
            return
        pixels = self.generator.restore(checkpoints.path(self._model_dir, step)).images(self._latents)
        grid = _tiled(pixels, self._layout)
        images.write_png(grid_path(self._model_dir, step), grid)
        self._to_tensorboard(grid, step)
        self._drawn = step
        logging.info('samples: %s', grid_path(self._model_dir, step))
        self._take_grid(step, pixels)

    def _to_tensorboard(self, grid: np.ndarray, step: int) -> None:
        picture = v1.Summary.Image(
            height=grid.shape[0], width=grid.shape[1], encoded_image_string=images.encode_png(grid)
        )
        summary = v1.Summary(value=[v1.Summary.Value(tag='samples', image=picture)])
        event_log.writer(self._model_dir).add_summary(summary, step)

    def end(self, session: v1.Session, global_step_value: int) -> None:
        """See the base class."""
        event_log.writer(self._model_dir).flush()


@dataclasses.dataclass(frozen=True)
class _Layout:
    """How a grid is laid out.

    Attributes:
      columns: pictures in a row; 0 is as square as possible.
      labels, names: of the rows, if each shows one class.
    """

    columns: int = 0
    labels: tuple[int, ...] = ()
    names: tuple[str, ...] = ()


def _layout(classes: Classes | None, count: int) -> _Layout:
    """A row for each class, of several pictures; the largest classes if `count` pictures are too few for all."""
    if not classes:
        return _Layout()
    rows = min(len(classes.names), max(count // _LEAST_COLUMNS, 1))
    largest = sorted(range(len(classes.names)), key=lambda label: -classes.images[label])[:rows]
    shown = tuple(sorted(largest))
    return _Layout(max(count // rows, 1), shown, tuple(classes.names[label] for label in shown))


def _latents(generator: Generator, layout: _Layout, count: int) -> np.ndarray:
    if not layout.labels:
        return generator.latents(range(count))
    labels = np.repeat(layout.labels, layout.columns)
    return generator.latents(range(len(labels)), labels)


def _tiled(pixels: np.ndarray, layout: _Layout) -> np.ndarray:
    grid = images.tile_grid(pixels, layout.columns)
    return images.with_row_names(grid, layout.names) if layout.names else grid


def _read(path: str) -> np.ndarray | None:
    """Reads a grid; if the file is damaged, logs a warning and returns None."""
    try:
        with tf.io.gfile.GFile(path, 'rb') as file, warnings.catch_warnings():
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            picture = np.asarray(Image.open(io.BytesIO(file.read()), formats=['PNG']))
    except Exception as error:  # A decoder may raise anything for a damaged file.
        logging.warning('%s is left out of progress.gif: %s', path, errors.one_line(str(error)))
        return None
    return picture[..., None] if picture.ndim == 2 else picture
