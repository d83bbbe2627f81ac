"""Proposes a label for each image of a set, with a confidence, from a few images whose labels are known."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.labelling import ridge
from trainer.labelling.ridge import Ridge

_TEMPERATURES = np.geomspace(0.01, 2, 60)
_TINY = 1e-12


@dataclasses.dataclass(frozen=True)
class Labeller:
    """A regression on features, whose scores become probabilities by a softmax.

    Attributes:
      spaces: of each layer whose features it sees.
      ridge: from the embedded features to scores.
      temperature: of the softmax; chosen for the likelihood of the known labels, each judged by all others (Guo et al.
        2017, arXiv 1706.04599).
      doubt: what a confidence lacks of 1 for want of known images: of M that are all judged rightly, the next is wrong
        with a probability of 1 / (M + 2), by Laplace's rule of succession.
      out_of_fold: float64 [M, L], the probabilities of the M images with known labels, each judged by all others.
    """

    spaces: Mapping[str, Space]
    ridge: Ridge
    temperature: float
    doubt: float
    out_of_fold: np.ndarray

    def probabilities(self, features: Mapping[str, np.ndarray]) -> np.ndarray:
        """Raw features of N images, [N, D] for each layer -> float64 [N, L]."""
        return self.doubted(_softmax(self.ridge.scores(_vectors(features, self.spaces)), self.temperature))

    def doubted(self, probabilities: np.ndarray) -> np.ndarray:
        """Probabilities [N, L] that are the same for all labels with the probability `doubt`."""
        return (1 - self.doubt) * probabilities + self.doubt / probabilities.shape[1]


def fit(features: Mapping[str, np.ndarray], extractor: Extractor, known: np.ndarray, labels: np.ndarray) -> Labeller:
    """Fits a labeller to the images of a set whose labels are known.

    Early features (colour, texture) and late ones (shape) are used together: digits need both.

    Args:
      features: raw features of all N images of the set, [N, D] for each layer of the extractor.
      extractor: names the layers.
      known: int [M], the numbers of the images with known labels, M at least 2.
      labels: int [M], their labels; every number from 0 to the largest is one.
    """
    spaces = {layer: Space.of(features[layer]) for layer in dict.fromkeys((extractor.early, extractor.late))}
    vectors = _vectors({layer: features[layer][known] for layer in spaces}, spaces)
    fitted, scores = ridge.fit(vectors, labels, int(labels.max()) + 1)
    temperature = max(_TEMPERATURES.tolist(), key=lambda value: _likelihood(_softmax(scores, value), labels))
    return Labeller(spaces, fitted, temperature, 1 / (len(known) + 2), _softmax(scores, temperature))


def surest(confidences: np.ndarray, precision: float) -> np.ndarray:
    """The most images, the surest first, whose confidences have a mean of at least `precision`; bool [N]."""
    order = np.argsort(-confidences, kind='stable')
    means = np.cumsum(confidences[order]) / np.arange(1, len(order) + 1)
    chosen = np.zeros(len(confidences), bool)
    chosen[order[: int(np.count_nonzero(means >= precision))]] = True
    return chosen


def _vectors(features: Mapping[str, np.ndarray], spaces: Mapping[str, Space]) -> np.ndarray:
    return np.concatenate([space.embed(features[layer]) for layer, space in spaces.items()], axis=1)


def _softmax(scores: np.ndarray, temperature: float) -> np.ndarray:
    powers = np.exp((scores - scores.max(axis=1, keepdims=True)) / temperature)
    return powers / powers.sum(axis=1, keepdims=True)


def _likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    return float(np.log(np.maximum(probabilities[np.arange(len(labels)), labels], _TINY)).mean())
