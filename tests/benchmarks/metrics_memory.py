"""Time and memory of the metrics on large sets, whose distance matrices are never in memory as a whole.

  python -m tests.benchmarks.metrics_memory
  python -m tests.benchmarks.metrics_memory --rows=60000

Each line comes from a separate process, with as many generated vectors as real ones. The peak is that of the whole
process. The part in brackets is Python with NumPy and the two sets themselves.
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time

import numpy as np

DIMENSIONS = 512
HOLDOUT_SHARE = 20


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(rows: int) -> None:
    """Computes all metrics of an evaluation once, and prints one line."""
    from trainer.metrics import copying, kid, manifold, twins

    random = np.random.default_rng(0)
    real, fake = (random.standard_normal((rows, DIMENSIONS), np.float32) for _ in range(2))
    for rows_of_one in (real, fake):
        rows_of_one /= np.linalg.norm(rows_of_one, axis=1, keepdims=True)
    before, began = peak_mib(), time.monotonic()
    kid.cosine_kid(real, fake)
    manifold.manifold(real, fake)
    twins.twin_share(fake)
    copying.copying_test(real, fake[: rows // HOLDOUT_SHARE], fake)
    seconds = time.monotonic() - began
    print(f'{rows:>7,} x {rows:,}: {seconds:6.1f} s, {peak_mib():6.0f} MiB ({before:.0f})', flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--rows', type=int, nargs='*', default=[3_000, 10_000, 30_000])
    parser.add_argument('--one', type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        measure(options.one)
        return
    for rows in options.rows:
        subprocess.run([sys.executable, '-m', 'tests.benchmarks.metrics_memory', f'--one={rows}'], check=True)


if __name__ == '__main__':
    main()
