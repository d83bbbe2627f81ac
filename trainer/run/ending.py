"""What a finished run leaves: the SavedModel first, then the animation, other formats and the model card."""

from __future__ import annotations

import os

import tensorflow as tf
from absl import logging

from trainer import cli, errors
from trainer.data import images
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.exports import conversion, facts, folder
from trainer.exports.conversion import Measured
from trainer.generator import samples, saved_model
from trainer.generator.sampler import ExportedGenerator
from trainer.model_dir import checkpoints
from trainer.options import BEST, LAST, SAVED_MODEL, RunOptions


def check(options: RunOptions) -> None:
    """Checks before training that the formats of --export_format can be written after it; changes nothing.

    Raises:
      errors.UserError: packages are missing, or the folder holds something else.
    """
    conversion.check_installed('--export_format', options.export_formats)
    if _others(options):
        folder.check('--model_dir', _folder(options), _others(options))


def finish(hparams: HParams, options: RunOptions, classes: Classes | None) -> None:
    """Writes the results of a finished run.

    Raises:
      errors.UserError: the SavedModel cannot be written; or, with all else written, a format that was asked for.
    """
    model_dir = options.model_dir
    checkpoint = checkpoints.latest(model_dir)
    best = checkpoints.best(model_dir) if options.export_checkpoint == BEST else ''
    if options.export_checkpoint == BEST and not best:
        logging.warning('no evaluation has found a best checkpoint: exporting the last')
    checkpoint = best or checkpoint
    saved_model.export(hparams, checkpoint, options.export_dir, classes)
    grids = samples.grid_paths(model_dir)
    if grids:
        logging.info('pictures: %s, %s', grids[-1], samples.write_gif(model_dir))
    logging.info('measures: %s', samples.chart_path(model_dir))
    generate = cli.command('trainer.generate', model_dir=model_dir, count=16)
    logging.info('generator: %s (%s)', options.export_dir, generate)
    try:
        _write_others(hparams, options, classes, checkpoints.step_of(checkpoint), BEST if best else LAST)
    except Exception as error:  # Of any kind: the run is whole without them.
        known = cli.explain(error)
        reason = errors.one_line(str(known or f'{type(error).__name__}: {error}'))
        again = cli.command('trainer.export', model_dir=model_dir, format=options.export_format)
        if _others(options):
            kind = type(known) if known else errors.UserError
            raise kind(f'{reason}; the run is finished and its SavedModel written; to try again: {again}') from error
        logging.warning('no model card: %s (%s)', reason, again)


def _write_others(hparams: HParams, options: RunOptions, classes: Classes | None, step: int, which: str) -> None:
    """Writes the formats besides the SavedModel, the card and its samples to `export` in model_dir."""
    place, others = _folder(options), _others(options)
    known = facts.of_run(options.model_dir, hparams, classes, step, which)
    with folder.claimed('--model_dir', place, others):
        grid = _grid(options.model_dir, step)
        made = [Measured(SAVED_MODEL, conversion.size_of(options.export_dir))]
        if others or not grid:  # Loading the SavedModel takes seconds.
            exported = ExportedGenerator(options.export_dir)
            made = conversion.convert(exported, options.export_dir, (SAVED_MODEL, *others)) if others else made
            grid = grid or images.encode_png(samples.draw(exported, options.sample_count), images.GENERATED)
        for file in made[1:]:
            logging.info('%s', file.summary)
        logging.info('model card: %s', folder.write(place, known, made, options.export_dir, grid))


def _folder(options: RunOptions) -> str:
    return os.path.join(options.model_dir, folder.NAME)


def _others(options: RunOptions) -> tuple[str, ...]:
    return tuple(name for name in options.export_formats if name != SAVED_MODEL)


def _grid(model_dir: str, step: int) -> bytes:
    """The sample grid of a step as a PNG file; empty if there is none."""
    try:
        with tf.io.gfile.GFile(samples.grid_path(model_dir, step), 'rb') as file:
            return file.read()
    except tf.errors.NotFoundError:
        return b''
