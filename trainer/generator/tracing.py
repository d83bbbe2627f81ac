"""A trained generator as a plain list of operations, and the directions in which its pictures change most."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainer import operations
from trainer.dcgan import conditioning, convolution, networks
from trainer.dcgan.architecture import BOTTOM_SIZE, REFINED, SELF_MODULATED, Architecture
from trainer.operations import Network, Tracer

_EPSILON = 1e-5  # Of batch norm, as in `layers`.
NOISE, CLASSES = 0, 1  # The inputs; the second only of a generator with classes.


def network(weights: Mapping[str, np.ndarray], architecture: Architecture) -> Network:
    """The operations of a trained generator; batch norm is folded into the layer before it.

    Args:
      weights: float32 arrays by the names of the variables, as `CheckpointGenerator.weights` gives them.
      architecture: of the generator.

    Returns:
      A network of one input, the noise [noise_dim], or of two, the noise and the classes [K], one-hot. Its output are
      images [H, W, C] in [-1, 1]. The strength at which classes count is part of the weights.
    """
    return _Generator(weights, architecture).trace()


def directions(weights: Mapping[str, np.ndarray], count: int) -> np.ndarray:
    """The directions of the noise along which the first layer changes most (SeFa, Shen and Zhou 2021, 2007.06600).

    Args:
      weights: as in `network`.
      count: how many; a short noise vector has fewer.

    Returns:
      float32 [count, noise_dim], of length 1, the strongest first: left singular vectors of the first dense kernel.
      The largest number of each is positive, so that the sign does not depend on the library.
    """
    kernel = weights[f'{networks.GENERATOR}/dense/kernel']
    vectors = np.linalg.svd(kernel.astype(np.float64), full_matrices=False)[0].T[:count]
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1)[:, None], axis=1)
    return (vectors * np.sign(largest)).astype(np.float32)


def _filtered(weights: Mapping[str, np.ndarray], architecture: Architecture) -> Mapping[str, np.ndarray]:
    """With the kernels of filtered layers as filtered as the layers' outputs are."""
    names = [f'{networks.GENERATOR}/{layer}/kernel' for layer in networks.filtered_deconvs(architecture)]
    return {**weights, **{name: convolution.filtered_kernel(weights[name]) for name in names}}


class _Generator:
    def __init__(self, weights: Mapping[str, np.ndarray], architecture: Architecture):
        self._weights, self._architecture = _filtered(weights, architecture), architecture
        inputs = [(architecture.noise_dim,), *([(architecture.classes,)] if architecture.classes else [])]
        self._tracer = Tracer(*inputs)

    def trace(self) -> Network:
        architecture, add = self._architecture, self._tracer.add
        filters = architecture.filters
        x = self._normalised(operations.DENSE, NOISE, 'dense', f'norm{len(filters)}', side=BOTTOM_SIZE)
        for i in range(len(filters) - 1, 0, -1):
            x = self._normalised(operations.DECONV, x, f'deconv{i}', f'norm{i}')
        image = add(operations.DECONV, x, arrays=self._layer('deconv0'))
        if architecture.generator_output == REFINED:
            x = self._normalised(operations.DECONV, x, 'refining_deconv', 'refining_norm')
            image = add(operations.ADD, image, add(operations.CONV, x, arrays=self._layer('refining_conv'), stride=1))
        add(operations.TANH, image)
        return self._tracer.network()

    def _normalised(self, kind: str, x: int, name: str, norm: str, **settings: int) -> int:
        """A layer, its batch norm and ReLU."""
        modulation = self._modulation(norm)
        folded = self._folded(kind, name, norm)
        x = self._tracer.add(kind, x, arrays=folded, relu=modulation is None, **settings)
        return x if modulation is None else self._tracer.add(operations.MODULATE, x, modulation, relu=True)

    def _folded(self, kind: str, name: str, norm: str) -> dict[str, np.ndarray]:
        """The weights of a layer with the standardisation that follows; for a dense one its channels come last."""
        mean, variance = self._array(f'{norm}/moving_mean'), self._array(f'{norm}/moving_variance')
        plain = self._architecture.generator_norm != SELF_MODULATED
        own, offset = (
            self._array(f'{norm}/{part}') if plain else default for part, default in (('scale', 1), ('offset', 0))
        )
        scale = own / np.sqrt(variance.astype(np.float64) + _EPSILON)
        layer = self._layer(name)
        kernel, bias = layer['kernel'], layer['bias']
        cells = kernel.shape[1] // len(scale) if kind == operations.DENSE else 1
        spread = np.tile(scale, cells)
        by = spread[:, None] if kind == operations.DECONV else spread
        return {'kernel': kernel * by, 'bias': bias * spread + np.tile(offset - mean * scale, cells)}

    def _modulation(self, norm: str) -> int | None:
        """The vector of the scales and offsets that depend on the noise or the class; None if none do."""
        add, modulated = self._tracer.add, self._architecture.generator_norm == SELF_MODULATED
        parts: list[tuple[int, np.ndarray]] = []  # The values it is a linear function of, and how.
        bias = np.repeat([1.0, 0.0], self._array(f'{norm}/moving_mean').size)
        if modulated:
            hidden = add(operations.DENSE, NOISE, arrays=self._layer(f'{norm}/hidden'), relu=True, side=0)
            scale, offset = (self._layer(f'{norm}/{part}') for part in ('scale', 'offset'))
            parts.append((hidden, np.concatenate([scale['kernel'], offset['kernel']], axis=1)))
            bias = bias + np.concatenate([scale['bias'], offset['bias']])
        if self._architecture.classes:
            of_class = [self._array(f'{norm}/{part}/kernel') for part in ('class_scale', 'class_offset')]
            strength = self._weights[conditioning.STRENGTH]
            parts.append((CLASSES, np.concatenate(of_class, axis=1) * strength))
        if not parts:
            return None
        values = [value for value, _ in parts]
        vector = values[0] if len(values) == 1 else add(operations.CONCAT, *values)
        kernel = np.concatenate([kernel for _, kernel in parts])
        return add(operations.DENSE, vector, arrays={'kernel': kernel, 'bias': bias}, side=0)

    def _layer(self, name: str) -> dict[str, np.ndarray]:
        return {part: self._array(f'{name}/{part}') for part in ('kernel', 'bias')}

    def _array(self, name: str) -> np.ndarray:
        return self._weights[f'{networks.GENERATOR}/{name}']
