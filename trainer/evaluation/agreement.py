"""Which pictures of a class to keep: those that a labeller of real images calls so, and that are no near copies."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from absl import logging

from trainer import errors
from trainer.data.image_set import ImageSet
from trainer.features import extraction
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.generator.sampler import Generator
from trainer.labelling import labeller
from trainer.labelling.labeller import Labeller
from trainer.metrics import neighbours
from trainer.page import comparison

KEPT, OTHER, UNSURE, COPY = 'kept', 'other label', 'unsure', 'near copy'
_AT_ONCE = 256
_MOST_TRIES = 20  # Pictures to make for each one to keep; a class that needs more is not learned.


@dataclasses.dataclass(frozen=True)
class Judge:
    """Judges pictures by the real images that a generator was trained on.

    Attributes:
      extractor: of the features.
      labeller: fitted to the labels of the training images; its labels are the generator's classes.
      confidence: from which on it is right about as many real images as was asked for; each was judged by all others.
      training: vectors of the training images, float32 [N, D], in `space`.
      space: of the late features.
      threshold: the cosine with a training image from which on a picture is a near copy, as `trainer.explore` marks it.
    """

    extractor: Extractor
    labeller: Labeller
    confidence: float
    training: np.ndarray
    space: Space
    threshold: float

    def verdicts(self, pixels: np.ndarray, label: int) -> list[str]:
        """What to do with pictures of a class, uint8 [N, H, W, C]: KEPT, or why not."""
        return self.verdicts_of(extraction.of_pixels(pixels, self.extractor), label)

    def verdicts_of(self, features: Mapping[str, np.ndarray], label: int) -> list[str]:
        """The same by the raw features of the pictures, [N, D] for each layer."""
        probabilities = self.labeller.probabilities(features)
        right = probabilities.argmax(axis=1) == label
        sure = probabilities.max(axis=1) >= self.confidence
        embedded = self.space.embed(features[self.extractor.late])
        _, distances = neighbours.nearest(embedded, self.training, 1)
        copied = 1 - distances[:, 0] ** 2 / 2 >= self.threshold
        return [
            OTHER if not of_class else UNSURE if not is_sure else COPY if is_copy else KEPT
            for of_class, is_sure, is_copy in zip(right, sure, copied)
        ]


def judge(train: ImageSet, holdout: ImageSet | None, names: Sequence[str], extractor: Extractor, share: float) -> Judge:
    """Makes a judge from the data of a generator.

    Labels that `convert.label` has guessed do not count: they come from a labeller of the same kind.

    Args:
      train, holdout: the data.
      names: of the generator's classes.
      extractor: of the features.
      share: how many of the labels that it gives to real images should be right, in (0, 1].

    Raises:
      errors.UserError: a class has no labelled image, or no confidence is right so often.
    """
    given = np.concatenate(train.shard_classes(names, known_only=True)[0])
    lacking = [name for number, name in enumerate(names) if not (given == number).any()]
    if lacking:
        raise errors.UserError(
            f'--agree needs real images of each label to judge by, and {train.folder} has none of {lacking[0]!r}: give '
            'the data that the run was trained on with --data'
        )
    known = np.flatnonzero(given >= 0)
    labels = given[known]
    features = extraction.of_set(train, extractor)
    fitted = labeller.fit(features, extractor, known, labels)
    space = Space.of(features[extractor.late])
    training = space.embed(features[extractor.late])
    of_holdout = space.embed(extraction.of_set(holdout, extractor)[extractor.late]) if holdout else None
    return Judge(
        extractor, fitted, _confidence(fitted.doubted(fitted.out_of_fold), labels, share), training, space,
        comparison.scale(training, of_holdout).threshold,
    )  # fmt: skip


def _confidence(probabilities: np.ndarray, labels: np.ndarray, share: float) -> float:
    """The lowest confidence from which on so large a share of the labels is right."""
    confidences, right = probabilities.max(axis=1), probabilities.argmax(axis=1) == labels
    order = np.argsort(-confidences, kind='stable')
    shares = np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    enough = np.flatnonzero(shares >= share)
    if not len(enough):
        raise errors.UserError(
            f'--agree={share:.0%}: no confidence is right so often about the real images, whose labels are told with '
            f'{right.mean():.0%} accuracy: give a lower share, or more labelled images'
        )
    return float(confidences[order[enough[-1]]])


@dataclasses.dataclass
class Selection:
    """The pictures of a class that were kept.

    Attributes:
      label: the class.
      seeds: of the kept pictures.
      counts: how many pictures got each verdict.
    """

    label: int
    seeds: list[int] = dataclasses.field(default_factory=list)
    counts: dict[str, int] = dataclasses.field(default_factory=lambda: dict.fromkeys((KEPT, OTHER, UNSURE, COPY), 0))

    @property
    def made(self) -> int:
        """How many pictures were made."""
        return sum(self.counts.values())

    @property
    def share(self) -> float:
        """The share of the pictures that was kept."""
        return self.counts[KEPT] / max(self.made, 1)


def selected(
    generator: Generator, judge: Judge | None, selection: Selection, seeds: Sequence[int] | None, count: int
) -> Iterator[tuple[int, np.ndarray]]:
    """Yields seed and picture, uint8 [H, W, C], of those that are kept, and counts the others in `selection`.

    Args:
      generator: with classes.
      judge: keeps all if None.
      selection: says of which class, and gets the counts.
      seeds: to choose from; None tries 0, 1, 2 ... until `count` pictures are kept.
      count: how many to keep, if there are no seeds.
    """
    tries = iter(seeds) if seeds is not None else iter(range(count * (_MOST_TRIES if judge else 1)))
    wanted = len(seeds) if seeds is not None else count
    while len(selection.seeds) < wanted and (some := list(itertools.islice(tries, _AT_ONCE))):
        labels = np.full(len(some), selection.label)
        pictures = generator.images(generator.latents(some, labels))
        verdicts = judge.verdicts(pictures, selection.label) if judge else [KEPT] * len(some)
        yield from _taken(zip(some, pictures, verdicts), selection, wanted)
    if seeds is None and len(selection.seeds) < count:
        assert generator.classes
        logging.warning(
            '%s: only %d of %d pictures were kept of %d: the generator has not learned this label, or --agree is too '
            'high', generator.classes.names[selection.label], len(selection.seeds), count, selection.made,
        )  # fmt: skip


def _taken(
    judged: Iterable[tuple[int, np.ndarray, str]], selection: Selection, wanted: int
) -> Iterator[tuple[int, np.ndarray]]:
    for seed, picture, verdict in judged:
        if len(selection.seeds) == wanted:
            return
        selection.counts[verdict] += 1
        if verdict == KEPT:
            selection.seeds.append(seed)
            yield seed, picture
