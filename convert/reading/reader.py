"""Reads all pictures, each in two passes, and counts what they give."""

from __future__ import annotations

import collections
import dataclasses
import os
import threading

from absl import logging

from convert import options, parallel, progress, rejection
from convert.marks import Vote
from convert.pictures import decode
from convert.reading import agreement, passes
from convert.reading.agreement import Outcome
from convert.reading.engines import Engine
from convert.reading.inputs import Picture, Pictures
from trainer import errors

_MOST_NAMED = 20
_MOST_LABELS = 40


@dataclasses.dataclass(frozen=True)
class Found:
    """What the pictures gave.

    Attributes:
      votes: name and vote of each picture that was answered, in order.
      hows: how many were answered, and how many were not, by the words of `agreement`.
      rejected: how many gave no image, by reason.
    """

    votes: list[tuple[str, Vote]] = dataclasses.field(default_factory=list)
    hows: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)
    rejected: collections.Counter[str] = dataclasses.field(default_factory=collections.Counter)


def read(pictures: Pictures, engine: Engine, alphabet: str, length: int) -> Found:
    """Reads each picture twice, several at a time; what a picture gives depends on it alone.

    Raises:
      errors.UserError: Cloud Storage or the data set fails; a bad picture is only counted.
    """
    found = Found()
    reading = threading.Semaphore(os.cpu_count() or 1)  # Downloads have more threads.

    def outcome(picture: Picture) -> tuple[str, Outcome | rejection.Rejected]:
        try:
            pixels = picture.load()
            if passes.is_blank(pixels):
                return picture.name, Outcome(None, agreement.NOTHING)
            with reading:
                first, second = engine.read(passes.as_it_is(pixels)), engine.read(passes.black_on_white(pixels))
        except rejection.Rejected as rejected:
            # A new exception, because the traceback of the old one keeps the image in memory.
            return picture.name, rejection.Rejected(rejected.reason, rejected.detail)
        return picture.name, agreement.settle(first, second, alphabet, length)

    limit = float(options.ConvertOptions.max_megapixels)
    with decode.prepared_pillow(limit), progress.Progress('reading', pictures.count) as bar:
        for name, one in parallel.map_in_order(outcome, pictures.each, pictures.threads):
            if isinstance(one, rejection.Rejected):
                _reject(found, name, one)
            else:
                found.hows[one.how] += 1
                if one.vote:
                    found.votes.append((name, one.vote))
            bar.advance()
    return found


def _reject(found: Found, name: str, rejected: rejection.Rejected) -> None:
    found.rejected[rejected.reason] += 1
    if sum(found.rejected.values()) <= _MOST_NAMED:
        detail = f' ({rejected.detail})' if rejected.detail else ''
        logging.warning('left out: %s, %s', errors.spelled_out(name), errors.one_line(f'{rejected.reason}{detail}'))


def summary(found: Found) -> str:
    """One line: how many were read, answered and agreed on, why others were not, and the votes for each label."""
    read_, answered, out = sum(found.hows.values()), len(found.votes), sum(found.rejected.values())
    others = {how: count for how, count in found.hows.items() if how not in agreement.ANSWERS}
    hows = ', '.join(f'{found.hows[how]:,} {how}' for how in agreement.ANSWERS if found.hows[how])
    parts = [f'{read_:,} images read', f'{answered:,} answered' + (f' ({hows})' if hows else '')]
    if others:
        parts.append(f'{read_ - answered:,} not ({rejection.summary(others)})')
    if out:
        parts.append(f'{out:,} left out ({rejection.summary(found.rejected)})')
    labels = collections.Counter(vote.label for _, vote in found.votes)
    of_each = [f'{errors.spelled_out(label)}: {labels[label]:,}' for label in sorted(labels)[:_MOST_LABELS]]
    if len(labels) > _MOST_LABELS:
        of_each.append(f'{len(labels) - _MOST_LABELS:,} more labels')
    return '; '.join(parts + ([', '.join(of_each)] if of_each else []))
