"""Keeps TensorFlow's log to what matters, so that a person sees the run."""

from __future__ import annotations

import logging as python_logging

import tensorflow as tf
from absl import logging


class _NoDeprecation(python_logging.Filter):
    def filter(self, record: python_logging.LogRecord) -> bool:
        message = record.getMessage()
        return 'is deprecated and will be removed' not in message and 'is deprecated. Please use' not in message


def quieten_tensorflow() -> None:
    """Replaces Estimator's 26 deprecation warnings by one line, and drops its own progress lines."""
    logging.info('TensorFlow %s, the last with Estimator; its deprecation warnings are not shown', tf.__version__)
    logger = tf.get_logger()
    logger.setLevel(python_logging.WARNING)
    logger.addFilter(_NoDeprecation())
