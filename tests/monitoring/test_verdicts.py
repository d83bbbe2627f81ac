"""Histories like those of real runs: python -m tests.benchmarks.verdicts makes more."""

from __future__ import annotations

import pytest

from trainer.monitoring import verdicts
from trainer.monitoring.history import Point


def grids(twins: list[float], sign: float = 0.9, **values) -> list[Point]:
    return [
        Point(150 * i, twins=share, twins_real=0.02, d_real_sign=sign, **(values if i % 2 == 0 else {}))
        for i, share in enumerate(twins)
    ]


YOUNG = [1.0, 1.0, 0.44, 0.0, 0.27, 0.41, 0.17]  # Of a run that turned out well.


def test_a_young_generator_is_not_taken_for_a_collapsed_one():
    words = [verdicts.judge(grids(YOUNG[:end])).word for end in range(1, len(YOUNG) + 1)]
    assert words == [verdicts.HEALTHY, verdicts.SLOW, *[verdicts.SLOW], *[verdicts.HEALTHY] * 4]


def test_grids_of_twins_are_a_slow_start_before_they_are_a_collapse():
    """Hands at 64 px with the joint update, a grid every 16,000 images; KID 5.83 and 6.03 at the last two."""
    twins = [1.0, 1.0, 1.0, 1.0, 1.0]
    found = [verdicts.judge(grids(twins[:end])) for end in range(2, 6)]
    assert [verdict.word for verdict in found] == [*[verdicts.SLOW] * 3, verdicts.COLLAPSING]
    assert '100% of the samples have a near-duplicate, against 2% of real images, after 3 of the 4' in found[2].reason
    last = [*grids(twins)[:4], Point(600, twins=1.0, twins_real=0.02, kid=6.03)]
    last[3] = Point(450, twins=1.0, twins_real=0.02, kid=5.83)
    assert verdicts.judge(last).word == verdicts.COLLAPSING


def test_twins_are_a_slow_start_for_as_long_as_kid_falls():
    """The published recipe at 128 px: nearly all twins after 192,000 images, a sixth after 448,000."""
    points = [Point(i, twins=1.0, twins_real=0.0, kid=kid) for i, kid in enumerate([6.5, 5.9, 5.2, 4.6, 4.0])]
    verdict = verdicts.judge(points)
    assert (verdict.word, 'while KID falls, from 4.60 to 4.00' in verdict.reason) == (verdicts.SLOW, True)
    assert verdicts.judge([*points, Point(5, twins=1.0, twins_real=0.0, kid=3.9)]).word == verdicts.COLLAPSING


@pytest.mark.parametrize(
    ('points', 'word', 'reason'),
    [
        (
            grids([*YOUNG, 0.9, 0.95, 1.0]),
            verdicts.COLLAPSING,
            '92% of the samples have a near-duplicate, against 2% of real images',
        ),
        (grids(YOUNG, d_gap=0.9, d_holdout=0.1), verdicts.OVERFITS, 'differ from training images 90% as much'),
        (grids(YOUNG, d_gap=0.1, d_holdout=0.1), verdicts.HEALTHY, '17% twins'),
        (grids(YOUNG, 0.99), verdicts.HEALTHY, ''),
        (grids(YOUNG, 0.99, d_train=2.0), verdicts.OVERFITS, 'mean sign of D(real) 0.99'),
        (grids(YOUNG, 0.99, d_gap=0.1, d_train=2.0, d_holdout=0.1), verdicts.HEALTHY, ''),
        (grids(YOUNG, close=0.6, d_gap=0.9), verdicts.COPYING, '60% of the samples are as near'),
        (grids(YOUNG, close=0.06), verdicts.HEALTHY, ''),
        (grids(YOUNG, label_twins=0.9), verdicts.COLLAPSING, 'of one label, 90% more pictures have a near-duplicate'),
        (grids(YOUNG, label_twins=0.3), verdicts.HEALTHY, ''),
    ],
)
def test_the_verdict_and_the_number_that_says_so(points, word, reason):
    verdict = verdicts.judge(points)
    assert verdict.word == word
    assert reason in verdict.reason
    remedy = {verdicts.COLLAPSING: '--train_batch_size', verdicts.HEALTHY: ''}.get(word, '--augment=auto')
    assert remedy in verdict.reason


def test_it_diverges_when_the_pictures_stay_worse_than_they_were():
    kids = [5.0, 2.5, 3.4, 2.1]
    assert verdicts.judge([Point(i, kid=kid) for i, kid in enumerate(kids)]).word == verdicts.HEALTHY
    once = [Point(i, kid=kid) for i, kid in enumerate([*kids, 6.0])]
    assert verdicts.judge(once).word == verdicts.HEALTHY
    verdict = verdicts.judge([*once, Point(6, kid=5.0)])
    assert (verdict.word, 'KID 5.00, up from a best of 2.10' in verdict.reason) == (verdicts.DIVERGED, True)


def test_it_diverges_when_the_pictures_never_come_near():
    kids = [6.0, 5.98, 5.95, 6.0]
    assert verdicts.judge([Point(i, kid=kid) for i, kid in enumerate(kids[:3])]).word == verdicts.HEALTHY
    verdict = verdicts.judge([Point(i, kid=kid) for i, kid in enumerate(kids)])
    assert (verdict.word, 'KID 5.95 after 4 evaluations' in verdict.reason) == (verdicts.DIVERGED, True)


def test_nothing_measured_is_nothing_bad():
    assert verdicts.judge([Point(0)]) == verdicts.Verdict(verdicts.HEALTHY, 'nothing measured yet')
