"""Loads the weights that make the pictures: the EMA of the generator's weights, if the run keeps one."""

from __future__ import annotations

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import conditioning, ema, networks
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.dcgan.updates import Updates
from trainer.filesystem.pattern_free import plain

_BATCH, _BATCHES = 64, 16


class GeneratorWeights:
    """The generator's variables in the graph in which it was built.

    Batch norm's moving averages belong to the trained weights. With the EMA's weights they are wrong, and pictures come
    out pale or garish. So the moments are estimated again, from 1,024 images generated from the same noise for every
    checkpoint.
    """

    def __init__(self, hparams: HParams, classes: Classes | None):
        """Must be called in that graph, after `generator` has built it."""
        self._averaged = hparams.ema_half_life_kimg > 0
        trainable = v1.trainable_variables(f'{networks.GENERATOR}/')
        self._last = v1.train.Saver(v1.global_variables(f'{networks.GENERATOR}/'))
        if self._averaged:
            self._average = v1.train.Saver({ema.name_of(variable.op.name): variable for variable in trainable})
            self._number = v1.placeholder(tf.int32, [])
            self._moments = _batch_moments(hparams, classes, self._number)
            self._moving = {name: _variable(name) for name in self._moments}
            self._new = {name: v1.placeholder(tf.float32, moving.shape) for name, moving in self._moving.items()}
            self._assign = [moving.assign(self._new[name]) for name, moving in self._moving.items()]

    def load(self, session: v1.Session, checkpoint: str) -> None:
        """Loads a checkpoint prefix such as 'model_dir/model.ckpt-600' into the session of the graph."""
        with session.graph.as_default():
            self._last.restore(session, plain(checkpoint))
            if self._averaged:
                self._average.restore(session, plain(checkpoint))
                self._estimate(session)

    def _estimate(self, session: v1.Session) -> None:
        """Sets the mean and the variance over all batches.

        The variance is the mean of the batches' variances plus the variance of their means.
        """
        found = [session.run(self._moments, {self._number: number}) for number in range(_BATCHES)]
        values = {name: np.stack([batch[name] for batch in found]) for name in self._moments}
        feed = {}
        with np.errstate(over='ignore'):  # Diverged weights overflow; the pictures show that.
            for name, of_batches in values.items():
                value = of_batches.mean(axis=0)
                if name.endswith('/moving_variance:0'):
                    value += values[name.replace('moving_variance', 'moving_mean')].var(axis=0)
                feed[self._new[name]] = value
        session.run(self._assign, feed)


def generator(noise: tf.Tensor, classes: tf.Tensor, hparams: HParams, updates: Updates | None = None) -> tf.Tensor:
    """Builds the generator as a checkpoint has trained it.

    Args:
      noise: float32 [N, noise_dim].
      classes: float32 [N, K], one-hot; [N, 0] for an unconditional run.
      hparams: of the run.
      updates: as in `networks.generator`.

    Returns:
      float32 [N, H, W, C] in [-1, 1].
    """
    of_class = classes * conditioning.kept_strength() if hparams.classes else None
    return networks.generator(noise, hparams.architecture, updates, classes=of_class)


def _batch_moments(hparams: HParams, classes: Classes | None, number: tf.Tensor) -> dict[str, tf.Tensor]:
    """The moments of batch `number`, by the names of the moving averages that they replace."""
    updates = Updates()
    noise = tf.random.stateless_normal([_BATCH, hparams.noise_dim], tf.stack([number, 2]))
    of_class = tf.zeros([_BATCH, 0])
    if classes:  # As in training, where the moments were those of batches with these shares.
        drawn = conditioning.draw(number * _BATCH + tf.range(_BATCH), classes.drawn_shares)
        of_class = conditioning.one_hot(drawn, hparams.classes)
    generator(noise, of_class, hparams, updates)
    return updates.batch_values()


def _variable(name: str) -> tf.Variable:
    (variable,) = (variable for variable in v1.global_variables() if variable.name == name)
    return variable
