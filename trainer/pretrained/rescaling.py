"""Gives the layers of a trained model the size that weights start from, so that it learns as fast as a new one.

Batch norm hides how large the weights before it are. Adam's steps, whose length is the learning rate, do not see that:
weights of k times the size they turn by 1/k (van Laarhoven 2017, arXiv:1706.05350). Weights grow as a run goes on, to
four times their size in 512,000 images, and a run that starts from them follows other pictures at a quarter of the
rate. Shrunk, they make the same images.

The discriminator's last layer is no such layer: shrunk, it is as unsure of all images as a new one. One that is sure
that all a generator of clothes draws are no hands leaves the generator nothing to follow.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainer.dcgan import ema, layers, networks
from trainer.dcgan.architecture import Architecture

Values = Mapping[str, np.ndarray]


def rescaled(values: Values, architecture: Architecture) -> dict[str, np.ndarray]:
    """Shrinks kernels to the deviation that they start from; those that are smaller stay.

    Args:
      values: variables of both networks and of the average over the generator's, by name; some may be missing.
      architecture: of both.

    Returns:
      All of them. The generator's images are the same but for rounding, the discriminator's logits smaller.
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
    """What shrinks the weights of some layers together."""
    kernels = [values[kernel].ravel() for name in names if (kernel := f'{name}/kernel') in values]
    size = np.sqrt(np.mean(np.square(np.concatenate(kernels), dtype=np.float64))) if kernels else 0.0
    return np.float32(layers.INIT_STDDEV / max(size, layers.INIT_STDDEV))


def _multiply(values: dict[str, np.ndarray], names: tuple[str, ...], factor: np.float32) -> None:
    """Multiplies variables and their averages."""
    for name in (*names, *map(ema.name_of, names)):
        if name in values:
            values[name] = values[name] * factor
