"""What two readings are worth together."""

from __future__ import annotations

import pytest

from convert.labelling import proposal
from convert.marks import Vote
from convert.reading import agreement
from convert.reading.agreement import Outcome, Reading, settle

DIGITS = '0123456789'
NONE = Reading('', 0.0)


@pytest.mark.parametrize(
    ('first', 'second', 'vote', 'how'),
    [
        (Reading('7', 0.9), Reading('7', 0.7), Vote('7', 0.8), agreement.AGREED),
        (Reading('7', 0.9), NONE, Vote('7', 0.54), agreement.ONE_PASS),
        (Reading('O', 0.9), Reading('0', 0.5), Vote('0', 0.3), agreement.ONE_PASS),
        (Reading('7', 0.8), Reading('1', 0.9), Vote('1', 0.27), agreement.DIFFERENT),
        (Reading('7', 0.8), Reading('1', 0.8), Vote('7', 0.24), agreement.DIFFERENT),
        (NONE, NONE, None, agreement.NOTHING),
        (Reading(' ', 0.9), Reading('l', 0.9), None, agreement.OTHER),
        (Reading('17', 0.9), NONE, None, agreement.LENGTH),
        (Reading('17', 0.9), Reading('1', 0.5), Vote('1', 0.3), agreement.ONE_PASS),
    ],
)
def test_two_readings_make_one_vote_or_none(first, second, vote, how):
    found = settle(first, second, DIGITS, 1)
    assert found.how == how
    assert (found.vote and found.vote.label) == (vote and vote.label)
    assert not vote or found.vote.confidence == pytest.approx(vote.confidence)


@pytest.mark.parametrize('length', [0, 2])
def test_texts_of_several_characters(length):
    """Engines put spaces between characters that are far apart."""
    assert settle(Reading('1 7', 0.5), Reading('17', 0.5), DIGITS, length) == Outcome(Vote('17', 0.5), agreement.AGREED)
    assert settle(Reading('a b', 1.0), NONE, 'ab ', 3).vote.label == 'a b'


def test_the_labels_count_votes_of_two_passes_and_of_one_that_is_sure():
    least = proposal._LEAST_VOTE
    assert settle(Reading('7', 0.9), NONE, DIGITS, 1).vote.confidence >= least
    assert settle(Reading('7', 0.8), NONE, DIGITS, 1).vote.confidence < least
    assert settle(Reading('7', 1.0), Reading('1', 1.0), DIGITS, 1).vote.confidence < least
