"""Runs a trained generator on the host: from a checkpoint or from an exported SavedModel."""

from __future__ import annotations

import abc
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer import errors
from trainer.data import images
from trainer.dcgan import networks, noise
from trainer.dcgan.hparams import HParams
from trainer.filesystem.pattern_free import plain
from trainer.generator import export
from trainer.generator.weights import GeneratorWeights
from trainer.storage import refusals

# Every picture is made in a batch of this size, padded if necessary. Convolutions of another batch size round
# differently, so the same seed would not always give the same pixels.
_BATCH = 16


class Generator(abc.ABC):
    """A generator with fixed weights."""

    noise_dim: int

    @abc.abstractmethod
    def _run(self, batch: np.ndarray) -> np.ndarray:
        """float32 [_BATCH, noise_dim] -> uint8 [_BATCH, H, W, C]."""

    def images(self, vectors: np.ndarray) -> np.ndarray:
        """float32 [N, noise_dim] -> uint8 [N, H, W, C]."""
        count = len(vectors)
        padded = np.zeros((-(-count // _BATCH) * _BATCH, self.noise_dim), np.float32)
        padded[:count] = vectors
        return np.concatenate([self._run(padded[i : i + _BATCH]) for i in range(0, len(padded), _BATCH)])[:count]


class CheckpointGenerator(Generator):
    """The generator in checkpoints of one model; `restore` chooses the checkpoint."""

    def __init__(self, hparams: HParams):
        self.noise_dim = hparams.noise_dim
        with tf.Graph().as_default():
            self._noise = v1.placeholder(tf.float32, [_BATCH, hparams.noise_dim])
            # Always float32, regardless of --compute_dtype: in bfloat16, machines differ by more than a grey level.
            self._images = images.to_uint8(networks.generator(self._noise, hparams.architecture))
            self._weights = GeneratorWeights(hparams)
            self._session = v1.Session()

    def restore(self, checkpoint: str) -> CheckpointGenerator:
        """Loads the generator's weights from a checkpoint prefix such as 'model_dir/model.ckpt-600'."""
        self._weights.load(self._session, checkpoint)
        return self

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(self._images, {self._noise: batch})


class ExportedGenerator(Generator):
    """The generator in a SavedModel that `export` wrote."""

    def __init__(self, path: str):
        """Loads it.

        Raises:
          errors.UserError: the folder is not a SavedModel, or that of another program, or damaged.
        """
        if not tf.io.gfile.isdir(path) or not export.is_ours(path):
            raise errors.UserError(
                f'{path} is not a SavedModel exported by this trainer: give the saved_model folder of a run'
            )
        try:
            self._model = tf.saved_model.load(plain(path))  # Kept, because its variables live only as long as it does.
            self._signature = self._model.signatures[export.NOISE]
            self.noise_dim = int(self._signature.structured_input_signature[1]['noise'].shape[1])
            self._run(np.zeros((1, self.noise_dim), np.float32))
        except Exception as error:  # TensorFlow raises many types for a damaged model.
            known = refusals.explain(error, path, refusals.VIEWER)
            if known:
                raise known from error
            raise errors.UserError(
                f'{path} cannot be loaded ({errors.one_line(str(error))[:200]}): export it again'
            ) from error

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._signature(noise=tf.constant(batch))['images'].numpy()


def noise_for(seeds: Sequence[int], noise_dim: int) -> np.ndarray:
    """Seeds -> float32 [len(seeds), noise_dim]; needs eager execution."""
    return noise.from_seeds(tf.constant(seeds, tf.int32), noise_dim).numpy()
