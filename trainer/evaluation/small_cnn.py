"""A small convolutional classifier, trained from scratch: what images are worth without pretrained features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from trainer.data import images

_FILTERS = (32, 64, 128)
_SIDE = 32  # Larger images are averaged down to this; at 64 px each step would take four times as long.
_BATCH = 64
_RATE, _BETA1, _BETA2, _TINY = 1e-3, 0.9, 0.999, 1e-7  # Of Adam (Kingma and Ba 2015, arXiv:1412.6980).
_MOMENTUM, _EPSILON = 0.9, 1e-3  # Of batch norm.
_REACH = 8  # A shift is at most the side divided by this.


def shifted(pixels: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """Moves each image, uint8 [N, H, W, C], by up to 1/8 of its side in both directions; its edge is repeated."""
    count, height, width, _ = pixels.shape
    reach = height // _REACH
    padded = np.pad(pixels, [(0, 0), (reach, reach), (reach, reach), (0, 0)], mode='edge')
    top, left = random.integers(0, 2 * reach + 1, [2, count, 1])
    rows, columns = top + np.arange(height), left + np.arange(width)
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


class SmallCnn:
    """Three convolutions of stride 2 with batch norm, a mean over the image, and one linear layer.

    Its graph is built once; each `train` starts from new weights.
    """

    def __init__(self, channels: int, labels: int):
        """Takes images of any size and of 1 or 3 channels; tells so many labels apart."""
        sizes, inputs = list[list[int]](), channels
        for filters in _FILTERS:
            sizes += [[3, 3, inputs, filters], [filters], [filters]]  # Kernel; scale and offset of batch norm.
            inputs = filters
        sizes += [[inputs, labels], [labels]]
        self._weights, self._firsts, self._seconds = ([tf.Variable(tf.zeros(size)) for size in sizes] for _ in range(3))
        self._means, self._variances = ([tf.Variable(tf.zeros([size])) for size in _FILTERS] for _ in range(2))
        self._steps = tf.Variable(0.0)
        pictures = tf.TensorSpec([None, None, None, channels], tf.uint8)
        learned = [pictures, tf.TensorSpec([None], tf.int64)]
        self._train = tf.function(self._step, input_signature=learned, autograph=False)
        self._predict = tf.function(self._labels, input_signature=[pictures], autograph=False)

    def train(self, pixels: np.ndarray, labels: np.ndarray, steps: int, seed: int, shifts: bool) -> None:
        """Trains new weights by Adam on batches of 64; the number of steps does not depend on that of the images.

        Args:
          pixels: uint8 [N, H, W, C], at least one.
          labels: int64 [N].
          steps: how many batches.
          seed: decides the initial weights, the order of the images, and the shifts.
          shifts: whether each image is shifted each time that it comes.
        """
        random = np.random.default_rng(seed)
        self._restart(random)
        batches = _batches(len(pixels), random)
        for _ in range(steps):
            chosen = next(batches)
            batch = shifted(pixels[chosen], random) if shifts else pixels[chosen]
            self._train(batch, labels[chosen])

    def labels(self, pixels: np.ndarray) -> np.ndarray:
        """The label of each image: uint8 [N, H, W, C] -> int64 [N]."""
        parts = [self._predict(pixels[begin : begin + 256]).numpy() for begin in range(0, len(pixels), 256)]
        return np.concatenate([np.empty([0], np.int64), *parts])

    def _restart(self, random: np.random.Generator) -> None:
        for variable in (*self._firsts, *self._seconds, *self._means, self._steps):
            variable.assign(tf.zeros_like(variable))
        for variable in self._variances:
            variable.assign(tf.ones_like(variable))
        for number, variable in enumerate(self._weights):
            size = variable.shape.as_list()
            if len(size) > 1:  # He et al. 2015, arXiv:1502.01852.
                variable.assign(random.normal(0, np.sqrt(2 / np.prod(size[:-1])), size).astype(np.float32))
            else:
                is_scale = number % 3 == 1 and number < 3 * len(_FILTERS)
                variable.assign(tf.ones(size) if is_scale else tf.zeros(size))

    def _scores(self, pixels: tf.Tensor, training: bool) -> tf.Tensor:
        """uint8 [N, H, W, C] -> float32 [N, L]."""
        x = images.to_model_range(pixels)
        block = tf.maximum(tf.shape(x)[1] // _SIDE, 1)
        x = tf.cond(block > 1, lambda: tf.image.resize(x, [_SIDE, _SIDE], 'area'), lambda: x)
        for number in range(len(_FILTERS)):
            kernel, scale, offset = self._weights[3 * number : 3 * number + 3]
            x = tf.nn.conv2d(x, kernel, 2, 'SAME')
            mean, variance = self._moments(x, number, training)
            x = tf.nn.relu(tf.nn.batch_normalization(x, mean, variance, offset, scale, _EPSILON))
        return tf.reduce_mean(x, [1, 2]) @ self._weights[-2] + self._weights[-1]

    def _moments(self, x: tf.Tensor, number: int, training: bool) -> tuple[tf.Tensor, tf.Tensor]:
        kept = self._means[number], self._variances[number]
        if not training:
            return kept
        found = tf.nn.moments(x, [0, 1, 2])
        momentum = tf.minimum(_MOMENTUM, self._steps / (self._steps + 1))  # A plain mean at first, without a bias to 0.
        for variable, value in zip(kept, found):
            variable.assign(momentum * variable + (1 - momentum) * value)
        return found

    def _step(self, pixels: tf.Tensor, labels: tf.Tensor) -> None:
        with tf.GradientTape() as tape:
            scores = self._scores(pixels, training=True)
            loss = tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(labels, scores))
        gradients = tape.gradient(loss, self._weights)
        step = self._steps.assign_add(1.0)
        rate = _RATE * tf.sqrt(1 - _BETA2**step) / (1 - _BETA1**step)
        for weight, first, second, gradient in zip(self._weights, self._firsts, self._seconds, gradients):
            first.assign(_BETA1 * first + (1 - _BETA1) * gradient)
            second.assign(_BETA2 * second + (1 - _BETA2) * gradient**2)
            weight.assign_sub(rate * first / (tf.sqrt(second) + _TINY))

    def _labels(self, pixels: tf.Tensor) -> tf.Tensor:
        return tf.argmax(self._scores(pixels, training=False), axis=1)


def _batches(count: int, random: np.random.Generator) -> Iterator[np.ndarray]:
    """Numbers of images, int [64], without end: all images in a random order, then again in another."""
    left = np.empty([0], np.int64)
    while True:
        while len(left) < _BATCH:
            left = np.concatenate([left, random.permutation(count)])
        yield left[:_BATCH]
        left = left[_BATCH:]
