"""InceptionV3 (Szegedy et al. 2016, arXiv 1512.00567), on which fid_keras is computed.

Published FIDs were computed with other weights and another resize than Keras's weights and the bilinear resize here, so
compare values of fid_keras only with each other.
"""

from __future__ import annotations

import tensorflow as tf

from trainer.features import maps
from trainer.features.keras_network import KerasNetwork, source_of

_SIDE = 299


class Inception(KerasNetwork):
    """The last 2,048 feature maps, each averaged over the image."""

    name = 'inception'
    network = 'InceptionV3'
    layers = ('avg_pool',)

    def __init__(self, weights: str = ''):
        """See the base class."""
        self.title = f'InceptionV3 with {source_of(weights)}, images bilinear to {_SIDE} px; last maps averaged'
        super().__init__(weights)

    def _make(self, weights: str | None) -> tf.keras.Model:
        shape = (_SIDE, _SIDE, 3)
        return tf.keras.applications.InceptionV3(weights=weights, include_top=False, pooling='avg', input_shape=shape)

    def _build(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        images = tf.keras.applications.inception_v3.preprocess_input(maps.resized(pixels, _SIDE))
        return {'avg_pool': self._model(images, training=False)}
