"""Keeps what finds the nearest training images within a few megabytes: fewer images, or fewer numbers of each."""

from __future__ import annotations

import dataclasses

import numpy as np

from trainer.page.live_content import Finder

MOST_NUMBERS = 1_900_000  # Of all images together, 8 bits each: 2.5 MB in base64.
_FEWEST_AXES = 64  # With fewer, images that are not alike fall together.
_MULTIPLE = 4


def fitted(finder: Finder, kept: np.ndarray, most: int) -> Finder:
    """The finder of a page that has some of the training images.

    Args:
      finder: of all training images, with all numbers of each.
      kept: int [n], of the training images on the page, rising; the finder's numbers are places in this list.
      most: numbers to keep, of all images together.
    """
    step = -(-len(kept) * _FEWEST_AXES // most)
    numbers = range(0, len(kept), step)
    images = finder.images[kept[::step]]
    axes = _axes(images, most // len(images) // _MULTIPLE * _MULTIPLE)
    few, samples = (images, finder.samples) if axes is None else (images @ axes.T, finder.samples @ axes.T)
    note = _note(finder, images, few, samples)
    return dataclasses.replace(finder, axes=axes, images=few, numbers=numbers, samples=samples, note=note)


def _axes(vectors: np.ndarray, count: int) -> np.ndarray | None:
    """The `count` directions of the largest second moments, float32 [count, D]; None if there are no more than those.

    The mean is not taken off, so that products of projected vectors are those of the vectors.
    """
    if count >= vectors.shape[1]:
        return None
    values, axes = np.linalg.eigh(vectors.T.astype(np.float64) @ vectors)
    return axes[:, np.argsort(-values)[:count]].T.astype(np.float32)


def _note(finder: Finder, images: np.ndarray, few: np.ndarray, samples: np.ndarray) -> str:
    """What the finder loses; '' if it loses nothing.

    What fewer numbers cost is measured on the samples. What fewer images cost is not: those that are nearest to the
    samples are the first to stay.
    """
    total, length = finder.images.shape
    parts = [f'{len(few):,} of {total:,} training images'] if len(few) < total else []
    parts += [f'{few.shape[1]} of {length} numbers of each'] if few.shape[1] < length else []
    if not parts:
        return ''
    text = f'This page has room for {" and ".join(parts)}'
    if few.shape[1] < length:
        same = np.mean((finder.samples @ images.T).argmax(axis=1) == (samples @ few.T).argmax(axis=1))
        text += f': of the samples, {same:.0%} have the same nearest of these images as by all numbers'
    return f'{text}. One that is nearer may be missing.' if len(few) < total else f'{text}.'
