"""The interface of feature extractors."""

from __future__ import annotations

import abc

import numpy as np


class Extractor(abc.ABC):
    """Turns images into vectors, one for each of its layers.

    Attributes:
      name: its key in the registry; part of every result.
      version: must change whenever the features of a picture change; cached features of another version are not used.
      title: a description for people: the network, the origin of its weights, the size of its input.
      batch: the number of pictures to give it at once; much larger batches are slower on a CPU.
      layers: names of the layers, from early (colour, texture) to late (shape); early and late may be the same.
    """

    name: str
    version: str
    title: str
    batch: int = 16
    layers: tuple[str, ...]

    @property
    def early(self) -> str:
        """The layer whose near neighbours are alike in colour and texture."""
        return self.layers[0]

    @property
    def late(self) -> str:
        """The layer whose near neighbours are alike in shape and content; metrics use it."""
        return self.layers[-1]

    @abc.abstractmethod
    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Extracts the features of one batch.

        Args:
          pixels: uint8 [N, H, W, C], C of 3 or 1; N at most a few hundred.

        Returns:
          For each layer float32 [N, D] as the network gives it, neither centred nor scaled (`space.Space` does that).
        """
