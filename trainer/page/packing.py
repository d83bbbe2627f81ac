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
    return [_layer(layer) for layer in found]


def _layer(layer: Layer) -> dict[str, Any]:
    indices, cosines = np.asarray(layer.nearest.indices), np.asarray(layer.nearest.cosines)
    width = 2 if indices.max(initial=0) < 1 << 16 else 4
    hundredths = np.clip(np.round(cosines * _HUNDREDTHS), -_HUNDREDTHS, _HUNDREDTHS).astype(np.int8)
    return {
        'likeness': layer.likeness,
        'count': indices.shape[1],
        'width': width,
        'indices': as_base64(indices.astype(f'<u{width}')),
        'cosines': as_base64(hundredths),
    }


def numbers(values: np.ndarray, digits: int) -> list[float]:
    """Floats rounded to `digits` decimal places."""
    return [round(float(value), digits) for value in values]


def deflated(data: bytes) -> str:
    """Bytes in zlib's format, in base64; for the largest parts, whose whole page must stay small."""
    return base64.b64encode(zlib.compress(data, _EFFORT)).decode('ascii')


def as_base64(array: np.ndarray) -> str:
    """The bytes of an array."""
    return base64.b64encode(array.tobytes()).decode('ascii')
