"""What the tab of new pictures shows, and what it computes with."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trainer.operations import Network


@dataclasses.dataclass(frozen=True)
class Finder:
    """What the page needs to find the training images nearest to any picture, by the late layer of the extractor.

    Attributes:
      network: of one input, a picture [side, side, 3] as `mean` says; its output is a vector [D].
      mean: of blue, green and red; the network's input is a picture in this order, 0 to 255, minus these.
      centre: float32 [D], taken from the output; the rest is scaled to length 1.
      axes: float32 [d, D], orthonormal rows, on which vectors are projected; None keeps them whole.
      images: float32 [N, d], of training images, projected.
      numbers: of these images in the data set.
      samples: float32 [M, d], of the samples of the page.
      note: what is lost, in a sentence; '' if nothing is.
      bits: of each weight of the network, 16 or 8.
    """

    network: Network
    mean: tuple[float, float, float]
    centre: np.ndarray
    axes: np.ndarray | None
    images: np.ndarray
    numbers: Sequence[int]
    samples: np.ndarray
    note: str = ''
    bits: int = 16


@dataclasses.dataclass(frozen=True)
class Live:
    """The tab in which the page makes new pictures, by itself or through a server.

    Attributes:
      noise_dim: length of the noise.
      side: of the pictures, px.
      channels: 3 or 1.
      labels: the names of the classes, () for an unconditional generator.
      shares: of images without a class and of each class, float64 [1 + K], by which a seed decides its class.
      directions: D vectors, float32 [noise_dim], of length 1, for the sliders.
      command: makes a picture again if ` --seeds=SEED` is appended; '' shows none.
      network: makes pictures in the browser from the noise and, with classes, from a one-hot vector; None if it is not
        on the page.
      bits: of each of its weights, 16 or 8.
      note: in a sentence, how much its pictures differ from the generator's, or why it is not on the page.
      predict: address of a server that makes pictures and finds images, '' if there is none; used for what the page
        cannot do itself.
      finder: finds the nearest training images; None if it is not on the page.
      finder_note: why it is not.
      serve: the command whose server does what the page leaves out; '' if there is none.
      smaller: the same tab in fewer bytes, the last of them without the network; None if it has none to leave out.
    """

    noise_dim: int
    side: int
    channels: int
    labels: Sequence[str] = ()
    shares: Sequence[float] = ()
    directions: Sequence[np.ndarray] | np.ndarray = ()
    command: str = ''
    network: Network | None = None
    bits: int = 16
    note: str = ''
    predict: str = ''
    finder: Finder | None = None
    finder_note: str = ''
    serve: str = ''
    smaller: Live | None = None
