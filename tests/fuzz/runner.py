"""Makes tries of one kind and reports how they ended."""

from __future__ import annotations

import collections
import dataclasses
import json
import os
import pathlib
import resource
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from types import FrameType

import numpy as np

from trainer import cli, errors

Random = np.random.Generator
RIGHT, REFUSED = 'right', 'refused'
_LIMIT_S = 60  # Of one try; even the largest takes a few.
_MOST_BYTES = 2 << 30  # More than a process needs for any try.
_CODES = {kind.exit_code for kind in (errors.UserError, errors.DataError, errors.AccessDenied, errors.Transient)}


@dataclasses.dataclass(frozen=True)
class Kind:
    """One input to damage.

    Attributes:
      name: of the kind.
      prepare: writes good input into an empty folder.
      attempt: damages the input in a folder that `prepare` has filled, runs a program on it, and raises AssertionError
        if the result is wrong. It passes on the errors that a user would see.
    """

    name: str
    prepare: Callable[[pathlib.Path], None]
    attempt: Callable[[pathlib.Path, Random], None]


class Hung(BaseException):
    """A try that does not end; not an Exception, so that no program catches it as an error of its own."""


def run(kind: Kind, first: int, tries: int) -> dict[str, int]:
    """Makes the tries `first` to `first + tries - 1`, and returns how many ended how.

    Raises:
      AssertionError: a try ended in a way that is not accepted; the message names the try.
    """
    outcomes: collections.Counter[str] = collections.Counter()
    signal.signal(signal.SIGALRM, _hung)
    with tempfile.TemporaryDirectory(prefix='fuzz-') as made:
        root = pathlib.Path(made)
        (root / 'good').mkdir()
        (root / 'outside').mkdir()
        (root / 'outside' / 'thesis.txt').write_text('a year')
        kind.prepare(root / 'good')
        for number in range(first, first + tries):
            print(f'{kind.name} {number}', file=sys.stderr, flush=True)  # The last one, if C++ ends the process.
            outcomes[_try(kind, root, number)] += 1
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert peak < _MOST_BYTES, f'{kind.name}: {peak / 2**30:.1f} GiB of memory'
    return dict(outcomes)


def _try(kind: Kind, root: pathlib.Path, number: int) -> str:
    work = root / 'work'
    shutil.copytree(root / 'good', work, symlinks=True)
    before, here = _listing(root, work), os.getcwd()
    outcome, fault = RIGHT, ''
    signal.alarm(_LIMIT_S)
    try:
        kind.attempt(work, np.random.default_rng([number, *kind.name.encode()]))
    except Hung:
        fault = f'no end after {_LIMIT_S} s'
    except AssertionError:
        fault = traceback.format_exc()
    except Exception as error:
        outcome, fault = REFUSED, _fault(error)
    finally:
        signal.alarm(0)
        os.chdir(here)
    if not fault and _listing(root, work) != before:
        fault = f'a file outside the folder: {_listing(root, work) ^ before}'
    assert not fault, f'try {number} of {kind.name}: {fault}'
    shutil.rmtree(work)
    return outcome


def _fault(error: Exception) -> str:
    """What is wrong with an error as a user would see it; '' if nothing is."""
    known = cli.explain(error)
    if known is None:
        return ''.join(traceback.format_exception(type(error), error, error.__traceback__))
    line = errors.one_line(str(known))
    if known.exit_code not in _CODES:
        return f'exit code {known.exit_code} for {line}'
    if not line.isprintable() or not line or len(line) > 2000:
        return f'this is no line: {line!r}'
    return ''


def _listing(root: pathlib.Path, work: pathlib.Path) -> set[tuple[str, int, int]]:
    """The files beside the folder of the try."""
    others = (path for path in root.rglob('*') if path != work and work not in path.parents and path.is_file())
    return {(str(path.relative_to(root)), path.stat().st_size, path.stat().st_mtime_ns) for path in others}


def _hung(signum: int, frame: FrameType | None) -> None:
    raise Hung


def main(kinds: dict[str, Kind], argv: list[str]) -> None:
    """Prints the outcomes of one kind as JSON; see `tests.fuzz`."""
    given = dict(word.lstrip('-').split('=', 1) for word in argv)
    print(json.dumps(run(kinds[given['kind']], int(given.get('first', 0)), int(given.get('tries', 1)))))
