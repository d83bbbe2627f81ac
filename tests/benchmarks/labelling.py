"""How well a few marks label the rest of a set, find wrong labels, and tell good images from bad ones.

  python -m tests.benchmarks.labelling --data=FOLDER [FOLDER ...]

Each folder is a data set whose labels are right: the truth that marks are drawn from. Every number is a mean over
--seeds draws. The model sees the cached features of SqueezeNet.
"""

from __future__ import annotations

import argparse
from unittest import mock

import numpy as np

from trainer.data import image_set
from trainer.features import extraction, registry
from trainer.labelling import labeller, ridge

MARKS = (5, 20, 50)
STRENGTHS = (0.1, 0.3, 1.0, 3.0, 10.0)
PRECISION = 0.95
WRONG = 0.1


class Labelled:
    """The features and the true labels of a set."""

    def __init__(self, folder: str):
        images = image_set.open_split(folder)
        assert images
        self.extractor = registry.make(registry.DEFAULT)
        self.features = extraction.of_set(images, self.extractor)
        self.labels = np.array([entry.label for entry in images.entries()])
        self.name = folder.rstrip('/').rpartition('/')[2]

    def fit(self, known: np.ndarray, labels: np.ndarray) -> labeller.Labeller:
        return labeller.fit(self.features, self.extractor, known, labels)


def proposed(found: Labelled, marks: int, seed: int) -> tuple[float, float, float]:
    """Accuracy on the rest, and precision and coverage of what is sure enough for PRECISION."""
    random = np.random.default_rng(seed)
    of_each = [np.flatnonzero(found.labels == label) for label in np.unique(found.labels)]
    known = np.concatenate([random.choice(members, min(marks, len(members) - 1), False) for members in of_each])
    rest = np.setdiff1d(np.arange(len(found.labels)), known)
    probabilities = found.fit(known, found.labels[known]).probabilities(found.features)[rest]
    right = probabilities.argmax(axis=1) == found.labels[rest]
    sure = labeller.surest(probabilities.max(axis=1), PRECISION)
    return right.mean(), right[sure].mean() if sure.any() else 1.0, sure.mean()


def suspects(found: Labelled, seed: int) -> float:
    """With wrong labels planted, the share of them among as many images of the lowest self-confidence."""
    random = np.random.default_rng(seed)
    given, count = found.labels.copy(), found.labels.max() + 1
    planted = random.choice(len(given), round(WRONG * len(given)), replace=False)
    given[planted] = (given[planted] + random.integers(1, count, len(planted))) % count
    model = found.fit(np.arange(len(given)), given)
    own = model.out_of_fold[np.arange(len(given)), given]
    return np.isin(np.argsort(own)[: len(planted)], planted).mean()


def unwanted(found: Labelled, marks: int, seed: int) -> float:
    """AUC of telling one label, as unwanted, from all others; mean over the labels."""
    random = np.random.default_rng(seed)
    areas = []
    for label in np.unique(found.labels):
        bad = found.labels == label
        known = np.concatenate([random.choice(np.flatnonzero(kind), marks, False) for kind in (bad, ~bad)])
        scores = found.fit(known, bad[known].astype(int)).probabilities(found.features)[:, 1]
        left = np.setdiff1d(np.arange(len(bad)), known)
        ranks = np.argsort(np.argsort(scores[left])) + 1
        positive = bad[left].sum()
        areas.append((ranks[bad[left]].sum() - positive * (positive + 1) / 2) / (positive * (len(left) - positive)))
    return float(np.mean(areas))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', nargs='+', required=True)
    parser.add_argument('--seeds', type=int, default=5)
    arguments = parser.parse_args()
    for folder in arguments.data:
        found, seeds = Labelled(folder), range(arguments.seeds)
        print(f'{found.name}: {len(found.labels):,} images, {len(np.unique(found.labels))} labels')
        for marks in MARKS:
            accuracy, precision, coverage = np.mean([proposed(found, marks, seed) for seed in seeds], axis=0)
            print(
                f'  {marks} marks a label: accuracy {accuracy:.3f}; at 95 %: precision {precision:.3f}, coverage '
                f'{coverage:.3f}'
            )
        print(f'  10 % wrong labels: precision {np.mean([suspects(found, seed) for seed in seeds]):.3f}')
        print(
            f'  20 marks of unwanted images, 20 of others: AUC {np.mean([unwanted(found, 20, s) for s in seeds]):.3f}'
        )
        for strength in STRENGTHS:
            with mock.patch.object(ridge, '_STRENGTH', strength):
                accuracy, precision, coverage = np.mean([proposed(found, 20, seed) for seed in seeds], axis=0)
            print(
                f'  strength {strength:g}: accuracy {accuracy:.3f}, precision {precision:.3f}, coverage {coverage:.3f}'
            )


if __name__ == '__main__':
    main()
