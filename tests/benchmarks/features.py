"""Images/s through a feature extractor, and peak memory as the number of images grows.

  python -m tests.benchmarks.features
  python -m tests.benchmarks.features --data=data/photos64 --rounds=5
  python -m tests.benchmarks.features --extractor=vgg16 --feature_weights=vgg16.h5 --count=500

Each figure comes from a separate process that computes the features of a data set and caches them beside it, as every
command does at its first call. The second time is that of another call, which uses the cache. Without --data the images
are random: their content does not matter here.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

import numpy as np

SHARDS = 2


def write_data(folder: pathlib.Path, count: int, size: int) -> str:
    """A data set of `count` random images; returns its folder."""
    import tensorflow as tf

    from trainer.data import manifest, records

    random = np.random.default_rng(0)
    shards = []
    for number in range(SHARDS):
        path = folder / f'train-{number:05d}-of-{SHARDS:05d}.tfrecord'
        numbers = range(number, count, SHARDS)
        with tf.io.TFRecordWriter(str(path)) as writer:
            for i in numbers:
                coarse = random.integers(0, 256, [8, 8, 3], dtype=np.uint8)
                pixels = coarse.repeat(size // 8, axis=0).repeat(size // 8, axis=1)
                writer.write(records.encode_example(pixels, -1, f'{i}.png'))
        crc32c = manifest.file_crc32c(str(path))
        shards.append(manifest.Shard(path.name, len(numbers), path.stat().st_size, crc32c))
    manifest.write(str(folder), manifest.Manifest(size, 3, records.HWC, {manifest.TRAIN: tuple(shards)}))
    return str(folder)


def work(data: str, extractor: str, weights: str, batch: int) -> None:
    """Measures in one process, and prints the result."""
    from trainer.data import image_set
    from trainer.features import extraction, registry
    from trainer.quiet import quieten_tensorflow

    quieten_tensorflow()
    made = registry.make(extractor, weights)
    made.batch = batch or made.batch
    images = image_set.open_split(data)
    extraction.of_pixels(images.pixels(1), made)  # Builds the network.
    before = peak_mib()
    seconds = []
    for _ in range(2):
        began = time.perf_counter()
        extraction.of_set(images, made)
        seconds.append(time.perf_counter() - began)
    found = dict(images=len(images), size=images.image_size, first=seconds[0], again=seconds[1])
    print(json.dumps({**found, 'peak': peak_mib(), 'before': before}), flush=True)


def peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(data: str, args: argparse.Namespace) -> dict:
    shutil.rmtree(f'{data}/features', ignore_errors=True)
    command = [sys.executable, '-m', 'tests.benchmarks.features', '--worker', data, '--extractor', args.extractor]
    command += [f'--feature_weights={args.feature_weights}', '--batch', str(args.batch)]
    ended = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, check=True)
    return json.loads(ended.stdout.splitlines()[-1])


def report(data: str, args: argparse.Namespace) -> None:
    turns = [measure(data, args) for _ in range(args.rounds)]
    first = statistics.median(turn['first'] for turn in turns)
    count, size = turns[0]['images'], turns[0]['size']
    print(
        f'{args.extractor}, {count:6,d} images of {size} px: {first:6.1f} s '
        f'[{min(turn["first"] for turn in turns):.1f} .. {max(turn["first"] for turn in turns):.1f}], '
        f'{count / first:5,.0f} images/s; again {statistics.median(turn["again"] for turn in turns) * 1000:.1f} ms; '
        f'peak {statistics.median(turn["peak"] for turn in turns):,.0f} MiB, '
        f'of which {statistics.median(turn["before"] for turn in turns):,.0f} before the first image',
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', default='', help='a data-set folder; its features are computed again')
    parser.add_argument('--count', type=int, default=3781, help='generated images; measured for four times as many too')
    parser.add_argument('--size', type=int, default=64, help='px')
    parser.add_argument('--extractor', default='squeezenet')
    parser.add_argument('--feature_weights', default='')
    parser.add_argument('--batch', type=int, default=0, help="images at once; 0 is the extractor's own choice")
    parser.add_argument('--rounds', type=int, default=3)
    parser.add_argument('--worker', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.extractor, args.feature_weights, args.batch)
        return
    if args.data:
        report(args.data, args)
        return
    for count in (args.count, 4 * args.count):
        with tempfile.TemporaryDirectory() as folder:
            report(write_data(pathlib.Path(folder), count, args.size), args)


if __name__ == '__main__':
    os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')
    main()
