"""Features of many images: of a data set, or of pictures just made."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from trainer.features.extractor import Extractor
from trainer.image_set import ImageSet

_BATCH = 64

# Called with the number of images done so far after each batch; what it raises ends the extraction.
Tick = Callable[[int], None]


def of_set(images: ImageSet, extractor: Extractor, tick: Tick | None = None) -> dict[str, np.ndarray]:
    """Raw features of a data set, for each layer [N, D] in the order of its records."""
    return of_batches(images.batches(_BATCH), extractor, tick)


def of_pixels(pixels: np.ndarray, extractor: Extractor, tick: Tick | None = None) -> dict[str, np.ndarray]:
    """Raw features of uint8 [N, H, W, C], for each layer float32 [N, D]."""
    return of_batches((pixels[i : i + _BATCH] for i in range(0, len(pixels), _BATCH)), extractor, tick)


def of_batches(batches: Iterable[np.ndarray], extractor: Extractor, tick: Tick | None = None) -> dict[str, np.ndarray]:
    """Raw features of batches of uint8 [N, H, W, C], put together."""
    parts: list[dict[str, np.ndarray]] = []
    done = 0
    for batch in batches:
        parts.append(extractor.extract(batch))
        done += len(batch)
        if tick:
            tick(done)
    return {layer: np.concatenate([part[layer] for part in parts]) for layer in extractor.layers}
