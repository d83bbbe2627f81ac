"""A trained generator that answers requests for pictures, from several threads."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from trainer import errors
from trainer.data import images
from trainer.dcgan.conditioning import UNLABELLED
from trainer.generator import loading
from trainer.generator.sampler import CheckpointGenerator, ExportedGenerator
from trainer.inference.own_thread import OwnThread
from trainer.inference.pooling import Pool

_MOST_SEED = 2**31 - 1  # The seed of TensorFlow's random numbers is an int32.
_DECIDED = -2  # In the place of a label: the one that the seed decides.
_MOST_NOISE = 100.0  # Far outside of N(0, 1), where the generator was never trained.


class Model:
    """A generator whose requests are checked; its methods may be called from several threads.

    Attributes:
      generator: makes the pictures.
      title: what it is, for people: its run or folder, and its step.
      noise_dim: length of the noise.
      image_size: side of the pictures, px.
      channels: of the pictures, 3 or 1.
      labels: names of its classes, () for an unconditional generator.
    """

    def __init__(self, generator: CheckpointGenerator | ExportedGenerator, title: str):
        """Makes one picture, to see whether the generator works and how large its pictures are."""
        self.generator, self.title = generator, title
        self.noise_dim = generator.noise_dim
        self.labels = generator.classes.names if generator.classes else ()
        making = OwnThread('pictures')
        self._of_seeds, self._of_latents = Pool(self._make, making), Pool(generator.images, making)
        self._files = OwnThread('files')
        self.image_size, _, self.channels = self.of_seeds([0])[0].shape

    def of_seeds(self, seeds: Sequence[int], label: str = '') -> np.ndarray:
        """The pictures of N seeds, at least one.

        Args:
          seeds: from -2^31 to 2^31 - 1; a seed always gives the same picture.
          label: the name of a class; '' is the class that each seed decides.

        Returns:
          uint8 [N, H, W, C].

        Raises:
          errors.UserError: a seed is too large, or the model has no such label.
        """
        return self._of_seeds(self._checked(seeds, label))

    def of_noise(self, noise: np.ndarray, label: str = '') -> np.ndarray:
        """The pictures of N noise vectors, at least one.

        Args:
          noise: float32 [N, noise_dim], usually from N(0, 1).
          label: as in `of_seeds`; '' is no class.

        Returns:
          uint8 [N, H, W, C].

        Raises:
          errors.UserError: the noise has another shape, or numbers that are not finite or beyond 100, or the model has
            no such label.
        """
        return self._of_latents(self._latents(noise, label))

    def pngs_of_seeds(self, seeds: Sequence[int], label: str = '') -> list[bytes]:
        """As `of_seeds`, as PNG files that say that they are generated."""
        return self._files.submit(_pngs, self.of_seeds(seeds, label)).result()

    def pngs_of_noise(self, noise: np.ndarray, label: str = '') -> list[bytes]:
        """As `of_noise`, as PNG files that say that they are generated."""
        return self._files.submit(_pngs, self.of_noise(noise, label)).result()

    def label_of(self, seed: int) -> str:
        """The name of the class that a seed decides; '' for none."""
        (number,) = self.generator.labels([seed]).tolist()
        return '' if number == UNLABELLED else self.labels[number]

    def number_of(self, label: str) -> int:
        """The number of a class by its name.

        Raises:
          errors.UserError: the model has no such class.
        """
        if label not in self.labels:
            known = f'it knows {", ".join(self.labels)}' if self.labels else 'it was trained without labels'
            raise errors.UserError(f'label {label!r} is none of this model: {known}')
        return self.labels.index(label)

    def _checked(self, seeds: Sequence[int], label: str) -> np.ndarray:
        """Rows of seeds and the numbers of their labels, int64 [N, 2]."""
        for seed in seeds:
            if not -_MOST_SEED - 1 <= seed <= _MOST_SEED:
                raise errors.UserError(f'seed {seed} must be from {-_MOST_SEED - 1} to {_MOST_SEED}')
        number = self.number_of(label) if label else _DECIDED
        return np.array([(seed, number) for seed in seeds], np.int64)

    def _make(self, rows: np.ndarray) -> np.ndarray:
        """Rows of `_checked` -> uint8 [N, H, W, C]."""
        seeds, labels = rows.T
        if self.labels:
            labels = np.where(labels == _DECIDED, self.generator.labels(seeds), labels)
        return self.generator.images(self.generator.latents(seeds, labels))

    def _latents(self, noise: np.ndarray, label: str) -> np.ndarray:
        if noise.ndim != 2 or noise.shape[1] != self.noise_dim:
            raise errors.UserError(f'noise of the shape {list(noise.shape)} must have {self.noise_dim} numbers each')
        if not np.all(np.abs(noise) <= _MOST_NOISE):  # Neither does NaN pass.
            raise errors.UserError(f'noise must be finite and from {-_MOST_NOISE:g} to {_MOST_NOISE:g}')
        of_class = np.zeros((len(noise), len(self.labels)), np.float32)
        if label:
            of_class[:, self.number_of(label)] = 1
        return np.concatenate([noise.astype(np.float32), of_class], axis=1)


def _pngs(pictures: np.ndarray) -> list[bytes]:
    return [images.encode_png(pixels, images.GENERATED) for pixels in pictures]


def of_run(model_dir: str, checkpoint: str = '') -> Model:
    """The generator of a training run; the arguments and errors are those of `loading.load`."""
    made = loading.load(model_dir, checkpoint)
    return Model(made.generator, f'{model_dir}, {made.which} checkpoint, step {made.step:,}')


def of_saved_model(path: str) -> Model:
    """The generator of an exported SavedModel; the errors are those of `ExportedGenerator`."""
    return Model(ExportedGenerator(path), path)
