"""Ridge regression, confidences and clusters, on points whose labels are known."""

from __future__ import annotations

import numpy as np
import pytest

from trainer.features.pixels import Pixels
from trainer.labelling import clustering, labeller, ridge


def points(count: int, labels: int, size: int = 20, noise: float = 0.3, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Vectors float32 [count, size] of length 1 around a centre for each label, and the labels."""
    random = np.random.default_rng(seed)
    given = np.arange(count) % labels
    vectors = np.eye(size)[given] + noise * random.normal(size=[count, size])
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32), given


@pytest.mark.parametrize('count', [12, 60])
def test_out_of_fold_scores_are_those_of_a_fit_without_the_vector(count):
    """By both systems of equations: fewer vectors than dimensions, and more."""
    vectors, labels = points(count, 3)
    fitted, scores = ridge.fit(vectors, labels, 3)
    for number in (0, 7):
        others = np.arange(count) != number
        targets = np.eye(3)[labels] - fitted.bias  # The means of the labels are not fitted again.
        weights = np.linalg.solve(
            vectors[others].T.astype(np.float64) @ vectors[others] + np.eye(20), vectors[others].T @ targets[others]
        )
        np.testing.assert_allclose(scores[number], vectors[number] @ weights + fitted.bias, atol=1e-6)
    np.testing.assert_array_equal(fitted.scores(vectors).argmax(axis=1), labels)
    alone = ridge.regression(vectors, labels, 3)
    np.testing.assert_allclose(alone.weights, fitted.weights, atol=1e-9)
    np.testing.assert_array_equal(alone.bias, fitted.bias)
    assert fitted.scores(vectors[:0]).shape == (0, 3)


def test_both_systems_of_equations_give_the_same():
    vectors, labels = points(30, 3)
    targets = np.eye(3)[labels]
    for one, other in zip(ridge._by_vectors(vectors, targets), ridge._by_dimensions(vectors, targets)):
        np.testing.assert_allclose(one, other, atol=1e-9)


@pytest.mark.parametrize('noise', [0.3, 0.8])
def test_confidences_tell_how_often_a_label_is_right(noise):
    """At both levels of noise: the mean confidence of what is accepted is the share of it that is right."""
    vectors, labels = points(4000, 4, noise=noise)
    known = np.arange(200)
    model = labeller.fit({'grey16': vectors}, Pixels(), known, labels[known])
    rest = slice(200, None)
    probabilities = model.probabilities({'grey16': vectors[rest]})
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    sure = labeller.surest(probabilities.max(axis=1), 0.9)
    right = (probabilities.argmax(axis=1) == labels[rest])[sure]
    assert len(right) > 100
    assert right.mean() > 0.8
    out_of_fold = (model.out_of_fold.argmax(axis=1) == labels[known]).mean()
    assert abs(out_of_fold - (probabilities.argmax(axis=1) == labels[rest]).mean()) < 0.1


def test_a_few_marks_make_nobody_sure():
    """Two marks are always told apart, which says nothing about the next image."""
    vectors, labels = points(40, 2, noise=0.01)
    for count, most in ((2, 0.88), (8, 0.96), (40, 0.99)):
        model = labeller.fit({'grey16': vectors}, Pixels(), np.arange(count), labels[:count])
        assert 0.8 < model.probabilities({'grey16': vectors}).max() < most


def test_the_surest_are_as_many_as_the_mean_allows():
    confidences = np.array([0.5, 1.0, 0.9, 0.2])
    assert labeller.surest(confidences, 0.95).tolist() == [False, True, True, False]
    assert labeller.surest(confidences, 0.79).tolist() == [True, True, True, False]
    assert labeller.surest(confidences, 0.01).all()
    assert not labeller.surest(np.array([0.5]), 0.95).any()
    assert labeller.surest(np.array([]), 0.95).shape == (0,)


def test_centres_stand_for_each_cluster():
    vectors, labels = points(200, 5, noise=0.05)
    chosen = clustering.centres(vectors, 5)
    assert sorted(labels[chosen]) == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(chosen, clustering.centres(vectors, 5))


def test_centres_of_equal_images_are_one():
    assert len(clustering.centres(np.tile(points(1, 1)[0], [6, 1]), 3)) == 1
