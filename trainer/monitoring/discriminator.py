"""Runs a trained discriminator on the host: on training images, on hold-out images and on generated ones."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.data import images
from trainer.data.image_set import ImageSet
from trainer.dcgan import networks
from trainer.dcgan.hparams import HParams
from trainer.features.extraction import Tick
from trainer.filesystem.pattern_free import plain

ASKED = 256  # Images of each kind.
_BATCH = 64


class CheckpointDiscriminator:
    """The discriminator in checkpoints of one model, with moving averages; `restore` chooses the checkpoint."""

    def __init__(self, hparams: HParams):
        size, channels = hparams.image_size, hparams.channels
        with tf.Graph().as_default():
            self._pixels = v1.placeholder(tf.uint8, [_BATCH, size, size, channels])
            self._logits = networks.discriminator(images.to_model_range(self._pixels), hparams.architecture)
            self._saver = v1.train.Saver(v1.global_variables())
            self._session = v1.Session()

    def restore(self, checkpoint: str) -> CheckpointDiscriminator:
        """Loads the discriminator's weights from a checkpoint prefix such as 'model_dir/model.ckpt-600'."""
        with self._session.graph.as_default():
            self._saver.restore(self._session, plain(checkpoint))
        return self

    def logits(self, pixels: np.ndarray) -> np.ndarray:
        """uint8 [N, H, W, C] -> float32 [N], high for images that look real."""
        batches = -(-len(pixels) // _BATCH)
        # The last batch is filled up with the first images, because D may compare the images of a batch.
        filled = np.resize(pixels, (batches * _BATCH, *pixels.shape[1:]))
        parts = [self._session.run(self._logits, {self._pixels: batch})[:, 0] for batch in np.split(filled, batches)]
        return np.concatenate(parts)[: len(pixels)]


class DiscriminatorScores:
    """The mean logits of a run's discriminator on training images, hold-out images and generated ones."""

    def __init__(self, hparams: HParams, train: np.ndarray, holdout: ImageSet | None):
        """Takes the run's hyper-parameters, training images as uint8 [N, H, W, C], and the hold-out if there is one."""
        self._hparams, self._train, self._holdout = hparams, train, holdout
        self._discriminator: CheckpointDiscriminator | None = None

    def of(self, checkpoint: str, generated: np.ndarray, tick: Tick) -> dict[str, float | None]:
        """The mean logits of a checkpoint, by the names of Point.

        Args:
          checkpoint: its prefix.
          generated: uint8 [N, H, W, C], made by the generator of the same checkpoint.
          tick: called with 0 before each set of images.
        """
        if self._discriminator is None:
            self._discriminator = CheckpointDiscriminator(self._hparams)
        discriminator = self._discriminator.restore(checkpoint)

        def mean_logit(pixels: np.ndarray) -> float:
            tick(0)
            return float(discriminator.logits(pixels[:ASKED]).mean())

        train, fake = mean_logit(self._train), mean_logit(generated)
        if not self._holdout:
            return {'d_train': train, 'd_generated': fake}
        holdout = mean_logit(self._holdout.pixels(ASKED))
        gap = (train - holdout) / (train - fake) if train > fake else None
        return {'d_train': train, 'd_holdout': holdout, 'd_generated': fake, 'd_gap': gap}
