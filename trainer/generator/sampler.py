"""Runs a trained generator on the host: from a checkpoint or from an exported SavedModel.

Its input is a latent vector: the noise and, for a generator with classes, one number for each class, 1 for the class
of the picture and 0 for the others. The latent vector of a seed has the noise of the seed and a class that the seed
decides, so many seeds have the classes in the shares of the training images.
"""

from __future__ import annotations

import abc
import functools
import os
from collections.abc import Sequence
from typing import Callable

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.types.experimental import ConcreteFunction

from trainer import errors
from trainer.data import images
from trainer.dcgan import conditioning, noise
from trainer.dcgan.conditioning import UNLABELLED, Classes
from trainer.dcgan.hparams import HParams
from trainer.filesystem.pattern_free import plain
from trainer.generator import saved_model, signatures, weights
from trainer.generator.weights import GeneratorWeights
from trainer.storage import refusals

# Every picture is made in a batch of this size, padded if necessary. Convolutions of another batch size round
# differently, so the same seed would not always give the same pixels.
_BATCH = 16


class Generator(abc.ABC):
    """A generator with fixed weights.

    Attributes:
      noise_dim: length of the noise.
      classes: of the pictures; None for an unconditional generator.
    """

    noise_dim: int
    classes: Classes | None = None

    @abc.abstractmethod
    def _run(self, batch: np.ndarray) -> np.ndarray:
        """Latents, float32 [_BATCH, noise_dim + K] -> uint8 [_BATCH, H, W, C]."""

    def images(self, latents: np.ndarray) -> np.ndarray:
        """float32 [N, noise_dim + K] -> uint8 [N, H, W, C]."""
        count = len(latents)
        padded = np.zeros((-(-count // _BATCH) * _BATCH, latents.shape[1]), np.float32)
        padded[:count] = latents
        return np.concatenate([self._run(padded[i : i + _BATCH]) for i in range(0, len(padded), _BATCH)])[:count]

    def labels(self, seeds: Sequence[int]) -> np.ndarray:
        """The class that each seed decides, int [N]; -1 for none. Needs eager execution."""
        if not self.classes:
            return np.full(len(seeds), UNLABELLED)
        return _drawn(tuple(self.classes.shares))(tf.constant(seeds, tf.int32)).numpy()

    def latents(self, seeds: Sequence[int], labels: np.ndarray | None = None) -> np.ndarray:
        """The latent vectors of seeds, float32 [N, noise_dim + K]; needs eager execution.

        Args:
          seeds: N numbers.
          labels: int [N], classes instead of those that the seeds decide; -1 for none.
        """
        vectors = _noise(self.noise_dim)(tf.constant(seeds, tf.int32)).numpy()
        if not self.classes:
            return vectors
        labels = self.labels(seeds) if labels is None else labels
        one_hot = np.eye(1 + len(self.classes.names), dtype=np.float32)[:, 1:]
        return np.concatenate([vectors, one_hot[labels + 1]], axis=1)

    def walk(self, latents: np.ndarray, frames: int) -> np.ndarray:
        """float32 [N, ...] -> [N * frames, ...]: from each latent vector to the next, and back to the first."""
        part = self.noise_dim
        way = np.arange(frames, dtype=np.float32)[:, None] / frames
        steps = [
            np.concatenate(
                [noise.spherical(start[:part], end[:part], frames), start[part:] + way * (end - start)[part:]], axis=1
            )
            for start, end in zip(latents, np.roll(latents, -1, axis=0))
        ]
        return np.concatenate(steps)


# Both as one graph: step by step, each seed would take milliseconds, during which the threads of a server wait.
_SEEDS = [tf.TensorSpec([None], tf.int32)]


@functools.lru_cache(4)
def _noise(noise_dim: int) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(lambda seeds: noise.from_seeds(seeds, noise_dim), input_signature=_SEEDS)


@functools.lru_cache(4)
def _drawn(shares: tuple[float, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
    return tf.function(lambda seeds: conditioning.draw(seeds, np.array(shares)), input_signature=_SEEDS)


class CheckpointGenerator(Generator):
    """The generator in checkpoints of one model; `restore` chooses the checkpoint."""

    def __init__(self, hparams: HParams, classes: Classes | None = None):
        self.noise_dim, self.classes = hparams.noise_dim, classes
        with tf.Graph().as_default():
            self._latents = v1.placeholder(tf.float32, [_BATCH, hparams.noise_dim + hparams.classes])
            vectors, of_class = self._latents[:, : hparams.noise_dim], self._latents[:, hparams.noise_dim :]
            # Always float32, regardless of --compute_dtype: in bfloat16, machines differ by more than a grey level.
            self._images = images.to_uint8(weights.generator(vectors, of_class, hparams))
            self._weights = GeneratorWeights(hparams, classes)
            self._variables = {variable.op.name: variable for variable in v1.global_variables()}
            self._session = v1.Session()

    def restore(self, checkpoint: str) -> CheckpointGenerator:
        """Loads the generator's weights from a checkpoint prefix such as 'model_dir/model.ckpt-600'."""
        self._weights.load(self._session, checkpoint)
        return self

    def weights(self) -> dict[str, np.ndarray]:
        """What makes the pictures, float32 arrays by the names of the variables: the averaged weights, if there are."""
        return self._session.run(self._variables)

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run(self._images, {self._latents: batch})


class ExportedGenerator(Generator):
    """The generator in a SavedModel that `export` wrote.

    Attributes:
      signature: noise and, for a generator with classes, classes -> images; as in `saved_model.export`.
    """

    signature: ConcreteFunction

    def __init__(self, path: str):
        """Loads it.

        Raises:
          errors.UserError: the folder is not a SavedModel, or that of another program, or damaged.
        """
        if not tf.io.gfile.isdir(path) or not saved_model.is_ours(path):
            raise errors.UserError(
                f'{path} is not a SavedModel exported by this trainer: give the saved_model folder of a run'
            )
        self._path = path
        try:
            self._model = tf.saved_model.load(plain(path))  # Kept, because its variables live only as long as it does.
            conditional = signatures.CLASSES in self._model.signatures
            self.signature = self._model.signatures[signatures.CLASSES if conditional else signatures.NOISE]
            inputs = self.signature.structured_input_signature[1]
            self.noise_dim = int(inputs['noise'].shape[1])
            count = int(inputs['classes'].shape[1]) if conditional else 0
            self.classes = self._named(count) if conditional else None
            self._run(np.zeros((1, self.noise_dim + count), np.float32))
        except Exception as error:  # TensorFlow raises many types for a damaged model.
            known = refusals.explain(error, path, refusals.VIEWER)
            if known:
                raise known from error
            raise errors.UserError(
                f'{path} cannot be loaded ({errors.one_line(str(error))[:200]}): export it again'
            ) from error

    def weights(self) -> dict[str, np.ndarray]:
        """As `CheckpointGenerator.weights`."""
        reader = tf.train.load_checkpoint(plain(os.path.join(self._path, 'variables', 'variables')))
        return {name: reader.get_tensor(name) for name in reader.get_variable_to_shape_map()}

    def _named(self, count: int) -> Classes:
        found = self._model.signatures[signatures.LABELS](label=tf.range(UNLABELLED, count))
        unlabelled, *of_classes = found['count'].numpy().tolist()
        names = tuple(name.decode() for name in found['name'].numpy()[1:])
        return Classes(names, tuple(of_classes), unlabelled)

    def _run(self, batch: np.ndarray) -> np.ndarray:
        vectors = {'noise': tf.constant(batch[:, : self.noise_dim])}
        of_class = {'classes': tf.constant(batch[:, self.noise_dim :])} if self.classes else {}
        return self.signature(**vectors, **of_class)[signatures.IMAGES].numpy()
