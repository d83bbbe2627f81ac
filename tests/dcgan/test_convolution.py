"""The forms of the strided convolution: folding for a TPU does not change the numbers."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import tensorflow as tf

from trainer.dcgan import convolution

# Width of the small image, channels of the large one, filters: like the layers of all three sizes, and at the limits
# that decide how to fold.
SHAPES = [(16, 3, 8), (16, 1, 8), (16, 64, 8), (4, 160, 8), (4, 3, 8), (8, 160, 8)]
FOLDS = [(2, 2), (2, 2), (1, 2), (1, 2), (2, 2), (1, 1)]


def tensors(small: int, channels: int, filters: int, size: int = 5) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """A large image, a small one and a kernel between them."""
    random = np.random.default_rng(small + channels)
    shapes = [2, 2 * small, 2 * small, channels], [2, small, small, filters], [size, size, channels, filters]
    large, little, kernel = (tf.constant(random.normal(size=shape), tf.float32) for shape in shapes)
    return large, little, kernel / channels


def derivatives(function, x: tf.Tensor, kernel: tf.Tensor) -> list[tf.Tensor]:
    """The value, both gradients, and the gradients of a penalty on a gradient, which are second derivatives."""
    with tf.GradientTape() as second:
        second.watch([x, kernel])
        with tf.GradientTape() as first:
            first.watch([x, kernel])
            y = function(x, kernel)
            loss = tf.reduce_sum(tf.sin(y))
        gradients = first.gradient(loss, [x, kernel])
        penalty = tf.reduce_sum(gradients[0] ** 2)
    return [y, *gradients, *second.gradient(penalty, [x, kernel])]


@pytest.mark.parametrize(
    'function, size, shape',
    [
        *((function, 5, shape) for function in (convolution.conv, convolution.deconv) for shape in SHAPES),
        *((function, 4, shape) for function in (convolution.conv, convolution.deconv) for shape in SHAPES[1:4]),
        *((convolution.filtered_deconv, 4, SHAPES[number]) for number in (1, 2, 5)),  # One of each way to fold.
    ],
)
def test_the_folded_form_computes_the_same(function, size, shape):
    large, little, kernel = tensors(*shape, size)
    x = large if function is convolution.conv else little
    plain = derivatives(lambda x, kernel: function(x, kernel, for_tpu=False), x, kernel)
    folded = derivatives(lambda x, kernel: function(x, kernel, for_tpu=True), x, kernel)
    for one, other in zip(plain, folded):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-5 * float(tf.reduce_max(tf.abs(one))))


@pytest.mark.parametrize('shape, fold', list(zip(SHAPES, FOLDS)))
def test_what_is_folded(shape, fold):
    small, channels, filters = shape
    assert convolution._fold(tf.zeros([5, 5, channels, filters]), small) == fold


def test_the_two_are_each_others_transpose():
    """<conv(x), y> = <x, deconv(y)>, for the plain form; another test compares the folded one with it."""
    large, little, kernel = tensors(8, 5, 7)
    there = tf.reduce_sum(convolution.conv(large, kernel) * little)
    back = tf.reduce_sum(large * convolution.deconv(little, kernel))
    assert float(there) == pytest.approx(float(back), rel=1e-4)


def test_the_filter_is_that_of_the_pixels_inside_and_passes_no_checkerboard():
    _, little, kernel = tensors(8, 3, 5, 4)
    plain, filtered = (np.array(f(little, kernel)) for f in (convolution.deconv, convolution.filtered_deconv))
    by_hand = plain[:, :, :-2] / 4 + plain[:, :, 1:-1] / 2 + plain[:, :, 2:] / 4
    by_hand = by_hand[:, :-2] / 4 + by_hand[:, 1:-1] / 2 + by_hand[:, 2:] / 4
    np.testing.assert_allclose(filtered[:, 1:-1, 1:-1], by_hand, atol=1e-5)
    surface = tf.ones_like(little)
    plain, filtered = (np.array(f(surface, kernel)) for f in (convolution.deconv, convolution.filtered_deconv))
    assert np.ptp(plain[:, 3:-3, 3:-3], axis=(1, 2)).min() > 0.1  # The kernel's checkerboard.
    assert np.ptp(filtered[:, 3:-3, 3:-3], axis=(1, 2)).max() < 1e-5


@pytest.mark.parametrize('function, size', [(convolution.deconv, 5), (convolution.filtered_deconv, 4)])
def test_an_unknown_batch_is_fine_in_the_plain_form(function, size):
    """Exports and samplers need this; on a TPU the batch is always known."""
    function = tf.function(functools.partial(function, kernel=tf.ones([size, size, 3, 2])))
    assert function.get_concrete_function(tf.TensorSpec([None, 4, 4, 2])).output_shapes == [None, 8, 8, 3]
