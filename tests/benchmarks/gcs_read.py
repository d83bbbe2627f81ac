"""Seconds, memory and requests for reading a data set from gs://, with several sizes of TensorFlow's read buffer.

  python -m tests.benchmarks.gcs_read --shards=32 --shard_mib=2 --blocks 64 8

The converter's own code writes 64 px images to the Cloud Storage emulator. For each turn, a separate process then reads
them once through the trainer's input pipeline. Contenders take turns. 'TensorFlow' uses TensorFlow's own settings for
gs:// (a buffer of 64 MiB for each open file). The others use the trainer's settings, except for the buffer. Memory is
the peak above the memory that the process had before the pipeline read. The server counts requests and their bytes.

What the figures mean: memory and requests are as in the cloud, because the same client asks for the same ranges.
Seconds are not: the emulator shares the processor with its client, has unlimited bandwidth, and answers at once, which
flatters small buffers. So each buffer is also measured with a wait before each answer; 30 ms is about the time to the
first byte from a bucket in the same region.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator

from tests.benchmarks.convert_gcs import SlowRelay
from tests.fakes.cloud.gcs import KNOBS, GcsServer

DATA = 'gs://benchmark/data'
SIZE, BATCH = 64, 64
_BLOCK = 'GCS_READ_CACHE_BLOCK_SIZE_MB'
_TENSORFLOW = {  # TensorFlow's defaults; the trainer sets only variables that are unset.
    _BLOCK: '64',
    'GCS_STAT_CACHE_MAX_AGE': '5',
    'GCS_RETRY_CONFIG_MAX_RETRIES': '10',
    'GCS_REQUEST_IDLE_TIMEOUT_SECS': '60',
    'GCS_METADATA_REQUEST_TIMEOUT_SECS': '3600',
    'GCS_READ_REQUEST_TIMEOUT_SECS': '3600',
}


@dataclasses.dataclass(frozen=True)
class Turn:
    """One epoch, as one process read it."""

    seconds: float
    peak_mib: float
    requests: int
    mib: float


def client_environment(server: GcsServer) -> dict[str, str]:
    """The environment of the tests, without their short timeouts."""
    return {name: value for name, value in server.environment().items() if name not in KNOBS}


def publish(path: str, size: int, count: int, shards: int, pixels: Callable[[int], bytes]) -> None:
    """Writes a data set of `count` images to gs://, as the converter does."""
    import numpy as np

    from convert.output import writer
    from convert.output.remote_staging import RemoteStaging
    from trainer.data import manifest, records

    def encode(number: int) -> bytes:
        image = np.frombuffer(pixels(number), np.uint8).reshape(size, size, 3)
        return records.encode_example(image, -1, f'image{number}.png')

    with RemoteStaging(path, overwrite=False) as stage:
        written = writer.write_shards(stage.folder, manifest.TRAIN, range(count), shards, encode)
        stage.publish(manifest.Manifest(size, 3, records.HWC, {manifest.TRAIN: written}))


def memory_mib(field: str) -> float:
    """VmRSS or VmHWM of this process; unlike ru_maxrss, it does not include the parent process."""
    with open('/proc/self/status') as status:
        (line,) = (line for line in status if line.startswith(f'{field}:'))
    return int(line.split()[1]) / 1024


def read_once(folder: str) -> None:
    """Reads all images of the data set in this process, and prints the time and the memory."""
    from trainer.data import dataset, manifest, records
    from trainer.dcgan import input_fn
    from trainer.dcgan.hparams import HParams

    # Without the checks of the shards: they read too, and leave memory that would not be counted.
    shards = dataset.find(folder, manifest.TRAIN)
    count = sum(shard.expected.records for shard in shards if shard.expected)
    source = dataset.DataSource(tuple(shard.path for shard in shards), count, records.RecordFormat())
    # The evaluation pipeline ends; the training pipeline reads in the same way, but for ever.
    batches = input_fn.eval_input_fn(source)({'hparams': HParams(image_size=SIZE, channels=3), 'batch_size': BATCH})
    print('ready', flush=True)
    sys.stdin.readline()
    before, began = memory_mib('VmRSS'), time.perf_counter()
    with open('/proc/self/clear_refs', 'w') as reset_peak:
        reset_peak.write('5')
    images = sum(len(batch['images']) for batch in batches)
    seconds = time.perf_counter() - began
    assert images == source.records // BATCH * BATCH
    print(json.dumps({'seconds': seconds, 'peak_mib': memory_mib('VmHWM') - before}), flush=True)


def take_turn(server: GcsServer, environment: dict[str, str]) -> Turn:
    command = [sys.executable, '-m', 'tests.benchmarks.gcs_read', f'--read={DATA}']
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env={**os.environ, **environment}, stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin and process.stdout and process.stdout.readline() == 'ready\n'
        server.clear_requests()
        found = json.loads(process.communicate('go\n')[0])
    reads = [request for request in server.requests if request.method == 'GET' and '.tfrecord' in request.path]
    return Turn(**found, requests=len(reads), mib=sum(request.response_bytes for request in reads) / 2**20)


@contextlib.contextmanager
def way_to(server: GcsServer, latency_ms: float) -> Iterator[dict[str, str]]:
    """The environment of a client whose answers are delayed by `latency_ms`."""
    if not latency_ms:
        yield client_environment(server)
        return
    with SlowRelay(server.url, latency_ms / 1000) as url:
        yield {**client_environment(server), 'https_proxy': url}


def compare(
    server: GcsServer, contenders: dict[str, dict[str, str]], latency_ms: float, count: int, rounds: int
) -> None:
    turns: dict[str, list[Turn]] = {name: [] for name in contenders}
    with way_to(server, latency_ms) as environment:
        for _ in range(rounds):
            for name, settings in contenders.items():
                turns[name].append(take_turn(server, {**environment, **settings}))
    print(f'\n{latency_ms:g} ms to each answer, medians of {rounds} turns')
    print('buffer            seconds [range]        images/s   MiB of memory   requests   MiB sent')
    for name, found in turns.items():
        seconds = [turn.seconds for turn in found]
        middle = {field.name: statistics.median(getattr(turn, field.name) for turn in found)
                  for field in dataclasses.fields(Turn)}  # fmt: skip
        print(
            f'{name:16} {middle["seconds"]:7.2f} [{min(seconds):.2f} .. {max(seconds):.2f}]   '
            f'{count / middle["seconds"]:9,.0f}   {middle["peak_mib"]:13,.0f}   {middle["requests"]:8.0f}   '
            f'{middle["mib"]:8.0f}',
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--shards', type=int, default=32)
    parser.add_argument('--shard_mib', type=float, default=2)
    parser.add_argument('--blocks', type=int, nargs='+', default=[64, 32, 16, 8, 4, 1], help='MiB')
    parser.add_argument('--latency_ms', type=float, nargs='+', default=[0, 30])
    parser.add_argument('--rounds', type=int, default=3, help='turns of each contender')
    parser.add_argument('--read', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.read:
        read_once(options.read)
        return
    count = int(options.shards * options.shard_mib * 2**20 / SIZE**2 / 3) // BATCH * BATCH
    contenders = {'TensorFlow (64)': _TENSORFLOW, **{f'{block} MiB': {_BLOCK: str(block)} for block in options.blocks}}
    with GcsServer() as server:
        os.environ.update(client_environment(server))
        server.create_bucket('benchmark')
        publish(DATA, SIZE, count, options.shards, lambda _: os.urandom(SIZE * SIZE * 3))
        told = f'{options.shards} shards of {options.shard_mib:g} MiB, {os.cpu_count()} cores'
        print(f'{count:,} images of {SIZE} px in {told}')
        for latency_ms in options.latency_ms:
            compare(server, contenders, latency_ms, count, options.rounds)


if __name__ == '__main__':
    main()
