"""What a page shows; `builder.write_page` turns it into files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from trainer.data.image_set import Entry
from trainer.operations import Network


class Images(Protocol):
    """Numbered pictures that need not be in memory at once; an `image_set.ImageSet` is one."""

    def __len__(self) -> int:
        """How many."""

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields uint8 [N, H, W, C] in order, N = `size` but for the last; C of 3 or 1."""


@dataclasses.dataclass(frozen=True)
class Nearest:
    """The k nearest images of each of N images, nearest first.

    Attributes:
      indices: integers [N, k], numbers of the neighbours.
      cosines: float32 [N, k] in [-1, 1], shown to two decimals.
    """

    indices: np.ndarray
    cosines: np.ndarray


@dataclasses.dataclass(frozen=True)
class Layer:
    """Neighbours as one layer of the extractor sees them.

    Attributes:
      likeness: the kind of likeness that it measures, in a word or two, such as 'shape'; a choice on the page.
      nearest: the neighbours.
    """

    likeness: str
    nearest: Nearest


@dataclasses.dataclass(frozen=True)
class Scale:
    """The scale by which the nearness of a sample to the training images is judged.

    Attributes:
      cosines: float32 [R], of each real image with its nearest training image.
      of: what the real images are, in the plural, such as 'the 214 hold-out images'.
      threshold: a sample whose cosine with a training image reaches it is marked as a likely copy.
    """

    cosines: np.ndarray
    of: str
    threshold: float


@dataclasses.dataclass(frozen=True)
class Generated:
    """The first tab: samples, and the training images that they are like.

    Attributes:
      pixels: uint8 [N, H, W, C].
      seeds: of each sample, all different.
      command: makes a sample again if ` --seeds=SEED` is appended.
      to_training: neighbours of each sample among the training images, from the early layer to the late one.
      from_training: neighbours of each training image among the samples, by the same layers.
      nearest_cosines: float32 [N], of each sample with its nearest training image; `scale` is of the same layer.
      scale: the same for real images.
      labels: the class of each sample by name, '' for none; () for an unconditional generator.
    """

    pixels: np.ndarray
    seeds: Sequence[int]
    command: str
    to_training: tuple[Layer, ...]
    from_training: tuple[Layer, ...]
    nearest_cosines: np.ndarray
    scale: Scale
    labels: Sequence[str] = ()


@dataclasses.dataclass(frozen=True)
class Figure:
    """A small histogram.

    Attributes:
      title: what is counted, with its unit.
      edges: of the bins, rising, one more than there are counts.
      counts: images in each bin.
    """

    title: str
    edges: Sequence[float]
    counts: Sequence[int]


@dataclasses.dataclass(frozen=True)
class Suspect:
    """An image whose label is probably wrong.

    Attributes:
      number: of the image.
      suggested: the name of the label that fits better.
      confidence: in the label that it has, in [0, 1].
    """

    number: int
    suggested: str
    confidence: float


@dataclasses.dataclass(frozen=True)
class DatasetPart:
    """The tab of the data set.

    Attributes:
      images: the pictures; number i here is number i everywhere on the page.
      entries: name and label of each.
      label_names: the names that the labels index, () if there are none.
      density: float32 [N], higher is more typical, or None; the page sorts by it.
      clusters: groups of duplicates, each of at least two images.
      nearest: neighbours of each image among the others, from the early layer to the late one; () shows none.
      notes: advice in words, shown on top.
      figures: shown below the notes.
      suspects: images whose labels are probably wrong, the least confident first.
    """

    images: Images
    entries: Sequence[Entry]
    label_names: Sequence[str] = ()
    density: np.ndarray | None = None
    clusters: Sequence[Sequence[int]] = ()
    nearest: tuple[Layer, ...] = ()
    notes: Sequence[str] = ()
    figures: Sequence[Figure] = ()
    suspects: Sequence[Suspect] = ()


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


@dataclasses.dataclass(frozen=True)
class Page:
    """A whole page; it has at least one of its tabs.

    Attributes:
      title: its heading.
      facts: (name, value) pairs below it: run, step, extractor, sizes.
      dataset: the tab of the data set; None only if there is nothing of it to show.
      generated: the tab of the samples, which needs that of the data set; None for a page of the data set alone.
      live: the tab of new pictures, or None.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    dataset: DatasetPart | None
    generated: Generated | None = None
    live: Live | None = None
