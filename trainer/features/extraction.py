"""Features of many images: of a data set, cached in its folder, or of new pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
from absl import logging

from trainer.data.image_set import ImageSet
from trainer.features import cache
from trainer.features.extractor import Extractor

# Called after each batch with the number of images done so far; an exception from it ends the extraction.
Tick = Callable[[int], None]


def of_set(images: ImageSet, extractor: Extractor, tick: Tick | None = None) -> dict[str, np.ndarray]:
    """Raw features of a data set, for each layer float16 [N, D] in the order of its records.

    They are computed once, cached in the folder of the data set, and mapped into memory, so unused parts take none.
    Arithmetic needs float32; `space.Space` converts them a block at a time.
    """
    kept = cache.read(images, extractor)
    if kept is not None:
        return kept
    logging.info('features of %s images through %s ...', f'{len(images):,}', extractor.name)
    began = time.monotonic()
    features = cache.write(images, extractor, _extracted(images.batches(extractor.batch), extractor, tick))
    seconds = max(time.monotonic() - began, 1e-3)
    logging.info('features took %.1f s, %s images/s', seconds, f'{len(images) / seconds:,.0f}')
    return features


def of_pixels(pixels: np.ndarray, extractor: Extractor, tick: Tick | None = None) -> dict[str, np.ndarray]:
    """Raw features of uint8 [N, H, W, C], N at least 1, for each layer float32 [N, D]."""
    size = extractor.batch
    return of_batches((pixels[i : i + size] for i in range(0, len(pixels), size)), extractor, tick)


def of_batches(batches: Iterable[np.ndarray], extractor: Extractor, tick: Tick | None = None) -> dict[str, np.ndarray]:
    """Raw features of batches of uint8 [N, H, W, C], concatenated."""
    parts = list(_extracted(batches, extractor, tick))
    return {layer: np.concatenate([part[layer] for part in parts]) for layer in extractor.layers}


def _extracted(
    batches: Iterable[np.ndarray], extractor: Extractor, tick: Tick | None
) -> Iterator[dict[str, np.ndarray]]:
    done = 0
    for batch in batches:
        yield extractor.extract(batch)
        done += len(batch)
        if tick:
            tick(done)
