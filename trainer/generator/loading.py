"""Loads the generator of a training run, from its best or its last checkpoint."""

from __future__ import annotations

import dataclasses

from absl import logging

from trainer import errors
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.filesystem.pattern_free import plain
from trainer.generator.sampler import CheckpointGenerator
from trainer.model_dir import checkpoint_check, checkpoints, classes_file, hparams_file
from trainer.options import BEST, LAST

CHOICES = ('', BEST, LAST)
HELP = 'Which checkpoint of --model_dir: the last, or the best by KID; empty is the best if there is one.'


@dataclasses.dataclass(frozen=True)
class TrainedGenerator:
    """A trained generator and the facts about it.

    Attributes:
      generator: makes pictures.
      hparams: the hyper-parameters of its run.
      step: the step of its checkpoint.
      which: 'best' or 'last'.
    """

    generator: CheckpointGenerator
    hparams: HParams
    step: int
    which: str


@dataclasses.dataclass(frozen=True)
class Found:
    """A trained generator on disk.

    Attributes:
      hparams: the hyper-parameters of its run.
      classes: of its pictures; None for an unconditional one.
      checkpoint: its prefix, such as 'model_dir/best/model.ckpt-600'.
      step: of the checkpoint.
      which: 'best' or 'last'.
    """

    hparams: HParams
    classes: Classes | None
    checkpoint: str
    step: int
    which: str


def load(model_dir: str, which: str = '') -> TrainedGenerator:
    """Loads the generator that `find` finds, and raises as it does."""
    found = find(model_dir, which)
    logging.info('generator of the %s checkpoint, step %d', found.which, found.step)
    generator = CheckpointGenerator(found.hparams, found.classes).restore(found.checkpoint)
    return TrainedGenerator(generator, found.hparams, found.step, found.which)


def find(model_dir: str, which: str = '') -> Found:
    """Finds the generator that a run left in `model_dir`, and checks that its files fit each other.

    Args:
      model_dir: local or gs://, the --model_dir of python -m trainer.task.
      which: 'best' (by KID), 'last', or '' for the best if there is one, else the last.

    Raises:
      errors.UserError: nothing was trained there, no checkpoint is complete or of this model, or there is no best one.
    """
    plain(model_dir)  # Raises at once if TensorFlow cannot use the path.
    trained = hparams_file.read(model_dir)
    checkpoint = checkpoints.best(model_dir) if which != LAST else ''
    if which == BEST and not checkpoint:
        raise errors.UserError(
            f'{model_dir} has no best checkpoint; evaluations on a data set (--eval_steps) make one: '
            'give --checkpoint=last'
        )
    which = BEST if checkpoint else LAST
    checkpoint = checkpoint or checkpoints.newest_whole(model_dir)
    if checkpoint and trained is None:
        raise errors.UserError(
            f'{model_dir} has checkpoints but no {hparams_file.FILE_NAME}, which describes their networks: copy it '
            'from the run, or resume with python -m trainer.task and the flags that the run was trained with'
        )
    if trained is None or not checkpoint:
        raise errors.UserError(f'{model_dir} holds no training run: give the --model_dir of python -m trainer.task')
    checkpoint_check.check(checkpoint, trained, to_train=False)
    classes = classes_file.of_run(model_dir, trained)
    return Found(trained, classes, checkpoint, checkpoints.step_of(checkpoint), which)
