"""What a page shows; `builder.write_page` turns it into files."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np

from trainer.data.image_set import Entry
from trainer.page.live_content import Live


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
class Vectors:
    """What a page is compared by, so that a part of the training images can be compared anew.

    Attributes:
      likeness: as of a `Layer`.
      images, samples: float32 [N, D] and [M, D], of length 1.
    """

    likeness: str
    images: np.ndarray
    samples: np.ndarray


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
      images: the pictures; index i here is index i everywhere on the page.
      entries: name and label of each.
      label_names: the names that the labels index, () if there are none.
      density: float32 [N], higher is more typical, or None; the page sorts by it.
      clusters: groups of duplicates, each of at least two images.
      nearest: neighbours of each image among the others, from the early layer to the late one; () shows none.
      notes: advice in words, shown on top.
      figures: shown below the notes.
      suspects: images whose labels are probably wrong, the least confident first.
      numbers: of these images in the whole data set, rising; () if these are all of it.
      total: images of the whole data set; 0 if these are all of it.
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
    numbers: Sequence[int] = ()
    total: int = 0


@dataclasses.dataclass(frozen=True)
class Page:
    """A whole page; it has at least one of its tabs.

    Attributes:
      title: its heading.
      facts: (name, value) pairs below it: run, step, extractor, sizes.
      dataset: the tab of the data set; None only if there is nothing of it to show.
      generated: the tab of the samples, which needs that of the data set; None for a page of the data set alone.
      live: the tab of new pictures, or None.
      vectors: from the early layer to the late one. Where a page has them, its neighbours and its finder are made from
        them for the training images that are on it, whichever these are; () leaves neighbours and finder as they are.
      neighbours: of each picture, where they are made from the vectors.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    dataset: DatasetPart | None
    generated: Generated | None = None
    live: Live | None = None
    vectors: tuple[Vectors, ...] = ()
    neighbours: int = 24
