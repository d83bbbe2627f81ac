"""What the page needs to find the training images that are most like any picture, within a few megabytes."""

from __future__ import annotations

import numpy as np

from trainer.features import squeezenet
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.features.squeezenet import SqueezeNet
from trainer.page.content import Finder

_MOST_NUMBERS = 1_900_000  # Of all images together, 8 bits each: 2.5 MB in base64.
_FEWEST_AXES = 64  # With fewer, images that are not alike fall together.
_MULTIPLE = 4


def of(extractor: Extractor, space: Space, images: np.ndarray, samples: np.ndarray) -> tuple[Finder | None, str]:
    """The finder of a page, or None and the reason why it has none.

    Args:
      extractor: of the page.
      space: of its late layer.
      images, samples: float32 [N, D] and [M, D], embedded in this space.
    """
    if not isinstance(extractor, SqueezeNet):
        return None, (
            f'Pictures of your own cannot be compared on this page: its images are compared by {extractor.name}, and '
            f'only {SqueezeNet.name} runs in a browser. Write the page again with --extractor={SqueezeNet.name}.'
        )
    step = -(-len(images) * _FEWEST_AXES // _MOST_NUMBERS)
    numbers = range(0, len(images), step)
    kept = images[::step]
    axes = _axes(kept, _MOST_NUMBERS // len(kept) // _MULTIPLE * _MULTIPLE)
    few, few_samples = (kept, samples) if axes is None else (kept @ axes.T, samples @ axes.T)
    finder = Finder(
        network=extractor.network(),
        mean=squeezenet.MEAN_BGR,
        centre=space.mean,
        axes=axes,
        images=few,
        numbers=numbers,
        samples=few_samples,
        note=_note(images, samples, numbers, few, few_samples),
    )
    return finder, ''


def _axes(vectors: np.ndarray, count: int) -> np.ndarray | None:
    """The `count` directions of the largest second moments, float32 [count, D]; None if there are no more than those.

    The mean is not taken off, so that products of projected vectors are those of the vectors.
    """
    if count >= vectors.shape[1]:
        return None
    values, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return axes[:, np.argsort(-values)[:count]].T.astype(np.float32)


def _note(images: np.ndarray, samples: np.ndarray, numbers: range, few: np.ndarray, few_samples: np.ndarray) -> str:
    """What the finder loses, measured on the samples; '' if it loses nothing."""
    length = images.shape[1]
    if len(few) == len(images) and few.shape[1] == length:
        return ''
    before = (samples @ images.T).argmax(axis=1)
    after = np.asarray(numbers)[(few_samples @ few.T).argmax(axis=1)]
    parts = [f'{len(few):,} of {len(images):,} training images'] if len(few) < len(images) else []
    parts += [f'{few.shape[1]} of {length} numbers of each'] if few.shape[1] < length else []
    return (
        f'This page has room for {" and ".join(parts)}: of the samples, {np.mean(before == after):.0%} have the same '
        'nearest training image as by all of them.'
    )
