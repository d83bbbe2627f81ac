"""A conditional generator, measured label by label."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tests.conftest import write_dataset
from trainer import evaluate
from trainer.data import image_set
from trainer.dcgan.conditioning import Classes
from trainer.evaluation import by_label
from trainer.evaluation.by_label import OfLabel
from trainer.evaluation.measurement import Settings, Vectors

NAMES = ('a', 'b', 'c', 'd')


def directions(count: int, seed: int) -> np.ndarray:
    vectors = np.random.default_rng(seed).normal(size=(count, 32)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_each_label_is_compared_with_its_own_images_alone(tmp_path):
    """a is made as it is, b with the images of a, c with one picture again and again, and d never."""
    train = image_set.open_split(write_dataset(tmp_path / 'data', train=240, holdout=0, labels=NAMES))
    assert train
    given = np.concatenate(train.shard_labels())
    centres = 1.2 * directions(4, seed=1)
    real = directions(240, seed=2) + centres[given]
    made = directions(180, seed=3) + centres[np.repeat([0, 0, 2], 60)]
    made[120:] = made[120]
    vectors = Vectors(*(rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, made)), None)
    classes = Classes(('d', *NAMES[:3]), (60,) * 4)  # Numbered otherwise than in the data.
    found = by_label.measure(vectors, np.repeat([1, 2, 3], 60), train, classes, Settings())
    assert [(one.label, one.training, one.generated) for one in found] == [
        ('d', 60, 0), ('a', 60, 60), ('b', 60, 60), ('c', 60, 60),
    ]  # fmt: skip
    unmade, right, wrong, alike = found
    assert (unmade.kid, unmade.coverage, unmade.twins) == (None, None, None)
    assert right.kid == pytest.approx(0, abs=0.1)
    assert right.coverage > 0.8 > 0.1 > wrong.coverage
    assert wrong.kid > 1 > right.kid
    assert (alike.twins, alike.twins_real) == (1.0, 0.0)
    lines = by_label.table(found)
    assert lines[3].split() == ['d', '60', '0', '-', '-', '-', '-']
    assert [line for line in lines if 'has collapsed' in line] == [
        '  c has collapsed: 100% of its pictures have a near-duplicate, and 0% of its training images'
    ]


def test_the_report_has_a_table_of_labels():
    facts = {
        'model_dir': 'x', 'checkpoint': 'last', 'step': 1, 'data': 'y', 'extractor': {'title': 't', 'layer': 'l'},
        'images': {'holdout': 30}, 'labels': json.loads(json.dumps([OfLabel('hat', 9, 8).__dict__])),
    }  # fmt: skip
    measures = [evaluate.Measure('copying_z', 0.0, 0.0, 'c', 'r')]
    assert '  hat             9         8' in evaluate._report(facts, measures)
