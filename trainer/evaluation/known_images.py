"""The images of a split whose label is known, in memory, with their features."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from absl import logging

from trainer import errors
from trainer.data.image_set import ImageSet
from trainer.features import extraction
from trainer.features.extractor import Extractor


@dataclasses.dataclass(frozen=True)
class KnownImages:
    """Images with labels.

    Attributes:
      pixels: uint8 [N, H, W, C].
      labels: int64 [N], numbers of a generator's classes.
      features: raw features, float16 [N, D] for each layer of an extractor.
    """

    pixels: np.ndarray
    labels: np.ndarray
    features: Mapping[str, np.ndarray]

    def __len__(self) -> int:
        return len(self.labels)

    def part(self, numbers: np.ndarray) -> KnownImages:
        """The images with these numbers, int [M], in this order."""
        features = {layer: values[numbers] for layer, values in self.features.items()}
        return KnownImages(self.pixels[numbers], self.labels[numbers], features)

    def drawn(self, per_label: int, random: np.random.Generator) -> KnownImages:
        """`per_label` random images of each label, or all of a label that has fewer; 0 takes all images."""
        if not per_label:
            return self
        of_labels = [np.flatnonzero(self.labels == label) for label in np.unique(self.labels).tolist()]
        return self.part(np.sort(np.concatenate([random.permutation(found)[:per_label] for found in of_labels])))


def joined(parts: Sequence[KnownImages]) -> KnownImages:
    """All images of the parts, one part after the other; of at least one."""
    features = {layer: np.concatenate([part.features[layer] for part in parts]) for layer in parts[0].features}
    pixels, labels = ([getattr(part, name) for part in parts] for name in ('pixels', 'labels'))
    return KnownImages(np.concatenate(pixels), np.concatenate(labels), features)


def of_set(images: ImageSet, names: Sequence[str], extractor: Extractor) -> KnownImages:
    """The images of a split whose label is known and is one of `names`; guesses of `convert.label` are left out.

    Args:
      images: the split.
      names: of the classes, in the order of their numbers.
      extractor: of the features, which are cached in the folder of the data set.
    """
    shards, others = images.shard_classes(names, known_only=True)
    if others:
        logging.warning('images with labels that the run does not have (%s) are left out', ', '.join(others[:5]))
    classes = np.concatenate(shards)
    known = np.flatnonzero(classes >= 0)
    features = {layer: values[known] for layer, values in extraction.of_set(images, extractor).items()}
    return KnownImages(images.pixels()[known], classes[known], features)


def check(train: KnownImages, holdout: KnownImages, names: Sequence[str], place: str) -> None:
    """Checks that classifiers can be trained and tested; warns of labels of which the hold-out knows fewer than 2.

    Args:
      train, holdout: the images.
      names: of the classes.
      place: the folder of the data set, for the messages.

    Raises:
      errors.UserError: a label has no training image whose label is known, or the hold-out has no such image at all.
    """
    counts, held_out = (np.bincount(part.labels, minlength=len(names)) for part in (train, holdout))
    lacking = [name for name, count in zip(names, counts) if not count]
    if lacking:
        raise errors.UserError(
            f'{place} has no training image that is known to be {lacking[0]!r}, a label of the run: give the data that '
            'the run was trained on with --data'
        )
    if not len(holdout):
        raise errors.UserError(
            f'the hold-out of {place} has no image whose label is known, so no accuracy can be measured: convert with '
            'a larger --holdout_percent, or mark some of its images'
        )
    few = [f'{name} {count}' for name, count in zip(names, held_out.tolist()) if count < 2]
    if few:
        logging.warning('the hold-out has fewer than 2 images with a known label of: %s', ', '.join(few))
