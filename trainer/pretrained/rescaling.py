"""Scales the weights of a trained model down to their initial size, so that it learns as fast as a new one.

Batch norm cancels the size of the weights before it, but the length of Adam's steps is the learning rate for any size.
So steps turn weights of k times the size by only 1/k of the angle (van Laarhoven 2017, arXiv:1706.05350). Weights grow
during a run, to four times their size in 512,000 images, and a run that starts from them learns other pictures at a
quarter of the rate. Scaled down, they make the same images.

The discriminator's last layer has no batch norm after it. Scaled down, it is as unsure of all images as a new one. That
is intended: a D that is certain that a generator of clothes makes no hands leaves it no useful gradient.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainer.dcgan import ema, layers, networks
from trainer.dcgan.architecture import Architecture

Values = Mapping[str, np.ndarray]


def rescaled(values: Values, architecture: Architecture) -> dict[str, np.ndarray]:
    """Scales kernels down to their initial standard deviation; smaller kernels stay as they are.

    Args:
      values: variables of both networks and of the generator's EMA, by name; some may be missing.
      architecture: the shape of both networks.

    Returns:
      All variables. The generator's images are the same up to rounding; the discriminator's logits are smaller.
    """
    found = dict(values)
    for free in networks.free_layers(architecture):
        factor = _factor(values, *free.names)
        kernels, biases = (f'{name}/kernel' for name in free.names), (f'{name}/bias' for name in free.biases)
        _multiply(found, (*kernels, *biases, f'{free.norm}/moving_mean'), factor)
        _multiply(found, (f'{free.norm}/moving_variance',), factor**2)
    last = networks.LAST_OF_DISCRIMINATOR
    _multiply(found, (f'{last}/kernel', f'{last}/bias'), _factor(values, last))
    return found


def _factor(values: Values, *names: str) -> np.float32:
    """The common factor that scales the weights of some layers down."""
    kernels = [values[kernel].ravel() for name in names if (kernel := f'{name}/kernel') in values]
    size = np.sqrt(np.mean(np.square(np.concatenate(kernels), dtype=np.float64))) if kernels else 0.0
    return np.float32(layers.INIT_STDDEV / max(size, layers.INIT_STDDEV))


def _multiply(values: dict[str, np.ndarray], names: tuple[str, ...], factor: np.float32) -> None:
    """Multiplies variables and their EMAs."""
    for name in (*names, *map(ema.name_of, names)):
        if name in values:
            values[name] = values[name] * factor
