"""The data of the tab of new pictures: what it needs at once, and what it loads when it is first shown."""

from __future__ import annotations

from typing import Any

import numpy as np

from trainer.page import network_packing, packing
from trainer.page.live_content import Finder, Live

_DIGITS = 4
# Of the numbers of a vector, by the bits of the network. Cosines of 180 photographs of clothes with their nearest
# training images changed by 0.001 and at most 0.005; with the network in 8 bits by 0.004 and at most 0.02.
_LARGEST = {16: 63, 8: 31}
_LARGEST_OF_AXES = 127  # Of an axis: this changes a cosine by less than 0.001.


def start(live: Live) -> dict[str, Any]:
    """The data for `start.js`: everything but the weights."""
    return {
        'noiseDim': live.noise_dim,
        'side': live.side,
        'channels': live.channels,
        'labels': list(live.labels),
        # As float32, because TensorFlow draws the class of a seed in that precision. The last edge is 1.
        'edges': [float(edge) for edge in np.cumsum(live.shares)[:-1].astype(np.float32)],
        'directions': [packing.numbers(direction, _DIGITS) for direction in live.directions],
        'command': live.command,
        'embedded': live.network is not None,
        'note': live.note,
        'predict': live.predict,
        'finds': live.finder is not None,
        'finderNote': live.finder.note if live.finder else live.finder_note,
    }


def network(live: Live) -> dict[str, Any]:
    """The data of the script `live`; only if the tab has a network."""
    assert live.network
    return network_packing.packed(live.network, live.bits)


def finder(finder: Finder) -> dict[str, Any]:
    """The data of the script `finder`."""
    axes = finder.axes
    return {
        'network': network_packing.packed(finder.network, finder.bits),
        'mean': list(finder.mean),
        'centre': packing.as_base64(finder.centre.astype('<f4')),
        'axes': None if axes is None else _rows(axes, _LARGEST_OF_AXES),
        'length': finder.images.shape[1],
        'images': _rows(finder.images, _LARGEST[finder.bits]),
        'numbers': None if len(finder.numbers) == finder.numbers[-1] + 1 else [int(i) for i in finder.numbers],
        'samples': _rows(finder.samples, _LARGEST[finder.bits]),
    }


def _rows(vectors: np.ndarray, most: int) -> dict[str, str]:
    """Vectors in whole numbers, each with a factor of its own; number by number, as those of one place are alike."""
    largest = np.abs(vectors).max(axis=1, keepdims=True, initial=0)
    factors = (np.where(largest > 0, largest, 1) / most).astype(np.float32)
    whole = np.round(vectors / factors).astype(np.int8)
    return {'whole': packing.deflated(whole.T.tobytes()), 'factors': packing.as_base64(factors.astype('<f4'))}
