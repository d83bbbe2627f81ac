"""What two readings of a picture are worth together."""

from __future__ import annotations

from typing import NamedTuple

from convert.marks import Vote

# How a picture was answered.
AGREED, ONE_PASS, DIFFERENT = 'agreed', 'read in one pass', 'read differently'
# Why it was not.
NOTHING, OTHER, LENGTH = 'without text', 'with other characters', 'of another length'
ANSWERS = (AGREED, ONE_PASS, DIFFERENT)
# Factors of the engine's own confidence. convert.label counts votes from a half on: two passes that differ never
# count there, and one pass alone does if the engine is sure of it.
_ONE_PASS, _DIFFERENT = 0.6, 0.3


class Reading(NamedTuple):
    """The text that an engine sees, '' for none, and how sure it is, 0 to 1."""

    text: str
    confidence: float


class Outcome(NamedTuple):
    """What a picture gives: a vote and how it came about, or no vote and why."""

    vote: Vote | None
    how: str


def settle(first: Reading, second: Reading, alphabet: str, length: int) -> Outcome:
    """Makes one vote of the readings of two passes, or none.

    Only a reading of characters of the alphabet counts. If both passes give the same text, their mean confidence is
    that of the vote. If only one gives text, the vote has 0.6 of its confidence; if they differ, the more confident one
    is taken, with 0.3 of its confidence.

    Args:
      first: of the picture as it is; it wins if both are equally confident.
      second: of the picture in black on white.
      alphabet: the characters that count.
      length: how many characters a reading must have; 0 for any number.
    """
    readings = [Reading(_without_spaces(one.text, alphabet), one.confidence) for one in (first, second)]
    problems = [_problem(one.text, alphabet, length) for one in readings]
    usable = [one for one, problem in zip(readings, problems) if not problem]
    if not usable:
        return Outcome(None, next((one for one in problems if one != NOTHING), NOTHING))
    best = max(usable, key=lambda one: one.confidence)
    if len(usable) == 1:
        return Outcome(Vote(best.text, best.confidence * _ONE_PASS), ONE_PASS)
    if usable[0].text != usable[1].text:
        return Outcome(Vote(best.text, best.confidence * _DIFFERENT), DIFFERENT)
    return Outcome(Vote(best.text, (usable[0].confidence + usable[1].confidence) / 2), AGREED)


def _without_spaces(text: str, alphabet: str) -> str:
    return text if ' ' in alphabet else ''.join(text.split())


def _problem(text: str, alphabet: str, length: int) -> str:
    """Why a reading does not count; '' if it does."""
    if not text.strip():
        return NOTHING
    if not set(text) <= set(alphabet):
        return OTHER
    return LENGTH if length and len(text) != length else ''
