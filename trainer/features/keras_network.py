"""Networks of tf.keras.applications with ImageNet weights, downloaded by Keras or read from a file."""

from __future__ import annotations

import os
import tempfile

import numpy as np
import tensorflow as tf
from absl import logging

from trainer import errors
from trainer.data import manifest
from trainer.features.eager import eagerly
from trainer.features.extractor import Extractor
from trainer.features.maps import PICTURES, rgb


class KerasNetwork(Extractor):
    """An extractor whose network Keras makes; the weights are loaded when an extractor is made, not before.

    Attributes:
      network: its name for people.
    """

    network: str

    def __init__(self, weights: str = ''):
        """Loads the weights.

        Args:
          weights: local or gs:// path of an .h5 file that Keras saved for the network, with or without its top layers.
            '' lets Keras download the ImageNet weights, once for all runs on this machine.

        Raises:
          errors.UserError: the weights cannot be loaded, or belong to another network.
        """
        self._model = eagerly(self._loaded, weights)
        self._forward = tf.function(self._build, input_signature=[PICTURES])

    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See the base class."""
        return eagerly(lambda: {name: layer.numpy() for name, layer in self._forward(rgb(pixels)).items()})

    def _make(self, weights: str | None) -> tf.keras.Model:
        """The network with all outputs that are needed; `weights` as Keras takes it."""
        raise NotImplementedError

    def _build(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        """uint8 [N, H, W, 3] -> float32 [N, D] of each layer."""
        raise NotImplementedError

    def _loaded(self, weights: str) -> tf.keras.Model:
        if weights:
            return self._from_file(weights)
        self.version = '1-imagenet'
        logging.info('%s: its ImageNet weights are downloaded unless Keras has cached them', self.network)
        try:
            return self._make('imagenet')
        except Exception as error:  # Keras raises no special type when a download fails.
            reason = ' '.join(str(error).split())
            raise errors.UserError(
                f'the ImageNet weights of {self.network} cannot be downloaded ({reason}): give '
                '--feature_weights=FILE.h5, or use squeezenet, whose weights come with the package'
            ) from None

    def _from_file(self, path: str) -> tf.keras.Model:
        stored, checksum = _read(path)
        self.version = f'1-{checksum}'
        model = self._make(None) if stored else None
        wanted = [tuple(weight.shape) for weight in model.weights] if model else []
        used = stored[: len(wanted)]  # Those of the top layers come last.
        if not model or [array.shape for array in used] != wanted:
            raise errors.UserError(
                f'--feature_weights={path} does not hold the weights of {self.network}: give the .h5 file that Keras '
                'downloads or saves for it'
            )
        model.set_weights(used)
        return model


def source_of(weights: str) -> str:
    """The origin of the weights, for a title."""
    return f'weights of {os.path.basename(weights)}' if weights else "Keras's ImageNet weights"


def _read(path: str) -> tuple[list[np.ndarray], str]:
    """The arrays of a local or gs:// .h5 file of Keras in the order of the layers, [] if unreadable; and its CRC32C."""
    if not tf.io.gfile.exists(path) or tf.io.gfile.isdir(path):
        raise errors.UserError(f'--feature_weights={path}: there is no such file: correct the path')
    with tempfile.TemporaryDirectory(prefix='weights-') as folder:
        local = os.path.join(folder, 'weights.h5')
        tf.io.gfile.copy(path, local)
        return _arrays(local), manifest.file_crc32c(local)


def _arrays(path: str) -> list[np.ndarray]:
    import h5py

    def of_layer(layer: h5py.Group) -> list[np.ndarray]:
        return [np.asarray(layer[name]) for name in layer.attrs['weight_names']]

    try:
        with h5py.File(path, 'r') as file:
            group = file.get('model_weights', file)  # A whole model, or its weights alone.
            return [array for name in group.attrs['layer_names'] for array in of_layer(group[name])]
    except (OSError, KeyError, ValueError, TypeError, AttributeError, RuntimeError):  # h5py, for damaged files.
        return []
