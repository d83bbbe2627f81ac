"""Images/s and memory of --runner=direct beside --runner=local, and what they say about many more images on Dataflow.

  python -m tests.benchmarks.convert_beam --photos=DIR --large=300

Each run is a process of its own with two workers. `start` is the time until the first file is opened in a run of eight
files, which is what each run costs whatever its size; images/s are of what comes after it. A worker's memory is the
highest that /proc tells of it. Needs Apache Beam: make test-beam installs it.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple

from tests.benchmarks.convert import generate_large, generate_small

WORKERS = 2
SIDE = 64


class Measured(NamedTuple):
    """Seconds of a run, processor seconds of all its processes, and the highest memory of a worker, MiB."""

    wall: float
    processor: float
    worker_mib: float


def measure(source: pathlib.Path, runner: str, *flags: str) -> Measured:
    with tempfile.TemporaryDirectory() as output:
        command = [sys.executable, '-m', 'convert.images_to_tfrecords', f'--input_dir={source}', f'--runner={runner}']
        command += [f'--output_dir={output}/out', f'--image_size={SIDE}', f'--workers={WORKERS}', '--keep_duplicates']
        began, before = time.perf_counter(), os.times()
        process = subprocess.Popen([*command, *flags], stderr=subprocess.PIPE, text=True)
        highest = 0.0
        while process.poll() is None:
            highest = max(highest, *(peak_mib(pid) for pid in workers_of(process.pid)), 0.0)
            time.sleep(0.2)
        after = os.times()
        if process.returncode:
            raise RuntimeError(process.stderr.read() if process.stderr else '')
    spent = after.children_user + after.children_system - before.children_user - before.children_system
    return Measured(time.perf_counter() - began, spent, highest)


def workers_of(pid: int) -> list[int]:
    """The processes that a process has started."""
    try:
        found = pathlib.Path(f'/proc/{pid}/task/{pid}/children').read_text().split()
        tasks = pathlib.Path(f'/proc/{pid}/task').iterdir()
        found += [child for task in tasks for child in (task / 'children').read_text().split()]
    except OSError:
        return []
    return sorted(set(map(int, found)))


def peak_mib(pid: int) -> float:
    try:
        status = pathlib.Path(f'/proc/{pid}/status').read_text()
    except OSError:
        return 0.0
    lines = [line for line in status.splitlines() if line.startswith('VmHWM')]
    return int(lines[0].split()[1]) / 1024 if lines else 0.0


def compare(title: str, source: pathlib.Path, few: pathlib.Path) -> None:
    """Prints one line for each runner; what the run of few images costs is taken off."""
    count = sum(1 for path in source.rglob('*') if path.is_file()) - 8
    for runner in ('local', 'direct'):
        start, whole = measure(few, runner), measure(source, runner, '--shard_mib=8')
        wall, processor = whole.wall - start.wall, whole.processor - start.processor
        print(
            f'{title:24} {runner:7} start {start.wall:5.1f} s ({start.processor:.1f} s of processor)   '
            f'{count / wall:7.1f} images/s   {1000 * processor / count:6.2f} ms of processor an image   '
            f'worker {whole.worker_mib:.0f} MiB',
            flush=True,
        )


def first_files(source: pathlib.Path, folder: pathlib.Path) -> pathlib.Path:
    """A folder of eight of the files."""
    folder.mkdir()
    for path in sorted(path for path in source.rglob('*.jpg'))[:8]:
        shutil.copy(path, folder)
    return folder


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=pathlib.Path, help='a folder of small photos, and of nothing else')
    parser.add_argument('--large', type=int, default=300, help='how many JPEGs of 12 megapixels')
    parser.add_argument('--small', type=int, nargs='*', default=(1000, 10000, 30000), help='numbers of small JPEGs')
    options = parser.parse_args()
    print(f'{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {WORKERS} workers, images of {SIDE} px')
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if options.large:
            (folder / 'large').mkdir()
            generate_large(folder / 'large', options.large)
            compare('JPEGs of 12 megapixels', folder / 'large', first_files(folder / 'large', folder / 'few large'))
        if options.photos:
            compare('small photos', options.photos, first_files(options.photos, folder / 'few photos'))
        for count in options.small:
            source = folder / str(count)
            source.mkdir()
            generate_small(source, count)
            found = measure(source, 'direct', '--shard_mib=1')
            print(
                f'worker with {count:6d} images in shards of 1 MiB: {found.worker_mib:.0f} MiB, '
                f'{found.processor:.1f} s of processor',
                flush=True,
            )


if __name__ == '__main__':
    main()
