"""Images/s of the input pipeline, beside the pipeline that such projects usually have.

  ours             the trainer's input_fn, all images shuffled again each epoch, records read from the page cache
  ours, --cache    the same from memory
  classic          parse, decode and cast to float32 record by record, then batch; not shuffled
  classic.cache()  the same with its float32 images kept in memory; not shuffled either

Each runs in a separate process, which is stopped during the turns of the others, so that it cannot fill its buffers. A
turn still drops its first batches. Bytes are those of an image in memory and on its way to the device. The images are
random: their content does not matter here.

  python -m tests.benchmarks.input_pipeline --sizes 64
"""

from __future__ import annotations

import argparse
import glob
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Any

os.environ.setdefault('TF_CPP_MIN_LOG_LEVEL', '3')

import numpy as np
import tensorflow as tf

from trainer.data import records
from trainer.data.dataset import DataSource
from trainer.dcgan import input_fn
from trainer.dcgan.hparams import HParams

BATCH, SHARDS, WARM_UP = 1024, 10, 6
RECORDS = {32: 16_384, 64: 16_384, 128: 8_192}


def write_data(folder: str, size: int) -> None:
    random = np.random.default_rng(0)
    for shard in range(SHARDS):
        with tf.io.TFRecordWriter(f'{folder}/random-{shard:02d}.tfrecord') as writer:
            for i in range(shard, RECORDS[size], SHARDS):
                pixels = random.integers(0, 256, [size, size, 3], dtype=np.uint8)
                writer.write(records.encode_example(pixels, i % 10, f'image{i}.png'))


def source_in(folder: str, size: int) -> DataSource:
    return DataSource(tuple(sorted(glob.glob(f'{folder}/*'))), RECORDS[size], records.RecordFormat())


def ours(source: DataSource, size: int, cache: bool) -> tf.data.Dataset:
    hparams = HParams(image_size=size, channels=3, train_batch_size=BATCH)
    batches = input_fn.train_input_fn(source, source.records, 0, cache)
    return batches({'hparams': hparams, 'batch_size': BATCH}).map(lambda features: features['images'])


def classic(source: DataSource, size: int, cache: bool) -> tf.data.Dataset:
    def parse(serialized: tf.Tensor) -> tf.Tensor:
        features = tf.io.parse_single_example(serialized, {'image': tf.io.FixedLenFeature([], tf.string)})
        pixels = tf.reshape(tf.io.decode_raw(features['image'], tf.uint8), [size, size, 3])
        return tf.cast(pixels, tf.float32) / 127.5 - 1.0

    images = tf.data.TFRecordDataset(list(source.paths), num_parallel_reads=tf.data.AUTOTUNE)
    images = images.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    if cache:
        images = images.cache()
    return images.repeat().batch(BATCH, drop_remainder=True).prefetch(tf.data.AUTOTUNE)


CONTENDERS = {
    'ours': lambda *where: ours(*where, cache=False),
    'ours, --cache': lambda *where: ours(*where, cache=True),
    'classic': lambda *where: classic(*where, cache=False),
    'classic.cache()': lambda *where: classic(*where, cache=True),
}


def images_per_s(batches: Iterator[Any], count: int) -> float:
    for _ in range(WARM_UP):
        next(batches)
    began = time.perf_counter()
    for _ in range(count):
        next(batches)
    return count * BATCH / (time.perf_counter() - began)


def work(name: str, folder: str, size: int, batches: int) -> None:
    """Prints the bytes of an image, and then the speed of a turn for each line on standard input."""
    data = CONTENDERS[name](source_in(folder, size), size)
    print(int(data.element_spec.dtype.size * np.prod(data.element_spec.shape[1:])), flush=True)
    iterator = iter(data)
    images_per_s(iterator, -(-RECORDS[size] // BATCH))  # An epoch: fills caches and buffers.
    print('ready', flush=True)
    while sys.stdin.readline():
        print(images_per_s(iterator, batches), flush=True)


class Contender:
    """A worker process that runs only during its turn."""

    def __init__(self, name: str, folder: str, size: int, batches: int):
        command = [sys.executable, '-m', 'tests.benchmarks.input_pipeline', '--worker', name, '--folder', folder]
        command += ['--sizes', str(size), '--batches', str(batches)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self.bytes_an_image = int(self._process.stdout.readline())
        assert self._process.stdout.readline() == 'ready\n'
        self._process.send_signal(signal.SIGSTOP)

    def turn(self) -> float:
        self._process.send_signal(signal.SIGCONT)
        self._process.stdin.write('go\n')
        self._process.stdin.flush()
        speed = float(self._process.stdout.readline())
        self._process.send_signal(signal.SIGSTOP)
        return speed

    def close(self) -> None:
        self._process.kill()
        self._process.communicate()


def compare(size: int, batches: int, rounds: int) -> None:
    cores = len(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory() as folder:
        write_data(folder, size)
        contenders = {name: Contender(name, folder, size, batches) for name in CONTENDERS}
        speeds: dict = {name: [] for name in contenders}
        for _ in range(rounds):
            for name, contender in contenders.items():
                speeds[name].append(contender.turn())
        for contender in contenders.values():
            contender.close()
    for name, found in speeds.items():
        against = ', '.join(
            f'{statistics.median(mine / other for mine, other in zip(found, speeds[rival])):.2f}x {rival}'
            for rival in ('classic', 'classic.cache()')
            if name.startswith('ours')
        )
        print(
            f'{size:4d} px  {name:16s} {statistics.median(found) / cores:9,.0f} images/s per core '
            f'[{min(found) / cores:,.0f} .. {max(found) / cores:,.0f}]  {contenders[name].bytes_an_image:7,d} bytes  '
            f'{against}',
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sizes', type=int, nargs='+', choices=list(RECORDS), default=list(RECORDS))
    parser.add_argument('--batches', type=int, default=128, help='batches of 1,024 in a turn')
    parser.add_argument('--rounds', type=int, default=5, help='turns of each contender')
    parser.add_argument('--worker', choices=list(CONTENDERS), help=argparse.SUPPRESS)
    parser.add_argument('--folder', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        work(args.worker, args.folder, args.sizes[0], args.batches)
        return
    for size in args.sizes:
        compare(size, args.batches, args.rounds)


if __name__ == '__main__':
    main()
