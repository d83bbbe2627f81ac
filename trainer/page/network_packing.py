"""A network as data for the page: a list of operations, and all weights in one block of bytes.

Kernels take 16 bits a weight, or 8 bits with a factor for each output channel (Jacob et al. 2018, arXiv:1712.05877,
symmetric, without their activations in 8 bits). Everything else is small and stays in 32 bits.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np

from trainer.operations import Network, Operation
from trainer.page import packing

PRECISIONS = (16, 8)  # Bits of a weight in a kernel.
_KERNEL = 'kernel'
_ALIGNMENT = 4
_LARGEST = 127


def rounded(network: Network, bits: int) -> Network:
    """The network as the page will run it, with the weights that are left after packing.

    Args:
      network: float32.
      bits: one of PRECISIONS.
    """
    return dataclasses.replace(network, operations=tuple(_rounded(operation, bits) for operation in network.operations))


def packed(network: Network, bits: int) -> dict[str, Any]:
    """A network for `packing.script`.

    Args:
      network: float32.
      bits: one of PRECISIONS.

    Returns:
      inputs: their shapes; operations: kind, inputs, relu, settings and arrays, of each array its shape, its type
      ('f4', 'f2' or 'i1'), where it begins in the bytes, and for 'i1' where its factors begin; bytes: deflated. Of
      'f2' the upper bytes of all numbers come first, because those repeat.
    """
    block = bytearray()
    listed = [
        {
            'kind': operation.kind,
            'inputs': list(operation.inputs),
            'relu': operation.relu,
            'settings': dict(operation.settings),
            'arrays': {name: _append(block, operation, name, bits) for name in operation.arrays},
        }
        for operation in network.operations
    ]
    return {
        'inputs': [list(shape) for shape in network.inputs],
        'operations': listed,
        'bytes': packing.deflated(bytes(block)),
    }


def _append(block: bytearray, operation: Operation, name: str, bits: int) -> dict[str, Any]:
    array = operation.arrays[name]
    entry: dict[str, Any] = {'shape': list(array.shape)}
    if name != _KERNEL:
        return {**entry, 'type': 'f4', 'at': _put(block, array.astype('<f4'))}
    if bits == 16:
        halves = _half(array).astype('<f2').view(np.uint8).reshape(-1, 2)
        return {**entry, 'type': 'f2', 'at': _put(block, halves.T[::-1])}
    whole, factors = _quantized(operation)
    return {**entry, 'type': 'i1', 'at': _put(block, whole), 'factors': _put(block, factors.ravel().astype('<f4'))}


def _put(block: bytearray, array: np.ndarray) -> int:
    begin = len(block)
    block += array.tobytes()
    block += bytes(-len(block) % _ALIGNMENT)
    return begin


def _rounded(operation: Operation, bits: int) -> Operation:
    if not operation.arrays:
        return operation
    arrays: Mapping[str, np.ndarray] = operation.arrays
    if bits == 16:
        kernel = _half(arrays[_KERNEL]).astype(np.float32)
    else:
        whole, factors = _quantized(operation)
        kernel = whole.astype(np.float32) * factors
    return dataclasses.replace(operation, arrays={**arrays, _KERNEL: kernel})


def _half(kernel: np.ndarray) -> np.ndarray:
    with np.errstate(over='ignore'):  # Infinite weights show in the pictures, which are compared.
        return kernel.astype(np.float16)


def _quantized(operation: Operation) -> tuple[np.ndarray, np.ndarray]:
    """The kernel in int8, and the factors of its output channels, float32, which broadcast to it."""
    kernel, axis = operation.arrays[_KERNEL], operation.output_axis
    others = tuple(other for other in range(kernel.ndim) if other != axis)
    with np.errstate(invalid='ignore', over='ignore'):
        largest = np.abs(kernel).max(axis=others, keepdims=True)
        factors = (np.where(largest > 0, largest, 1) / _LARGEST).astype(np.float32)
        return np.clip(np.nan_to_num(np.round(kernel / factors)), -_LARGEST, _LARGEST).astype(np.int8), factors
