"""Loads the generator of a training run: of its best checkpoint or of its last."""

from __future__ import annotations

import dataclasses
import os

import tensorflow as tf
from absl import logging

from trainer import checkpoints, errors, manifest
from trainer import hparams as hparams_file
from trainer.hparams import HParams
from trainer.sampler import CheckpointGenerator, Generator

DATA_FOLDER = 'data'
CHOICES = ('', checkpoints.BEST, checkpoints.LAST)
HELP = 'Which checkpoint of --model_dir: the last, or the best by KID; empty is the best if there is one.'


@dataclasses.dataclass(frozen=True)
class Trained:
    """A generator with what is known of it.

    Attributes:
      generator: makes pictures.
      hparams: it was trained with.
      step: of its checkpoint.
      which: 'best' or 'last'.
    """

    generator: Generator
    hparams: HParams
    step: int
    which: str


def own_data(model_dir: str) -> str:
    """The data set that the demo makes in its `model_dir`, for when no other is named.

    Raises:
      errors.UserError: there is none.
    """
    folder = os.path.join(model_dir, DATA_FOLDER)
    if not tf.io.gfile.exists(os.path.join(folder, manifest.FILE_NAME)):
        raise errors.UserError(f'{model_dir} has no data set of its own: give --data=FOLDER, what it was trained on')
    return folder


def load(model_dir: str, which: str = '') -> Trained:
    """Loads the generator that a run left in `model_dir`.

    Args:
      model_dir: local or gs://, the --model_dir of python -m trainer.task.
      which: 'best' (by KID), 'last', or '' for the best if there is one, else the last.

    Raises:
      errors.UserError: nothing was trained there, no checkpoint is whole, or there is no best one.
    """
    trained = hparams_file.read(model_dir)
    checkpoint = checkpoints.best(model_dir) if which != checkpoints.LAST else ''
    if which == checkpoints.BEST and not checkpoint:
        raise errors.UserError(
            f'{model_dir} has no best checkpoint, which evaluations on a data set make (--eval_steps): '
            'give --checkpoint=last'
        )
    which = checkpoints.BEST if checkpoint else checkpoints.LAST
    checkpoint = checkpoint or checkpoints.newest_whole(model_dir)
    if trained is None or not checkpoint:
        raise errors.UserError(f'{model_dir} holds no training run: give the --model_dir of python -m trainer.task')
    step = checkpoints.step_of(checkpoint)
    logging.info('generator of the %s checkpoint, step %d', which, step)
    return Trained(CheckpointGenerator(trained).restore(checkpoint), trained, step, which)
