"""Labels that are probably wrong: those of which the other labels make a labeller that disagrees."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np

from trainer.features.extractor import Extractor
from trainer.labelling import labeller

# Images of a label; about fewer the others say too little.
_LEAST = 5


@dataclasses.dataclass(frozen=True)
class Suspects:
    """What all other images say about the label of each.

    Attributes:
      own: float [N], the confidence in the image's own label; NaN without a label, or with one that few images have.
      suggested: int [N], the label that fits best, -1 where `own` is NaN.
      numbers: of the suspicious images, the least confident first.
    """

    own: np.ndarray
    suggested: np.ndarray
    numbers: list[int]


def examine(features: Mapping[str, np.ndarray], extractor: Extractor, labels: Sequence[int]) -> Suspects | None:
    """Looks for wrong labels; None if fewer than two labels have enough images.

    A label is suspicious if a labeller that was fitted without this image is as confident in another label as it is, in
    the mean, of the images that have that one: confident learning (Northcutt et al. 2021, arXiv 1911.00068). A plain
    ranking by the confidence in the own label finds as many (tests/benchmarks/labelling.py) but has no end.

    Args:
      features: raw features of all N images, [N, D] for each layer of the extractor.
      extractor: names the layers.
      labels: of all N images, -1 for none.
    """
    counts = collections.Counter(label for label in labels if label >= 0)
    names = sorted(label for label, count in counts.items() if count >= _LEAST)
    if len(names) < 2:
        return None
    index = {label: number for number, label in enumerate(names)}
    known = np.array([number for number, label in enumerate(labels) if label in index])
    given = np.array([index[labels[number]] for number in known])
    probabilities = labeller.fit(features, extractor, known, given).out_of_fold
    own = probabilities[np.arange(len(given)), given]
    usual = np.array([own[given == label].mean() for label in range(len(names))])
    likely = np.where(probabilities >= usual, probabilities, 0)
    suspicious = np.flatnonzero((likely.max(axis=1) > 0) & (likely.argmax(axis=1) != given))
    all_own, suggested = np.full(len(labels), np.nan), np.full(len(labels), -1)
    all_own[known], suggested[known] = own, np.array(names)[probabilities.argmax(axis=1)]
    suggested[known[suspicious]] = np.array(names)[likely[suspicious].argmax(axis=1)]
    order = suspicious[np.argsort(own[suspicious], kind='stable')]
    return Suspects(all_own, suggested, known[order].tolist())
