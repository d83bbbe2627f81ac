"""Finds the newest whole checkpoint, however the last run ended."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging
from tensorflow.python.training.checkpoint_state_pb2 import CheckpointState

from trainer import errors
from trainer.filesystem import disk_errors, files
from trainer.filesystem.pattern_free import plain
from trainer.options import BEST
from trainer.storage import refusals

_STATE = 'checkpoint'  # Estimator's name for the file that names the newest checkpoint.
_UNFINISHED = re.compile(r'model\.ckpt-[0-9]{1,18}_temp/?')
_PART = re.compile(r'model\.ckpt-([0-9]{1,18})\.(index|data-[0-9]{5}-of-[0-9]{5})')


def path(model_dir: str, step: int) -> str:
    """Prefix of the checkpoint that Estimator writes at `step`."""
    return os.path.join(model_dir, f'model.ckpt-{step}')


def step_of(checkpoint: str) -> int:
    """The step of a checkpoint prefix; 0 for '', which means no checkpoint."""
    return int(checkpoint.rsplit('-', 1)[1]) if checkpoint else 0


def best_folder(model_dir: str) -> str:
    """Where the best checkpoint of a run is kept, beside those that training needs."""
    return os.path.join(model_dir, BEST)


def best(model_dir: str) -> str:
    """Prefix of the checkpoint with the lowest KID so far; '' if none was kept or none is whole."""
    for checkpoint in newest_first(best_folder(model_dir)):
        problem = _problem(checkpoint)
        if not problem:
            return checkpoint
        logging.warning('%s is not whole (%s)', checkpoint, problem)
    return ''


def newest_whole(model_dir: str) -> str:
    """Prefix of the newest checkpoint that can be read to its end; '' if there are no checkpoints.

    A run that is killed while it writes leaves a truncated checkpoint.

    Raises:
      errors.UserError: there are checkpoints, but none is whole.
    """
    found = newest_first(model_dir)
    for checkpoint in found:
        problem = _problem(checkpoint)
        if not problem:
            return checkpoint
        logging.warning('%s is not whole (%s): falling back to the checkpoint before it', checkpoint, problem)
    if found:
        raise errors.UserError(
            f'none of the {len(found)} checkpoints in {model_dir} is whole: restore one, or choose another --model_dir'
        )
    return ''


def check_whole(checkpoint: str) -> None:
    """Raises UserError unless a checkpoint can be read to its end."""
    problem = _problem(checkpoint)
    if problem:
        raise errors.UserError(f'{checkpoint} is not whole ({problem}): name another checkpoint')


def recover(model_dir: str) -> str:
    """Points Estimator at the newest whole checkpoint and returns its prefix; otherwise like `newest_whole`.

    The state file may be lost, damaged or older than the newest checkpoint. It may also name a truncated checkpoint, or
    files elsewhere, which Estimator would delete in time. So this function does not trust it and writes a new one.
    """
    checkpoint = newest_whole(model_dir)
    _remove_unfinished(model_dir)
    state = os.path.join(model_dir, _STATE)
    if checkpoint:
        older = [other for other in newest_first(model_dir) if step_of(other) <= step_of(checkpoint)]
        names = [os.path.basename(other) for other in older[::-1]]
        content = CheckpointState(model_checkpoint_path=names[-1], all_model_checkpoint_paths=names)
        files.write_bytes(state, str(content).encode())
    elif tf.io.gfile.exists(state):
        logging.warning('%s names checkpoints that are not here: renamed to %s.old', state, state)
        tf.io.gfile.rename(state, f'{state}.old', overwrite=True)
    return checkpoint


def _remove_unfinished(model_dir: str) -> None:
    """Removes the folders in which TensorFlow was writing a checkpoint when the run was killed or the disk was full."""
    names = tf.io.gfile.listdir(model_dir) if tf.io.gfile.isdir(model_dir) else []
    for name in names:
        if _UNFINISHED.fullmatch(name):
            tf.io.gfile.rmtree(os.path.join(model_dir, name.rstrip('/')))


def latest(model_dir: str) -> str:
    """Prefix of the checkpoint that Estimator would resume from, after `recover`; '' if there is none."""
    found = tf.train.latest_checkpoint(plain(model_dir))
    return path(model_dir, step_of(found)) if found else ''


def parts(folder: str, step: int | None = None) -> list[str]:
    """The files of one step's checkpoint in a folder, or of all checkpoints there; index files come last."""
    names = tf.io.gfile.listdir(folder) if tf.io.gfile.isdir(folder) else []
    found = [match for match in map(_PART.fullmatch, names) if match and step in (None, int(match[1]))]
    return [
        os.path.join(folder, match[0]) for match in sorted(found, key=lambda match: (match[2] == 'index', match[0]))
    ]


def load_reader(checkpoint: str) -> tf.train.CheckpointReader:
    """The reader of a checkpoint prefix, which may have any characters."""
    return tf.train.load_checkpoint(plain(checkpoint))


class RestoredHook(v1.train.SessionRunHook):
    """Calls a function once, after a session has been created and its checkpoint restored."""

    def __init__(self, function: Callable[[], None]):
        self._function: Callable[[], None] | None = function

    def after_create_session(self, session: v1.Session, coord: tf.train.Coordinator) -> None:
        """See the base class."""
        function, self._function = self._function, None
        if function:
            function()


class ResumeHook(v1.train.SessionRunHook):
    """Gives each session a saver that does not rewrite the checkpoint that it has just restored.

    Estimator saves when a session begins, and a session begins after each evaluation and each restart. At 128 px that
    would upload 438 MB before the first step.
    """

    def begin(self) -> None:
        """See the base class."""
        savers = v1.get_collection_ref(v1.GraphKeys.SAVERS)
        # Replaces Estimator's own saver, which is not built yet, and takes over its arguments.
        savers[:] = [
            _ResumingSaver(sharded=True, max_to_keep=savers[0]._max_to_keep, defer_build=True, save_relative_paths=True)
        ]


class _ResumingSaver(v1.train.Saver):
    _restored = ''

    def restore(self, sess: v1.Session, save_path: str) -> None:
        super().restore(sess, save_path)
        self._restored = save_path

    def save(self, sess: v1.Session, save_path: str, global_step: int | None = None, **options: Any) -> str:
        restored, self._restored = self._restored, ''
        if restored and restored == f'{save_path}-{global_step}':
            return restored
        return super().save(sess, save_path, global_step, **options)


def newest_first(model_dir: str) -> list[str]:
    """Prefixes of all checkpoints in a folder, whole or not, the newest first."""
    names = tf.io.gfile.listdir(model_dir) if tf.io.gfile.isdir(model_dir) else []
    steps = {int(match[1]) for match in map(_PART.fullmatch, names) if match and match[2] == 'index'}
    return [path(model_dir, step) for step in sorted(steps, reverse=True)]


def _problem(checkpoint: str) -> str:
    """What is wrong with a checkpoint; '' if it is whole. Reads all of it, which checks the CRC of each tensor."""
    try:
        reader = load_reader(checkpoint)
        for name in sorted(reader.get_variable_to_shape_map()):  # In file order, because gs:// is read ahead.
            reader.get_tensor(name)
    except errors.UserError:
        raise
    except Exception as error:  # The reader guesses the type from the message: IndexError, TypeError, DataLossError ...
        known = refusals.explain(error, checkpoint, refusals.VIEWER) or disk_errors.explain(error)
        if isinstance(known, (errors.Transient, errors.AccessDenied)):
            raise known from error  # Storage that does not answer says nothing about the checkpoint.
        return errors.one_line(str(error))[:200]
    return ''
