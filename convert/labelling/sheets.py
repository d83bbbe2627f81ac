"""Contact sheets of labels, for people to look over."""

from __future__ import annotations

import re

import numpy as np

from convert.labelling.proposal import MARK, Proposal
from trainer.data import images
from trainer.data.image_set import ImageSet

_COLUMNS, _MOST = 10, 100
_OTHER = re.compile(r'[^A-Za-z0-9_-]+')
_BATCH = 256


def name_of(number: int, label: str) -> str:
    """The file name of a label's sheet: 'label-003-t-shirt.png'."""
    return f'label-{number:03}-{_OTHER.sub("_", label)[:40]}.png'


def draw(image_set: ImageSet, proposal: Proposal) -> dict[str, np.ndarray]:
    """A sheet for each label, uint8 [H, W, C]: up to a hundred images, the least sure first, the marked ones last."""
    chosen = {}
    for number, label in enumerate(proposal.names):
        members = np.flatnonzero(proposal.labels[: len(image_set)] == number)
        order = sorted(members.tolist(), key=lambda i: (proposal.by[i] == MARK, proposal.confidences[i]))[:_MOST]
        if order:
            chosen[name_of(number, label)] = order
    pixels = pixels_of(image_set, {number for order in chosen.values() for number in order})
    return {name: tile([pixels[number] for number in order]) for name, order in chosen.items()}


def tile(pictures: list[np.ndarray]) -> np.ndarray:
    """Lays pictures of one shape out as a sheet."""
    return images.tile_grid(np.stack(pictures), _COLUMNS)


def pixels_of(image_set: ImageSet, numbers: set[int]) -> dict[int, np.ndarray]:
    """Number -> uint8 [H, W, C], in one pass over the records."""
    found = {}
    for index, batch in enumerate(image_set.batches(_BATCH)):
        for number in numbers & set(range(index * _BATCH, index * _BATCH + len(batch))):
            found[number] = batch[number - index * _BATCH].copy()
    return found
