"""Reduces TensorFlow's log to what matters, so that a person sees the lines of the run."""

from __future__ import annotations

import logging as python_logging
import threading

import tensorflow as tf
from absl import logging

_NOISE = (
    'is deprecated and will be removed',
    'is deprecated. Please use',
    'Reraising captured error',  # It ends the run, and is reported then.
    'Training with estimator made no steps',  # A run was stopped before its first step; our own line says so.
    'Fingerprint not found',  # Our SavedModels have none, and nothing needs it.
    'path_and_singleprint metric',
    'EventFileWriter writer thread error',  # Raised again by the next flush, which ends the run.
)
_WRITER_THREAD = 'EventLoggerThread'


class _NoNoise(python_logging.Filter):
    def filter(self, record: python_logging.LogRecord) -> bool:
        message = record.getMessage()
        return not any(noise in message for noise in _NOISE)


def quieten_tensorflow() -> None:
    """Replaces Estimator's 26 deprecation warnings by one line, and drops Estimator's progress lines."""
    logging.info('TensorFlow %s, the last with Estimator; its deprecation warnings are not shown', tf.__version__)
    logger = tf.get_logger()
    logger.setLevel(python_logging.WARNING)
    logger.addFilter(_NoNoise())
    logging.get_absl_logger().addFilter(_NoNoise())
    _say_nothing_of(_WRITER_THREAD)


def _say_nothing_of(thread: str) -> None:
    """Prints no traceback of an error that ends a thread with this name, because another thread raises it again."""
    before = threading.excepthook

    def hook(ended: threading.ExceptHookArgs) -> None:
        if not (ended.thread and ended.thread.name == thread):
            before(ended)

    threading.excepthook = hook
