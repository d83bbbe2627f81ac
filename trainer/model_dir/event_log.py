"""TensorBoard's events: where the writers of a run put them, and how they get into a bucket.

An event file in a bucket cannot grow: TensorFlow would upload all of it again at each flush. So if the events of a run
go to gs://, its writers write to this machine's disk, and `publish` uploads what is new in files that are then closed.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from typing import Any

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer.filesystem.pattern_free import plain
from trainer.options import RunOptions
from trainer.storage import gcs

_EVALUATION = 'eval'  # Estimator's name for the folder of its evaluations.
_STEPS = 'train'


class EventLog:
    """Sends the events of a run to --tensorboard_dir; a context manager.

    Attributes:
      steps_dir: where the scalars of each step go; set when the context is entered. TensorBoard follows only one
        growing file in a folder, so these scalars have their own folder.
    """

    def __init__(self, options: RunOptions, on_this_host: bool = True):
        """Prepares to replace the writers that Estimator would open in model_dir.

        Args:
          options: of the run.
          on_this_host: whether TPUEstimator's host_call runs here; for a TPU elsewhere it must write to the bucket.
        """
        self._model_dir, self._target = plain(options.model_dir), options.tensorboard_dir
        self._on_this_host = on_this_host
        self._sent: dict[str, int] = {}

    def __enter__(self) -> EventLog:
        self._spool = tempfile.mkdtemp(prefix='events-') if gcs.is_remote(self._target) else ''
        root = self._spool or self._target
        self.steps_dir = os.path.join(root if self._on_this_host else self._target, _STEPS)
        self._writers = {
            self._model_dir: _RotatingWriter(root),
            os.path.join(self._model_dir, _EVALUATION): _RotatingWriter(os.path.join(root, _EVALUATION)),
        }
        # Estimator and its hooks get their writers from this cache, by folder.
        v1.summary.FileWriterCache._cache.update(self._writers)
        return self

    def __exit__(self, *_: object) -> None:
        for folder in self._writers:
            v1.summary.FileWriterCache._cache.pop(folder, None)
        self.publish()
        for writer in self._writers.values():
            writer.close()
        shutil.rmtree(self._spool, ignore_errors=True)

    def publish(self) -> None:
        """Makes the events so far visible in --tensorboard_dir."""
        for writer in self._writers.values():
            writer.close() if self._spool else writer.flush()
        for folder, _, names in os.walk(self._spool):
            for name in sorted(names):
                self._send(os.path.join(folder, name))

    def _send(self, path: str) -> None:
        size = os.path.getsize(path)
        if self._sent.get(path) == size:
            return
        try:
            tf.io.gfile.copy(path, os.path.join(self._target, os.path.relpath(path, self._spool)), overwrite=True)
        except tf.errors.OpError as error:  # A missing chart must not end the run; the next checkpoint retries.
            logging.warning('events could not be sent to %s: %s', self._target, error.message)
            return
        if os.path.dirname(path) == self.steps_dir:  # Still growing; a few dozen bytes a point.
            self._sent[path] = size
        else:
            os.remove(path)


def writer(model_dir: str) -> v1.summary.FileWriter:
    """The one writer of a run's events; a second one, opened in the same second, would take the same file name."""
    return v1.summary.FileWriterCache.get(plain(model_dir))


def writer_of_steps(folder: str) -> dict[str, Any]:
    """Arguments of tf.summary.create_file_writer for the scalars of each step."""
    # In a bucket, each flush uploads the whole file.
    buffering = dict(max_queue=10_000, flush_millis=600_000) if gcs.is_remote(folder) else {}
    return {'logdir': folder, **buffering}


class EventListener(v1.train.CheckpointSaverListener):
    """Publishes the events with each checkpoint."""

    def __init__(self, events: EventLog):
        self._events = events

    def after_save(self, session: v1.Session, global_step_value: int) -> None:
        """See the base class."""
        self._events.publish()

    def end(self, session: v1.Session, global_step_value: int) -> None:
        """See the base class."""
        self._events.publish()


class _RotatingWriter:
    """A FileWriter that creates its file at the first use, and a new file at the first use after `close`."""

    def __init__(self, folder: str):
        self._folder, self._files = folder, 0
        self._writer: v1.summary.FileWriter | None = None

    def __getattr__(self, name: str) -> Any:
        """The FileWriter's own methods: add_summary, add_graph and so on."""
        if self._writer is None:
            self._files += 1
            with tf.Graph().as_default():  # A FileWriter cannot be created in eager mode.
                # Numbered, because two files of the same second would have the same name.
                self._writer = v1.summary.FileWriter(self._folder, filename_suffix=f'.{self._files:06d}')
        return getattr(self._writer, name)

    def flush(self) -> None:
        if self._writer is not None:
            self._writer.flush()

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = None
