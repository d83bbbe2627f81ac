"""The whole examination of one split of a data set."""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Sequence

import numpy as np
import tensorflow as tf
from absl import logging

from convert.auditing import colours, originals, suspects, symmetry
from convert.auditing.colours import Colours
from convert.auditing.originals import Originals
from convert.auditing.suspects import Suspects
from convert.auditing.symmetry import Symmetry
from trainer.data import manifest
from trainer.data.image_set import Entry, ImageSet
from trainer.data.manifest import Manifest
from trainer.features import extraction
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.metrics import density, duplicates

_LEAST_OF_A_LABEL = 50  # Images; with fewer it is hard to say what is typical.


@dataclasses.dataclass(frozen=True)
class Audit:
    """What was found about N images.

    Attributes:
      images: the split.
      described: the manifest of the data set, None for records without one.
      entries: name and label of each image.
      extractor: gives the features behind density, duplicates and symmetry.
      features: the raw features of each of its layers, [N, D].
      density: float32 [N]; higher is more typical.
      within_labels: whether density is among images of the same label, not among all images.
      clusters: the numbers of the images in each cluster of duplicates.
      colours: statistics of the images' colours.
      originals: sizes of the files that the images were made from, or None.
      no_originals: why `originals` is None, else ''.
      symmetry: whether the images may be mirrored.
      suspects: labels that are probably wrong, or None without labels to compare.
    """

    images: ImageSet
    described: Manifest | None
    entries: list[Entry]
    extractor: Extractor
    features: dict[str, np.ndarray]
    density: np.ndarray
    within_labels: bool
    clusters: list[list[int]]
    colours: Colours
    originals: Originals | None
    no_originals: str
    symmetry: Symmetry
    suspects: Suspects | None

    @property
    def lowest(self) -> np.ndarray:
        """The numbers of all images, the least typical first."""
        return np.argsort(self.density, kind='stable')

    @property
    def superfluous(self) -> list[int]:
        """The numbers of all duplicates except the first of each cluster."""
        return [number for cluster in self.clusters for number in cluster[1:]]

    def label_of(self, number: int) -> str:
        """The name of an image's label, its index if the names are unknown, '' if there is none."""
        return self.name_of(self.entries[number].label)

    def name_of(self, label: int) -> str:
        """The name of a label, its index if the names are unknown, '' for -1."""
        return '' if label < 0 else self.images.labels[label] if label < len(self.images.labels) else str(label)

    def label_counts(self) -> dict[str, int]:
        """Images with each label, the most frequent first."""
        counts = collections.Counter(self.label_of(number) for number in range(len(self.entries)))
        return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def examine(images: ImageSet, extractor: Extractor, within_labels: bool = False) -> Audit:
    """Examines a split of at least two images; see `_density` for `within_labels`."""
    described = None
    if tf.io.gfile.exists(os.path.join(images.folder, manifest.FILE_NAME)):
        described = manifest.read(images.folder)
    entries = images.entries()
    features = extraction.of_set(images, extractor)
    raw = features[extractor.late]
    logging.info('looking for duplicates and outliers ...')
    clusters = duplicates.find(images, Space.of(raw).embed(raw))
    scores = _density(raw, [entry.label for entry in entries] if within_labels else [])
    colour_statistics = colours.measure(images)
    logging.info('comparing with mirror images ...')
    copies = {number for cluster in clusters for number in cluster[1:]}
    single = [number for number in range(len(images)) if number not in copies]
    mirror_test = symmetry.examine(images, single, raw, extractor)
    sizes, no_originals = originals.read(described, entries)
    wrong = suspects.examine(features, extractor, [entry.label for entry in entries])
    return Audit(
        images=images,
        described=described,
        entries=entries,
        extractor=extractor,
        features=features,
        density=scores,
        within_labels=within_labels,
        clusters=clusters,
        colours=colour_statistics,
        originals=sizes,
        no_originals=no_originals,
        symmetry=mirror_test,
        suspects=wrong,
    )


def _density(raw: np.ndarray, labels: Sequence[int]) -> np.ndarray:
    """The density among all images; for labels with enough images, the density within the label; float32 [N]."""
    scores = density.local_density(raw)
    for label, count in collections.Counter(labels).items():
        if count >= _LEAST_OF_A_LABEL:
            of_label = np.flatnonzero(np.array(labels) == label)
            scores[of_label] = density.local_density(raw[of_label])
    return scores
