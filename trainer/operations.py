"""A network as a plain list of operations with their weights, which needs no TensorFlow to run: a browser can.

`run` is the reference in numpy. Its pictures are those of the network up to rounding.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping

import numpy as np

# What an operation may be. `arrays` and `settings` in brackets; all kernels are as TensorFlow stores them.
DENSE = 'dense'  # A vector to a vector, or to maps of `side` x `side` [kernel, bias; side, 0 for a vector].
DECONV = 'deconv'  # A transposed convolution of stride 2, SAME; kernels of 4 to 6 px [kernel, bias].
CONV = 'conv'  # A convolution, SAME; kernels of 1 or 3 px [kernel, bias; stride].
MODULATE = 'modulate'  # Maps of C channels times the first C numbers of a vector, plus the other C.
CONCAT, ADD, TANH = 'concat', 'add', 'tanh'
POOL = 'pool'  # The largest of 3 x 3, stride 2, VALID.
MEAN = 'mean'  # Of each channel over the map: a vector.
_OUTPUT_AXIS = {DENSE: 1, DECONV: 2, CONV: 3}  # Of the kernel.


@dataclasses.dataclass(frozen=True)
class Operation:
    """One operation of a network; a ReLU follows it if `relu` is set.

    Attributes:
      kind: one of the above.
      inputs: numbers of the values that it takes. A network's inputs are the first values; each operation adds one.
      arrays: float32, by name.
      settings: whole numbers, by name.
      relu: whether max(0, x) follows.
    """

    kind: str
    inputs: tuple[int, ...]
    arrays: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    settings: Mapping[str, int] = dataclasses.field(default_factory=dict)
    relu: bool = False

    @property
    def output_axis(self) -> int:
        """The axis of the kernel that counts the output's channels."""
        return _OUTPUT_AXIS[self.kind]


@dataclasses.dataclass(frozen=True)
class Network:
    """Operations in the order in which they run; the value of the last one is the output.

    Attributes:
      inputs: the shape of each input: (length,), or (height, width, channels).
      operations: the operations.
    """

    inputs: tuple[tuple[int, ...], ...]
    operations: tuple[Operation, ...]

    @property
    def size(self) -> int:
        """The number of weights."""
        return sum(array.size for operation in self.operations for array in operation.arrays.values())


class Tracer:
    """Builds a network operation by operation; each method returns the number of a value."""

    def __init__(self, *inputs: tuple[int, ...]):
        """Begins with the inputs, whose numbers are 0, 1 ..."""
        self._inputs = inputs
        self._operations: list[Operation] = []

    def add(
        self,
        kind: str,
        *inputs: int,
        arrays: Mapping[str, np.ndarray] | None = None,
        relu: bool = False,
        **settings: int,
    ) -> int:
        """Appends an operation."""
        found = {name: np.asarray(array, np.float32) for name, array in (arrays or {}).items()}
        self._operations.append(Operation(kind, inputs, found, settings, relu))
        return len(self._inputs) + len(self._operations) - 1

    def network(self) -> Network:
        """The network so far."""
        return Network(self._inputs, tuple(self._operations))


def run(network: Network, *inputs: np.ndarray) -> np.ndarray:
    """Runs a network on a batch.

    Args:
      network: the network.
      inputs: float32 [N, ...] for each of its inputs.

    Returns:
      float32 [N, ...], the value of the last operation.
    """
    values = [np.asarray(value, np.float32) for value in inputs]
    for operation in network.operations:
        value = _RUN[operation.kind](operation, *(values[number] for number in operation.inputs))
        values.append(np.maximum(value, 0) if operation.relu else value)
    return values[-1]


def _dense(operation: Operation, x: np.ndarray) -> np.ndarray:
    y = x @ operation.arrays['kernel'] + operation.arrays['bias']
    side = operation.settings['side']
    return y.reshape(len(y), side, side, -1) if side else y


def _deconv(operation: Operation, x: np.ndarray) -> np.ndarray:
    """Each tap of the kernel adds to every second pixel; with SAME, tap 1 (of 6: tap 2) meets pixel 0."""
    kernel = operation.arrays['kernel']
    count, height, width, _ = x.shape
    size, filters = kernel.shape[0], kernel.shape[2]
    whole = np.zeros((count, 2 * height + size, 2 * width + size, filters), np.float32)
    for row in range(size):
        for column in range(size):
            whole[:, row : row + 2 * height : 2, column : column + 2 * width : 2] += x @ kernel[row, column].T
    first = (size - 2) // 2
    return whole[:, first : first + 2 * height, first : first + 2 * width] + operation.arrays['bias']


def _conv(operation: Operation, x: np.ndarray) -> np.ndarray:
    kernel, stride = operation.arrays['kernel'], operation.settings['stride']
    size, sides = kernel.shape[0], x.shape[1:3]
    out = [-(-side // stride) for side in sides]
    pads = [max((made - 1) * stride + size - side, 0) for made, side in zip(out, sides)]
    padded = np.pad(x, ((0, 0), *((pad // 2, pad - pad // 2) for pad in pads), (0, 0)))
    y = np.zeros((len(x), *out, kernel.shape[3]), np.float32)
    for row in range(size):
        for column in range(size):
            rows, columns = (slice(at, at + (n - 1) * stride + 1, stride) for at, n in zip((row, column), out))
            y += padded[:, rows, columns] @ kernel[row, column]
    return y + operation.arrays['bias']


def _modulate(operation: Operation, x: np.ndarray, by: np.ndarray) -> np.ndarray:
    scale, offset = np.split(by[:, None, None, :], 2, axis=3)
    return x * scale + offset


def _pool(operation: Operation, x: np.ndarray) -> np.ndarray:
    height, width = ((side - 3) // 2 * 2 + 1 for side in x.shape[1:3])
    shifted = (x[:, row : row + height : 2, column : column + width : 2] for row in range(3) for column in range(3))
    return functools.reduce(np.maximum, shifted)


def _concat(operation: Operation, *inputs: np.ndarray) -> np.ndarray:
    return np.concatenate(inputs, axis=-1)


_RUN: dict[str, Callable[..., np.ndarray]] = {
    DENSE: _dense,
    DECONV: _deconv,
    CONV: _conv,
    MODULATE: _modulate,
    POOL: _pool,
    CONCAT: _concat,
    ADD: lambda operation, one, other: one + other,
    TANH: lambda operation, x: np.tanh(x),
    MEAN: lambda operation, x: x.mean(axis=(1, 2)),
}


def pixels(images: np.ndarray) -> np.ndarray:
    """Images float32 [...] in [-1, 1] -> uint8, as the trainer rounds them."""
    return np.clip(np.round((images + 1.0) * 127.5), 0, 255).astype(np.uint8)
