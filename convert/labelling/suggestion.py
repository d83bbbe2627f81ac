"""Which images a person should mark next."""

from __future__ import annotations

import numpy as np

from trainer.labelling import clustering

_CANDIDATES = 5  # For each suggestion.


def suggest(embedded: np.ndarray, margins: np.ndarray | None, open_: np.ndarray, count: int) -> np.ndarray:
    """Chooses images whose marks would help most.

    Without a model, images that stand for many others: the centres of clusters. With one, images between two labels:
    of those with the smallest margins, some that are not alike.

    Args:
      embedded: float32 [N, D], late features as `space.Space` embeds them.
      margins: float [N], by how much the model prefers its best label to the next; None without a model.
      open_: int [M], the numbers of the images without a label.
      count: how many to choose.

    Returns:
      int, at most `count` numbers, ascending.
    """
    if margins is not None:
        open_ = open_[np.argsort(margins[open_], kind='stable')[: _CANDIDATES * count]]
    if len(open_) <= count:
        return np.sort(open_)
    return np.sort(open_[clustering.centres(embedded[open_], count)])
