"""Data as scripts, because a page that is opened from disk may load scripts but not JSON."""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np

from trainer.page.content import Layer

_HUNDREDTHS = 100
_EFFORT = 9


def script(name: str, value: Any) -> bytes:
    """A script that passes the JSON value `value` to the page under `name`."""
    # Pure ASCII without '<': nothing in a file's name can end the script or begin another.
    text = json.dumps(value, separators=(',', ':'), allow_nan=False).replace('<', '\\u003c')
    return f'explore.data[{json.dumps(name)}]={text};\n'.encode('ascii')


def layers(found: tuple[Layer, ...]) -> list[dict[str, Any]]:
    """Neighbours in 3 or 5 bytes each: an index, and the cosine in whole hundredths."""
    return [
        {**_described(layer), 'indices': as_base64(_indices(layer)), 'cosines': as_base64(_hundredths(layer))}
        for layer in found
    ]


def deflated_layers(found: tuple[Layer, ...]) -> list[dict[str, Any]]:
    """The same in about half of the bytes, for `explore.inflateLayers`.

    The bytes of all indices, the lowest of each first, and the cosines, each less the one before it, the nearest of all
    rows first: so what is alike lies side by side.
    """
    made = []
    for layer in found:
        indices, hundredths = _indices(layer), _hundredths(layer)
        planes = indices.view(np.uint8).reshape(-1, indices.dtype.itemsize).T
        steps = np.diff(hundredths, axis=1, prepend=np.int8(0)).astype(np.int8).T
        made.append({**_described(layer), 'deflated': deflated(planes.tobytes() + steps.tobytes())})
    return made


def _described(layer: Layer) -> dict[str, Any]:
    return {
        'likeness': layer.likeness,
        'count': layer.nearest.indices.shape[1],
        'width': _indices(layer).dtype.itemsize,
    }


def _indices(layer: Layer) -> np.ndarray:
    indices = np.asarray(layer.nearest.indices)
    return np.ascontiguousarray(indices, '<u2' if indices.max(initial=0) < 1 << 16 else '<u4')


def _hundredths(layer: Layer) -> np.ndarray:
    scaled = np.round(np.asarray(layer.nearest.cosines) * _HUNDREDTHS)
    return np.clip(scaled, -_HUNDREDTHS, _HUNDREDTHS).astype(np.int8)


def numbers(values: np.ndarray, digits: int) -> list[float]:
    """Floats rounded to `digits` decimal places."""
    return [round(float(value), digits) for value in values]


def deflated(data: bytes) -> str:
    """Bytes in zlib's format, in base64; for the largest parts, whose whole page must stay small."""
    return base64.b64encode(zlib.compress(data, _EFFORT)).decode('ascii')


def as_base64(array: np.ndarray) -> str:
    """The bytes of an array."""
    return base64.b64encode(array.tobytes()).decode('ascii')
