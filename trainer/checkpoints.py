"""Finds the newest checkpoint that is whole, after whatever ended the last run."""

from __future__ import annotations

import os
import re
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer import errors, storage_errors

BEST, LAST = 'best', 'last'


def path(model_dir: str, step: int) -> str:
    """Prefix of the checkpoint that Estimator writes at `step`."""
    return os.path.join(model_dir, f'model.ckpt-{step}')


def step_of(checkpoint: str) -> int:
    """The step of a checkpoint prefix; 0 for '', which stands for none."""
    return int(checkpoint.rsplit('-', 1)[1]) if checkpoint else 0


def best_folder(model_dir: str) -> str:
    """Where the best checkpoint of a run is kept, beside those that training needs."""
    return os.path.join(model_dir, BEST)


def best(model_dir: str) -> str:
    """Prefix of the checkpoint with the lowest KID so far, '' if none was kept or it cannot be read to its end."""
    for checkpoint in newest_first(best_folder(model_dir)):
        problem = _problem(checkpoint)
        if not problem:
            return checkpoint
        logging.warning('%s is not whole (%s)', checkpoint, problem)
    return ''


def newest_whole(model_dir: str) -> str:
    """Prefix of the newest checkpoint that can be read to its end, '' if there is none at all.

    A run that is killed while it writes leaves a checkpoint cut short.

    Raises:
      errors.UserError: there are checkpoints, and none of them is whole.
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


def recover(model_dir: str) -> str:
    """Points Estimator at the newest whole checkpoint and returns its prefix; as `newest_whole` otherwise.

    The state file may name a checkpoint that is cut short, or be lost, or be older than the newest checkpoint.
    """
    checkpoint = newest_whole(model_dir)
    if checkpoint and tf.train.latest_checkpoint(model_dir) != checkpoint:
        older = [other for other in newest_first(model_dir) if step_of(other) <= step_of(checkpoint)]
        v1.train.update_checkpoint_state(model_dir, checkpoint, older[::-1])
    return checkpoint


class ResumeHook(v1.train.SessionRunHook):
    """Gives each session a saver that does not write the checkpoint again from which it has just restored.

    Estimator saves when a session begins, and a session begins after each evaluation and each restart; at 128 px that
    would be 438 MB to upload before the first step.
    """

    def begin(self) -> None:
        """See the base class."""
        savers = v1.get_collection_ref(v1.GraphKeys.SAVERS)
        # In place of Estimator's own, which is not built yet, and with its arguments.
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
    steps = [int(match[1]) for match in (re.fullmatch(r'model\.ckpt-(\d+)\.index', name) for name in names) if match]
    return [path(model_dir, step) for step in sorted(steps, reverse=True)]


def _problem(checkpoint: str) -> str:
    """Reads all of a checkpoint, which checks the CRC of each tensor; '' if it is whole."""
    try:
        reader = tf.train.load_checkpoint(checkpoint)
        for name in sorted(reader.get_variable_to_shape_map()):  # As they lie in the file: gs:// is read ahead.
            reader.get_tensor(name)
    except Exception as error:  # The reader guesses the type from the message: IndexError, TypeError, DataLossError ...
        of_storage = storage_errors.explain(error, checkpoint, storage_errors.VIEWER)
        if of_storage:  # Storage that does not answer says nothing about the checkpoint.
            raise of_storage from error
        return str(error).splitlines()[0]
    return ''
