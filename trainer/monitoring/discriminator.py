"""Runs a trained discriminator on the host: on training images, on hold-out images and on generated ones."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.data import images
from trainer.dcgan import conditioning, networks
from trainer.dcgan.conditioning import UNLABELLED
from trainer.dcgan.hparams import HParams
from trainer.features.extraction import Tick
from trainer.filesystem.pattern_free import plain

ASKED = 256  # Images of each kind.
_BATCH = 64


class Judged(NamedTuple):
    """Images for the discriminator.

    Attributes:
      pixels: uint8 [N, H, W, C].
      labels: int [N], their classes; -1 for none, as in a run without classes.
    """

    pixels: np.ndarray
    labels: np.ndarray

    @classmethod
    def of(cls, pixels: np.ndarray, labels: np.ndarray | None = None) -> Judged:
        """The first images of a set, with the first of its labels if it has any."""
        some = pixels[:ASKED]
        return cls(some, np.full(len(some), UNLABELLED) if labels is None else labels[: len(some)])


class CheckpointDiscriminator:
    """The discriminator in checkpoints of one model, with moving averages; `restore` chooses the checkpoint."""

    def __init__(self, hparams: HParams):
        size, channels = hparams.image_size, hparams.channels
        with tf.Graph().as_default():
            self._pixels = v1.placeholder(tf.uint8, [_BATCH, size, size, channels])
            self._labels = v1.placeholder(tf.int32, [_BATCH])
            strength = conditioning.kept_strength() if hparams.classes else 0.0
            classes = conditioning.one_hot(self._labels, hparams.classes, strength) if hparams.classes else None
            pixels = images.to_model_range(self._pixels)
            self._logits = networks.discriminator(pixels, hparams.architecture, classes=classes)
            self._saver = v1.train.Saver(v1.global_variables())
            self._session = v1.Session()

    def restore(self, checkpoint: str) -> CheckpointDiscriminator:
        """Loads the discriminator's weights from a checkpoint prefix such as 'model_dir/model.ckpt-600'."""
        with self._session.graph.as_default():
            self._saver.restore(self._session, plain(checkpoint))
        return self

    def logits(self, given: Judged) -> np.ndarray:
        """N images -> float32 [N], high for images that look real."""
        count, batches = len(given.pixels), -(-len(given.pixels) // _BATCH)
        # The last batch is filled up with the first images, because D may compare the images of a batch.
        filled = np.resize(given.pixels, (batches * _BATCH, *given.pixels.shape[1:]))
        labels = np.resize(given.labels, batches * _BATCH)
        feeds = [
            {self._pixels: filled[begin : begin + _BATCH], self._labels: labels[begin : begin + _BATCH]}
            for begin in range(0, len(filled), _BATCH)
        ]
        return np.concatenate([self._session.run(self._logits, feed)[:, 0] for feed in feeds])[:count]


class DiscriminatorScores:
    """The mean logits of a run's discriminator on training images, hold-out images and generated ones."""

    def __init__(self, hparams: HParams, train: Judged, holdout: Judged | None):
        """Takes the run's hyper-parameters, training images, and images of the hold-out if there is one."""
        self._hparams, self._train, self._holdout = hparams, train, holdout
        self._discriminator: CheckpointDiscriminator | None = None

    def of(self, checkpoint: str, generated: Judged, tick: Tick) -> dict[str, float | None]:
        """The mean logits of a checkpoint, by the names of Point.

        Args:
          checkpoint: its prefix.
          generated: images made by the generator of the same checkpoint.
          tick: called with 0 before each set of images.
        """
        if self._discriminator is None:
            self._discriminator = CheckpointDiscriminator(self._hparams)
        discriminator = self._discriminator.restore(checkpoint)

        def mean_logit(given: Judged) -> float:
            tick(0)
            return float(discriminator.logits(given).mean())

        train, fake = mean_logit(self._train), mean_logit(generated)
        if not self._holdout:
            return {'d_train': train, 'd_generated': fake}
        holdout = mean_logit(self._holdout)
        gap = (train - holdout) / (train - fake) if train > fake else None
        return {'d_train': train, 'd_holdout': holdout, 'd_generated': fake, 'd_gap': gap}
