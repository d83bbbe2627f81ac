"""The stride-2 convolution and its transpose, in a plain form and in one that a TPU computes faster.

A TPU multiplies matrices 128 columns wide. A transposed convolution with fewer than 128 output channels leaves much of
that width empty; it is also the gradient that flows back through the discriminator. XLA computes it from an input with
zeros between the pixels, which is slow for the smallest images. Folding neighbouring output pixels into the channels
avoids both: a block of 1x2 or 2x2 pixels becomes one pixel with two or four times the channels (the sub-pixel
convolution of Shi et al. 2016, arXiv:1609.05158). The results are equal up to rounding.
"""

from __future__ import annotations

from typing import Callable

import numpy as np
import tensorflow as tf
import tensorflow.compat.v1 as v1

KERNEL_SIZES = (4, 5)
FILTERED_KERNEL_SIZE = 4  # Of `filtered_deconv`.
_STRIDES = [1, 2, 2, 1]
_UNFOLDED = (1, 1)
_MXU_WIDTH = 128
_RGB = 4  # A tensor of at most so many channels is taken for an image.
_TAPS = 6  # Of a side of the folded kernel.
_SMALLEST = 4  # Pixels: XLA's own form is slow for an input this narrow.


def conv(x: tf.Tensor, kernel: tf.Tensor, for_tpu: bool = False) -> tf.Tensor:
    """[B, H, W, C] and [K, K, C, filters] -> [B, H / 2, W / 2, filters]; `for_tpu` folds its gradient."""
    fold = _fold(kernel, x.shape[2] // 2)
    return _with_folded_gradients(fold)[0](x, kernel) if for_tpu and fold != _UNFOLDED else _conv(x, kernel)


def deconv(x: tf.Tensor, kernel: tf.Tensor, for_tpu: bool = False) -> tf.Tensor:
    """The transpose of `conv`: [B, H, W, filters] and [K, K, C, filters] -> [B, 2H, 2W, C]; `for_tpu` folds it."""
    fold = _fold(kernel, x.shape[2])
    return _with_folded_gradients(fold)[1](x, kernel) if for_tpu and fold != _UNFOLDED else _deconv(x, kernel)


def filtered_deconv(x: tf.Tensor, kernel: tf.Tensor, for_tpu: bool = False) -> tf.Tensor:
    """`deconv`, then the low-pass filter [1 2 1] / 4 in both directions (StyleGAN, Karras et al. 2019, 1812.04948).

    The four kinds of pixels of a transposed convolution, by the parity of row and column, have weights of their own,
    so flat surfaces get a checkerboard (Odena et al. 2016, distill.pub/2016/deconv-checkerboard). No checkerboard
    passes the filter. The filter also sees the pixels around the image that `deconv` cuts off, so both together are a
    transposed convolution by a kernel of 6 x 6. That is the form for a TPU: by the compiler's estimate it is faster
    there than sums of shifted images. A CPU takes two means of 2 x 2 pixels, with less than half of the products.

    Args:
      x: [B, H, W, filters].
      kernel: [4, 4, C, filters].
      for_tpu: as in `deconv`.
    """
    if for_tpu:
        return deconv(x, filtered_kernel(kernel), for_tpu)
    batch, height, width, _ = tf.unstack(tf.shape(x)) if x.shape[0] is None else x.shape
    shape = [batch, 2 * height + 2, 2 * width + 2, kernel.shape[2]]
    y = tf.nn.conv2d_transpose(x, kernel, shape, _STRIDES, 'VALID')
    return tf.nn.avg_pool2d(tf.nn.avg_pool2d(y, 2, 1, 'VALID'), 2, 1, 'VALID')


def filtered_kernel(kernel: tf.Tensor | np.ndarray) -> tf.Tensor | np.ndarray:
    """[K, K, C, filters] -> [K + 2, K + 2, C, filters], of the same kind and dtype: `kernel` with the filter."""
    size = kernel.shape[0]
    first, middle, last = (np.eye(size + 2, size, -shift, dtype=np.float32) for shift in range(3))
    rows, einsum = (first + 2 * middle + last) / 4, np.einsum
    if isinstance(kernel, tf.Tensor):
        rows, einsum = tf.cast(rows, kernel.dtype), tf.einsum
    return einsum('ik,jl,klcf->ijcf', rows, rows, kernel)


def _fold(kernel: tf.Tensor, width: int) -> tuple[int, int]:
    """Rows and columns of the blocks of pixels to fold, for a deconvolution from `width` to twice the width.

    Measured with the TPU compiler (tests/benchmarks/tpu_compile.py): a 2x2 block has to be transposed in memory, which
    pays only for the three channels of an image. A 1x2 block only reshapes the same bytes.
    """
    channels = kernel.shape[2]
    if channels <= _RGB:
        return 2, 2
    return (1, 2) if channels < _MXU_WIDTH or width <= _SMALLEST else _UNFOLDED


def _with_folded_gradients(fold: tuple[int, int]) -> tuple[Callable, Callable]:
    """A convolution and its transpose; each is the other's gradient, and only the transpose is worth folding."""

    @tf.custom_gradient
    def down(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return _conv(x, kernel), lambda dy: (up(dy, kernel), _kernel_gradient(x, kernel, dy))

    @tf.custom_gradient
    def up(x: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Callable]:
        return _folded_deconv(x, kernel, *fold), lambda dy: (down(dy, kernel), _kernel_gradient(dy, kernel, x))

    return down, up


def _conv(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    return tf.nn.conv2d(x, kernel, _STRIDES, 'SAME')


def _deconv(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    batch, height, width, _ = tf.unstack(tf.shape(x)) if x.shape[0] is None else x.shape
    return tf.nn.conv2d_transpose(x, kernel, [batch, 2 * height, 2 * width, kernel.shape[2]], _STRIDES, 'SAME')


def _folded_deconv(x: tf.Tensor, kernel: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    """`_deconv`, computed at the shape [B, 2H / rows, 2W / columns, rows * columns * C]."""
    batch, height, width, _ = x.shape
    height, width, channels = 2 * height // rows, 2 * width // columns, kernel.shape[2]
    strides = [1, 2 // rows, 2 // columns, 1]
    folded = [batch, height, width, rows * columns * channels]
    y = tf.nn.conv2d_transpose(x, _fold_kernel(kernel, rows, columns), folded, strides, 'SAME')
    y = tf.reshape(y, [batch, height, width, rows, columns, channels])
    return tf.reshape(tf.transpose(y, [0, 1, 3, 2, 4, 5]), [batch, height * rows, width * columns, channels])


def _fold_kernel(kernel: tf.Tensor, rows: int, columns: int) -> tf.Tensor:
    """[K, K, C, filters] -> [K or 3, K or 3, rows * columns * C, filters], K of 4, 5 or 6.

    With SAME padding, pixel i of the small image sees the large image from pixel 2i - 1 on, or, by a kernel of 6, from
    pixel 2i - 2 on. A zero tap in front of the smaller kernels makes that pixel 2i - 2 for all. The kernel then has six
    taps, which are three blocks of two; a kernel of 4 gets another zero tap behind.
    """
    size, _, channels, filters = kernel.shape
    ahead = [(block - 1) * (size < _TAPS) for block in (rows, columns)]
    height, width = (-(-(size + front) // block) for front, block in zip(ahead, (rows, columns)))
    behind = height * rows - size - ahead[0], width * columns - size - ahead[1]
    kernel = tf.pad(kernel, [[ahead[0], behind[0]], [ahead[1], behind[1]], [0, 0], [0, 0]])
    kernel = tf.reshape(kernel, [height, rows, width, columns, channels, filters])
    kernel = tf.transpose(kernel, [0, 2, 1, 3, 4, 5])
    return tf.reshape(kernel, [height, width, rows * columns * channels, filters])


def _kernel_gradient(large: tf.Tensor, kernel: tf.Tensor, small: tf.Tensor) -> tf.Tensor:
    return v1.nn.conv2d_backprop_filter(large, kernel.shape, small, _STRIDES, 'SAME')
