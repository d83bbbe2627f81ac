"""What a feature extractor is."""

from __future__ import annotations

import abc

import numpy as np


class Extractor(abc.ABC):
    """Turns images into vectors, one for each of its layers.

    Attributes:
      name: its key in the registry; stands in every result.
      version: changes whenever the features of a picture would; kept features of another version are not used.
      title: in full, for people: network, whose weights, at which size the images go in.
      batch: how many pictures to give it at once; many more take longer on a CPU.
      layers: their names, from early (colour, texture) to late (shape); the two may be one.
    """

    name: str
    version: str
    title: str
    batch: int = 16
    layers: tuple[str, ...]

    @property
    def early(self) -> str:
        """The layer in which near means alike in colour and texture."""
        return self.layers[0]

    @property
    def late(self) -> str:
        """The layer in which near means alike in shape and content; metrics use it."""
        return self.layers[-1]

    @abc.abstractmethod
    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        """Extracts the features of one batch.

        Args:
          pixels: uint8 [N, H, W, C], C of 3 or 1; N at most a few hundred.

        Returns:
          For each layer float32 [N, D] as the network gives it, neither centred nor scaled (`space.Space` does that).
        """
