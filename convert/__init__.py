"""Turns a folder of images into the TFRecord data sets that `trainer` reads."""

import trainer  # noqa: F401  It sets TensorFlow's log level, which must happen before TensorFlow is imported.
