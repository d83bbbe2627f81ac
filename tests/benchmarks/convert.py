"""Images/s of the converter beside a plain Pillow loop, and its memory as the number of images grows.

  python -m tests.benchmarks.convert --photos=DIR --rounds=5

The loop decodes each file at full size on one thread, crops and resizes it with the same filter, and writes the same
records. The two take turns, and their medians are compared. Sources: the small photos in DIR, if given, and generated
JPEGs of 12 megapixels.
"""

from __future__ import annotations

import argparse
import os
import pathlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np
from PIL import Image

SIDE = 64
LARGE_SIZE = (4000, 3000)
DISTINCT_LARGE = 20


def generate_large(folder: pathlib.Path, count: int) -> None:
    """Writes soft shapes with grain, at the file size of a photo; hard links repeat a few, which saves time."""
    random = np.random.default_rng(0)
    grain = random.normal(0, 4, (LARGE_SIZE[1], LARGE_SIZE[0], 1)).astype(np.float32)
    for index in range(count):
        path = folder / f'{index:04d}.jpg'
        if index >= DISTINCT_LARGE:
            os.link(folder / f'{index % DISTINCT_LARGE:04d}.jpg', path)
            continue
        shapes = Image.fromarray(random.integers(0, 256, (60, 80, 3), np.uint8)).resize(LARGE_SIZE, Image.BICUBIC)
        pixels = np.clip(np.asarray(shapes) + np.roll(grain, index, axis=0), 0, 255).astype(np.uint8)
        Image.fromarray(pixels).save(path, quality=90)


def generate_small(folder: pathlib.Path, count: int) -> None:
    random = np.random.default_rng(0)
    for index in range(count):
        noise = Image.fromarray(random.integers(0, 256, (8, 8, 3), np.uint8))
        noise.resize((96, 96), Image.BICUBIC).save(folder / f'{index:05d}.jpg')


def convert_plainly(source: pathlib.Path, output: pathlib.Path) -> None:
    import tensorflow as tf

    from trainer.data import records

    with tf.io.TFRecordWriter(str(output / 'plain.tfrecord')) as writer:
        for path in sorted(source.rglob('*.*')):
            with Image.open(path) as image:
                whole = image.convert('RGB')
            short = min(whole.size)
            left, top = (whole.width - short) // 2, (whole.height - short) // 2
            box = (left, top, left + short, top + short)
            fitted = whole.resize((SIDE, SIDE), Image.Resampling.LANCZOS, box=box)
            writer.write(records.encode_example(np.asarray(fitted), -1, path.name))


def convert_ours(source: pathlib.Path, output: pathlib.Path) -> None:
    from convert.conversion import convert
    from convert.options import ConvertOptions

    # The hard links are duplicates, which must be written too.
    convert(ConvertOptions(str(source), str(output / 'ours'), SIDE, keep_duplicates=True, overwrite=True))


def compare(title: str, source: pathlib.Path, rounds: int) -> None:
    count = sum(1 for _ in source.rglob('*.*'))
    seconds: dict[str, list[float]] = {'plain': [], 'ours': []}
    with tempfile.TemporaryDirectory() as output:
        for _ in range(rounds):
            for name, contender in (('plain', convert_plainly), ('ours', convert_ours)):
                began = time.perf_counter()
                contender(source, pathlib.Path(output))
                seconds[name].append(time.perf_counter() - began)
    plain, ours = (count / statistics.median(seconds[name]) for name in ('plain', 'ours'))
    ratios = [one / other for one, other in zip(seconds['plain'], seconds['ours'])]
    print(
        f'{title:24} {count:6d} images   plain {plain:7.1f}/s   converter {ours:7.1f}/s   ratio '
        f'{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f} in {rounds} rounds)',
        flush=True,
    )


def peak_mib(source: pathlib.Path) -> float:
    """Peak memory in MiB of a process that converts the folder, including TensorFlow."""
    command = [sys.executable, '-m', 'tests.benchmarks.convert', '--measure_memory', f'--photos={source}']
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(ended.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--photos', type=pathlib.Path, help='a folder of small photos, and of nothing else')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--large', type=int, default=300, help='how many large JPEGs to convert')
    parser.add_argument('--measure_memory', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        if options.measure_memory:
            convert_ours(options.photos, folder)
            print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
            return
        print(f'{os.cpu_count()} cores, images of {SIDE} px')
        # First, because Linux counts the memory of the parent process to the child as well.
        for count in (1000, 10000):
            (folder / str(count)).mkdir()
            generate_small(folder / str(count), count)
            print(f'peak memory for {count:6d} images: {peak_mib(folder / str(count)):.0f} MiB', flush=True)
        if options.photos:
            compare('small photos', options.photos, options.rounds)
        (folder / 'large').mkdir()
        generate_large(folder / 'large', options.large)
        compare('JPEGs of 12 megapixels', folder / 'large', options.rounds)


if __name__ == '__main__':
    main()
