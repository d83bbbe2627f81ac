"""VGG16 (Simonyan and Zisserman 2015, arXiv 1409.1556), the network of the article."""

from __future__ import annotations

import tensorflow as tf

from trainer.features import maps
from trainer.features.keras_network import KerasNetwork, source_of

_SMALLEST = 32  # px; five poolings reduce it to one cell.
_CELLS = 8


class Vgg16(KerasNetwork):
    """Its first block shows colour and texture, its last one shape and content; images keep their own size."""

    name = 'vgg16'
    network = 'VGG16'
    layers = ('block1_pool', 'block5_pool')

    def __init__(self, weights: str = ''):
        """See the base class."""
        self.title = (
            f'VGG16 with {source_of(weights)}, images at their own size of {_SMALLEST} px or more; block1_pool and '
            f'block5_pool averaged to at most {_CELLS}x{_CELLS}'
        )
        super().__init__(weights)

    def _make(self, weights: str | None) -> tf.keras.Model:
        network = tf.keras.applications.VGG16(weights=weights, include_top=False, input_shape=(None, None, 3))
        return tf.keras.Model(network.input, [network.get_layer(layer).output for layer in self.layers])

    def _build(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        images = maps.resized(pixels, tf.maximum(_SMALLEST, tf.shape(pixels)[1]))
        outputs = self._model(tf.keras.applications.vgg16.preprocess_input(images), training=False)
        return {name: _bounded(output) for name, output in zip(self.layers, outputs)}


def _bounded(output: tf.Tensor) -> tf.Tensor:
    return maps.averaged(output, tf.minimum(_CELLS, tf.shape(output)[1]))
