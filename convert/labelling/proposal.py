"""Which label each image gets, and why: marked, voted for, or proposed by the model where it is sure enough."""

from __future__ import annotations

import collections
import dataclasses
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from convert.marks import Vote
from trainer import errors
from trainer.data import records
from trainer.features.extractor import Extractor
from trainer.labelling import labeller

MARK, VOTES, MODEL, UNSURE = 'mark', 'votes', records.BY_MODEL, ''
_LEAST_VOTE = 0.5  # A vote of less confidence does not count.
_VOTERS = 2  # That must agree.


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Labels of N images.

    Attributes:
      names: the labels, sorted.
      guesses: int [N], the label that fits best; of a marked image the mark.
      confidences: float [N], of the guesses, 1 for marks.
      by: of each image MARK, VOTES or MODEL, or UNSURE, which gets no label.
      margins: float [N], by how much the model prefers its best label to the next.
      right: the share of the images known beforehand that the model would label rightly, each judged by all others.
    """

    names: tuple[str, ...]
    guesses: np.ndarray
    confidences: np.ndarray
    by: list[str]
    margins: np.ndarray
    right: float

    @property
    def labels(self) -> np.ndarray:
        """int [N], -1 where it is not sure enough."""
        return np.where([by != UNSURE for by in self.by], self.guesses, -1)


def known(marks: Mapping[int, Vote], votes: Sequence[Mapping[int, Vote]]) -> dict[int, Vote]:
    """Number of an image -> its mark, or else the label for which at least two votes agree."""
    return {**_elected(votes), **marks}


def check(labels: Iterable[str]) -> None:
    """Raises errors.UserError if fewer than two labels are known, which leave nothing to choose between."""
    names = sorted(labels)
    if len(names) < 2:
        raise errors.UserError(
            f'the marks and the votes on which two agree know {len(names)} labels ({", ".join(names) or "none"}): mark '
            'images of at least two'
        )


def propose(
    features: Mapping[str, np.ndarray],
    extractor: Extractor,
    known: Mapping[int, Vote],
    marks: Mapping[int, Vote],
    votes: Sequence[Mapping[int, Vote]],
    precision: float,
) -> Proposal:
    """Labels a set.

    The model learns from the marks, and from the images for which two voters agree. It is a voter itself: an image for
    which it agrees with a single vote is labelled too, and one for which a vote contradicts it is not. Of the others it
    labels as many as it can, the surest first, so that the mean of their confidences is at least `precision`.

    Args:
      features: raw features of all N images, [N, D] for each layer of the extractor.
      extractor: names the layers.
      known: number of an image -> its label, of at least two labels; from `known`.
      marks: the part of it that people have marked.
      votes: what each voter says.
      precision: in [0, 1], the share of the model's labels that should be right.
    """
    names = tuple(sorted({vote.label for vote in known.values()}))
    numbers = np.array(sorted(known))
    given = np.array([names.index(known[number].label) for number in numbers.tolist()])
    model = labeller.fit(features, extractor, numbers, given)
    probabilities = model.probabilities(features)
    best = np.sort(probabilities, axis=1)
    guesses, confidences = probabilities.argmax(axis=1), best[:, -1].copy()
    by = np.full(len(guesses), UNSURE, dtype=object)
    cast = _cast(votes)
    agreed = [number for number, labels in cast.items() if labels == {names[guesses[number]]}]
    against = {number for number, labels in cast.items() if labels - {names[guesses[number]]}}
    by[agreed] = VOTES
    guesses[numbers], confidences[numbers] = given, [known[number].confidence for number in numbers.tolist()]
    by[numbers], by[list(marks)] = VOTES, MARK
    rest = np.array([number for number in np.flatnonzero(by == UNSURE) if number not in against], int)
    by[rest[labeller.surest(confidences[rest], precision)]] = MODEL
    right = float((model.out_of_fold.argmax(axis=1) == given).mean())
    return Proposal(names, guesses, confidences, by.tolist(), best[:, -1] - best[:, -2], right)


def _elected(votes: Sequence[Mapping[int, Vote]]) -> dict[int, Vote]:
    """The images for whose label two voters agree, and more than for any other; the most confident vote of each."""
    found = {}
    for number in sorted({number for table in votes for number in table}):
        cast = [table[number] for table in votes if number in table and table[number].confidence >= _LEAST_VOTE]
        ranking = collections.Counter(vote.label for vote in cast).most_common(2)
        if ranking and ranking[0][1] >= _VOTERS and ranking[0][1] > ranking[-1][1] * (len(ranking) - 1):
            label = ranking[0][0]
            found[number] = Vote(label, max(vote.confidence for vote in cast if vote.label == label))
    return found


def _cast(votes: Sequence[Mapping[int, Vote]]) -> dict[int, set[str]]:
    """Number of an image -> the labels for which somebody voted."""
    cast = collections.defaultdict(set)
    for table in votes:
        for number, vote in table.items():
            if vote.confidence >= _LEAST_VOTE:
                cast[number].add(vote.label)
    return cast
