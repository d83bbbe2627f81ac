"""Many damaged inputs of each kind (tests/fuzz), run by hand.

    python -m tests.benchmarks.fuzz [--kinds records images ...] [--tries=1000] [--first=0]

Prints a line for each kind: how many tries came out right, and how many were refused in one line. Any other outcome is
a fault: the command names it and ends with 1. `python -m tests.fuzz --kind=KIND --first=NUMBER --tries=1` repeats it.
"""

from __future__ import annotations

import argparse
import concurrent.futures
import json
import os
import subprocess
import sys
import time

from tests.fuzz import kinds, runner

_AT_ONCE = 50  # Tries in one process.
_ROW = '{:22s} {:>8} {:>8} {:>8} {:>8} {:>7}'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kinds', nargs='+', default=list(kinds.KINDS), choices=list(kinds.KINDS))
    parser.add_argument('--tries', type=int, default=1000, help='of each kind')
    parser.add_argument('--first', type=int, default=0, help='the number of the first try')
    arguments = parser.parse_args()
    print(_ROW.format('damaged', 'tries', 'right', 'refused', 'faults', 's'))
    faults = []
    for kind in arguments.kinds:
        began, counts = time.monotonic(), {runner.RIGHT: 0, runner.REFUSED: 0}
        end = arguments.first + arguments.tries
        parts = [(first, min(_AT_ONCE, end - first)) for first in range(arguments.first, end, _AT_ONCE)]
        found = []
        with concurrent.futures.ThreadPoolExecutor(os.cpu_count()) as pool:
            for outcomes, fault in pool.map(lambda part, kind=kind: _run(kind, *part), parts):
                counts = {name: count + outcomes.get(name, 0) for name, count in counts.items()}
                found += fault
        seconds = f'{time.monotonic() - began:.0f}'
        print(_ROW.format(kind, arguments.tries, *counts.values(), len(found), seconds), flush=True)
        faults += found
    for fault in faults:
        print(fault, file=sys.stderr)
    sys.exit(bool(faults))


def _run(kind: str, first: int, tries: int) -> tuple[dict[str, int], list[str]]:
    """Makes the tries in a separate process; after a fault, another process continues."""
    faults: list[str] = []
    counts: dict[str, int] = {}
    end = first + tries
    while first < end:
        command = [sys.executable, '-m', 'tests.fuzz', f'--kind={kind}', f'--first={first}', f'--tries={end - first}']
        ended = subprocess.run(command, capture_output=True, text=True, errors='replace')
        if ended.returncode == 0:
            return {**counts, **json.loads(ended.stdout)}, faults
        last = [line for line in ended.stderr.splitlines() if line.startswith(f'{kind} ')][-1]
        faults.append(f'{last}: exit code {ended.returncode}\n{ended.stderr[-1500:]}')
        first = int(last.split()[1]) + 1
    return counts, faults


if __name__ == '__main__':
    main()
