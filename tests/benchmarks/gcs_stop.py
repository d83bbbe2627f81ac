"""Seconds from SIGTERM to the end of a run at 128 px on gs://, and from the next start to its first step.

  python -m tests.benchmarks.gcs_stop --compute_dtype=float32 --verbose

One run is stopped within a step, resumed, stopped within a periodic save that draws a sample grid, and stopped again
while it starts. Data and model_dir are in the Cloud Storage emulator; a checkpoint is 438 MB. The time is split by the
lines of the log, and by the times at which the server finished requests.

What the figures mean: the time of a step depends on this processor. TensorFlow's own work, writing the weights to
$TMPDIR and reading them again for the upload, is as in the cloud. The upload itself goes through TLS and the emulator
on the same processor here, and over the network in the cloud.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image

from tests.benchmarks.gcs_read import client_environment, publish
from tests.fakes.cloud.gcs import ROOT, GcsServer

DATA, MODEL_DIR = 'gs://benchmark/data', 'gs://benchmark/run'
SIZE, IMAGES, SHARDS = 128, 256, 4
FLAGS = (
    f'--train_data={DATA}', f'--model_dir={MODEL_DIR}', f'--image_size={SIZE}', '--base_filters=64',
    '--train_batch_size=64', '--train_steps=100000', '--log_steps=1', '--eval_steps=0',
)  # fmt: skip
PATIENCE_S = 300
STEPS = 3  # Before the first signal.
MB = 1_000_000
CHECKPOINT_MB = 100  # No other upload is as large.


class Record:
    """The events of a run, in seconds since its start: lines of its log, and requests."""

    def __init__(self, server: GcsServer, log: Iterator[str]):
        self._server, self._log, self._began = server, log, time.monotonic()
        self.events: list[tuple[float, str]] = []
        self._over = threading.Event()
        server.clear_requests()
        self._threads = [threading.Thread(target=target) for target in (self._read_log, self._poll)]
        for thread in self._threads:
            thread.start()

    def now(self) -> float:
        return time.monotonic() - self._began

    def note(self, event: str) -> float:
        when = self.now()
        self.events.append((when, event))
        return when

    def wait_for(self, pattern: str, since: float = 0) -> float:
        """The time of the first event that matches."""
        while self.now() < since + PATIENCE_S:
            found = self.find(pattern, since)
            if found is not None:
                return found
            time.sleep(0.02)
        raise TimeoutError(f'nothing like {pattern!r} in {PATIENCE_S} s:\n' + '\n'.join(self.lines()))

    def find(self, pattern: str, since: float = 0, last: bool = False) -> float | None:
        times = [when for when, event in list(self.events) if when >= since and re.search(pattern, event)]
        return times[-1 if last else 0] if times else None

    def lines(self, since: float = 0) -> list[str]:
        return [f'{when - since:8.2f} s  {event}' for when, event in sorted(self.events) if when >= since]

    def close(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _read_log(self) -> None:
        for line in self._log:
            self.note('log: ' + line.rstrip())

    def _poll(self) -> None:
        seen, over = 0, False
        while not over:
            over = self._over.wait(0.1)
            requests = self._server.requests
            for request in requests[seen:]:
                size = max(request.request_bytes, request.response_bytes)
                large = f' {size / MB:.0f} MB' if size >= MB else ''
                self.note(f'{request.method} {request.status}{large} {request.path.partition("?upload_id")[0]}')
            seen = len(requests)


@contextlib.contextmanager
def trainer(server: GcsServer, *flags: str) -> Iterator[tuple[subprocess.Popen, Record]]:
    """A run in a separate process, which is killed if it has not ended."""
    with tempfile.TemporaryDirectory() as folder:
        environment = {**os.environ, 'PYTHONPATH': str(ROOT), 'TMPDIR': folder}
        command = [sys.executable, '-m', 'trainer.task', *FLAGS, *flags]
        with subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr
            record = Record(server, process.stderr)
            try:
                yield process, record
            finally:
                process.kill()
                process.wait()
                record.close()


def stop(process: subprocess.Popen, record: Record, verbose: bool) -> None:
    """Sends SIGTERM, and prints how long each part took."""
    sent = record.note('SIGTERM is sent')
    process.send_signal(signal.SIGTERM)
    code = process.wait(PATIENCE_S)
    ended = record.note('the process has ended')
    time.sleep(0.3)  # The last requests are polled.
    noticed = record.wait_for('log: .*SIGTERM: finishing', sent)
    saved = record.find(r'(PUT|POST) 200.*/run/checkpoint$|name=run/checkpoint\b', sent, last=True) or noticed
    uploads = [event for when, event in record.events if when >= sent and _megabytes(event) > CHECKPOINT_MB]
    print(
        f'SIGTERM to exit {code}: {ended - sent:.1f} s: {noticed - sent:.1f} until it is noticed, '
        f'{saved - noticed:.1f} until the checkpoint is whole, {ended - saved:.1f} after; '
        f'uploaded checkpoints: {", ".join(f"{_megabytes(event)} MB" for event in uploads) or "none"}',
        flush=True,
    )
    if verbose:
        print('\n'.join(record.lines(sent)))
    assert code == 128 + signal.SIGTERM, record.lines()


def _megabytes(event: str) -> int:
    found = re.match(r'PUT 200 (\d+) MB ', event)
    return int(found[1]) if found else 0


def saved_step(server: GcsServer) -> int:
    names = server.paths(f'{MODEL_DIR}/model.ckpt-')
    return max(int(match[1]) for match in (re.search(r'ckpt-(\d+)\.index$', name) for name in names) if match)


def resume(record: Record, step: int, verbose: bool) -> None:
    """Waits for the first step of a resumed run, and prints how long it took."""
    marks = {
        'preflight': 'log: .*preflight', 'checkpoint and data read': 'log: .*resuming .* at step',
        'graph made': 'phase: train: init', 'restored': 'phase: train: compile',
        'first step': rf'/model.ckpt-{step + 1}_temp/',
    }  # fmt: skip
    times = [record.wait_for(pattern) for pattern in marks.values()]
    assert record.find(rf'log: .*resuming {MODEL_DIR} at step {step}$') is not None, record.lines()
    spans = [f'{name} {now - before:.1f}' for name, now, before in zip(marks, times, [0, *times])]
    print(f'start to the first step after {step}: {times[-1]:.1f} s: {", ".join(spans)}', flush=True)
    if verbose:
        print('\n'.join(record.lines()))


def measure(server: GcsServer, dtype: str, verbose: bool) -> None:
    print(f'\n{dtype}', flush=True)
    flags = (f'--compute_dtype={dtype}',)
    with trainer(server, *flags) as (process, record):
        stepped = record.wait_for(f'log: .* step {STEPS}/')
        time.sleep(0.5)  # Into the next step.
        print(f'started; step {STEPS} after {stepped:.1f} s')
        stop(process, record, verbose)
    step = saved_step(server)
    with trainer(server, *flags, '--save_steps=1', '--sample_steps=1') as (process, record):
        resume(record, step, verbose)
        record.wait_for(rf'POST 200 .*resumable.*/model.ckpt-{step + 1}_temp/')
        stop(process, record, verbose)
    assert saved_step(server) == step + 1
    with trainer(server, *flags) as (process, record):
        record.wait_for('phase: train: init')
        stop(process, record, verbose)
    assert saved_step(server) >= step + 1
    for path in server.paths(MODEL_DIR):
        server.remove(path)


def soft_image(number: int) -> bytes:
    noise = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
    return np.asarray(Image.fromarray(noise).resize((SIZE, SIZE), Image.Resampling.BICUBIC)).tobytes()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--compute_dtype', nargs='+', choices=('float32', 'bfloat16'), default=['float32'])
    parser.add_argument('--verbose', action='store_true', help='every line of the log and every request, with its time')
    options = parser.parse_args()
    with GcsServer() as server:
        os.environ.update(client_environment(server))
        server.create_bucket('benchmark')
        publish(DATA, SIZE, IMAGES, SHARDS, soft_image)
        print(f'{IMAGES} images of {SIZE} px, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}')
        for dtype in options.compute_dtype:
            measure(server, dtype, options.verbose)


if __name__ == '__main__':
    main()
