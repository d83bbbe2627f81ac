"""How trainer.serve bears a crowd: 100 clients on loopback for 30 s, on one core and on two, and a stop in the middle.

  python -m tests.benchmarks.serve_load --clients=100 --seconds=30

Each client has a connection of its own and asks for one picture at a time, of a random seed, without a pause. Every
answer is read to its last byte, parsed, and must hold the PNG of that seed's request. The model is the clothes64 of the
package, or that of --model_dir. On one core, the server has it alone and the clients have the others; on two, both
share them on a machine with two. Then servers are stopped in the middle, by SIGTERM and by SIGKILL: an answer is whole,
a clean refusal, or did not begin.

With --photos, a folder of JPEGs, and --data, the converted images of the model, they send photographs instead, which
the server recognises.
"""

from __future__ import annotations

import argparse
import base64
import collections
import contextlib
import json
import os
import pathlib
import random
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from tests.conftest import ROOT
from tests.serving.strict_client import Connection, CutShort, ask
from trainer.pretrained import packing

MOST_PHOTOS = 300
PNG = b'\x89PNG\r\n\x1a\n'


class Served:
    """A running server.

    Attributes:
      threads: that make predictions.
      data: converted images by which it recognises photographs; '' for none.
    """

    threads, data = 128, ''

    def __init__(self, model_dir: str, cores: Sequence[int]):
        command = [
            sys.executable,
            '-m',
            'trainer.serve',
            f'--model_dir={model_dir}',
            '--port=0',
            f'--threads={self.threads}',
        ]
        if self.data:
            command.append(f'--data={self.data}')
        environment = {**os.environ, 'PYTHONPATH': str(ROOT)}
        self.process = subprocess.Popen(
            command, env=environment, stderr=subprocess.PIPE, text=True,
            preexec_fn=lambda: os.sched_setaffinity(0, cores),
        )  # fmt: skip
        assert self.process.stderr
        for line in self.process.stderr:
            found = re.search(r'listening on http://127\.0\.0\.1:(\d+)/', line)
            if found:
                self.port = int(found[1])
                break
        self.log: list[str] = []
        self._reader = threading.Thread(target=lambda: self.log.extend(self.process.stderr or ()), daemon=True)
        self._reader.start()

    def memory_mb(self) -> float:
        status = pathlib.Path(f'/proc/{self.process.pid}/status').read_text()
        return int(re.search(r'VmRSS:\s+(\d+) kB', status)[1]) / 1000

    def processor_s(self) -> float:
        """Seconds of processor time so far, which other programs on the machine hardly change."""
        fields = pathlib.Path(f'/proc/{self.process.pid}/stat').read_text().rpartition(')')[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf('SC_CLK_TCK')

    def end(self, signum: int) -> int:
        self.process.send_signal(signum)
        return self.process.wait(60)


@contextlib.contextmanager
def serving(model_dir: str, cores: Sequence[int]) -> Iterator[Served]:
    made = Served(model_dir, cores)
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait()


class Crowd:
    """Clients that ask until they are told to stop, or the server has gone.

    Attributes:
      times: seconds of each whole answer of 200.
      outcomes: how many of each kind.
      photos: what they send, in base64; without any, they ask for seeds.
    """

    photos: Sequence[str] = ()

    def __init__(self, port: int, clients: int):
        self.times: list[float] = []
        self.outcomes: collections.Counter[str] = collections.Counter()
        self._port, self._over, self._lock = port, threading.Event(), threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        self.join()

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)

    def _run(self, number: int) -> None:
        made = random.Random(number)
        while not self._over.is_set():
            try:
                connection = Connection(self._port)
            except OSError:
                self._count('connection refused')
                return
            with connection:
                if not self._ask_on(connection, made):
                    return

    def _ask_on(self, connection: Connection, made: random.Random) -> bool:
        """Asks until the end; False if the server has gone."""
        while not self._over.is_set():
            instance, begun = self._instance(made), time.monotonic()
            try:
                answer = connection.ask('POST', '/predict', json.dumps({'instances': [instance]}).encode())
            except CutShort as cut:
                self._count('HALF AN ANSWER' if cut.received else 'closed before an answer')
                return False
            except OSError:
                self._count('closed before an answer')
                return False
            if answer.status != 200:
                self._count(f'refused with {answer.status}')
                return answer.status != 503 or not answer.closes
            (found,) = answer.json['predictions']
            assert found.get('seed') == instance.get('seed')
            assert base64.b64decode(found.get('sample', found)['image']['b64']).startswith(PNG)
            with self._lock:
                self.times.append(time.monotonic() - begun)
                self.outcomes['whole'] += 1
            if answer.closes:
                return True
        return True

    def _instance(self, made: random.Random) -> dict[str, Any]:
        return {'image': {'b64': made.choice(self.photos)}} if self.photos else {'seed': made.randrange(1 << 31)}

    def _count(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1


def load(model_dir: str, cores: Sequence[int], clients: int, seconds: float) -> None:
    """Prints a row of the table."""
    with serving(model_dir, cores) as server:
        Crowd(server.port, clients).stop()  # Each thread of the server has worked once.
        crowd = Crowd(server.port, clients)
        time.sleep(min(5.0, seconds / 4))
        early, health = server.memory_mb(), []
        crowd.times.clear()
        begun, busy = time.monotonic(), server.processor_s()
        while time.monotonic() < begun + seconds:
            asked = time.monotonic()
            assert ask(server.port, 'GET', '/health').status == 200
            health.append(time.monotonic() - asked)
            time.sleep(1)
        times, took, late = np.array(crowd.times), time.monotonic() - begun, server.memory_mb()
        busy = server.processor_s() - busy
        crowd.stop()
        wrong = {name: count for name, count in crowd.outcomes.items() if name != 'whole'}
        p50, p99 = np.quantile(times, (0.5, 0.99))
        print(
            f'| {len(cores)} | {clients} | {len(times):,} | {sum(wrong.values())} | {len(times) / took:.0f} | '
            f'{1000 * busy / len(times):.1f} | '
            f'{1000 * p50:.0f} | {1000 * p99:.0f} | {1000 * max(health):.0f} | {early:.0f} | {late:.0f} |'
        )
        assert not wrong, wrong
        code = server.end(signal.SIGTERM)
        assert code == 0, code


def stop(model_dir: str, cores: Sequence[int], clients: int, signum: signal.Signals) -> None:
    """Prints what became of the requests that a stop met."""
    with serving(model_dir, cores) as server:
        crowd = Crowd(server.port, clients)
        time.sleep(3)
        begun = time.monotonic()
        code = server.end(signum)
        took = time.monotonic() - begun
        crowd.join()
        found = ', '.join(f'{count} {name}' for name, count in sorted(crowd.outcomes.items()))
        print(f'{signum.name} with {clients} clients: exit code {code} after {took:.1f} s; {found}')
        assert not crowd.outcomes['HALF AN ANSWER']


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--clients', type=int, default=100)
    parser.add_argument('--seconds', type=float, default=30)
    parser.add_argument('--threads', type=int, default=Served.threads)
    parser.add_argument('--model_dir', default='')
    parser.add_argument('--data', default='')
    parser.add_argument('--photos', default='')
    options = parser.parse_args()
    Served.threads, Served.data = options.threads, options.data
    if options.photos:
        files = sorted(pathlib.Path(options.photos).rglob('*.jpg'))[:MOST_PHOTOS]
        if not files:
            parser.error(f'--photos={options.photos} has no file *.jpg')
        Crowd.photos = [base64.b64encode(file.read_bytes()).decode() for file in files]
    cores = sorted(os.sched_getaffinity(0))
    with contextlib.ExitStack() as stack:
        model_dir = options.model_dir or stack.enter_context(packing.unpacked('clothes64'))
        print(
            '| cores | clients | answers | errors | answers/s | processor ms an answer | p50 ms | p99 ms | '
            'slowest health check ms | MB | MB after |'
        )
        print('|---|---|---|---|---|---|---|---|---|---|---|')
        for number in (1, 2):
            if len(cores) >= number:
                os.sched_setaffinity(0, cores[1:] if number == 1 and len(cores) > 1 else cores)
                load(model_dir, cores[:number], options.clients, options.seconds)
        for signum in (signal.SIGTERM, signal.SIGKILL):
            stop(model_dir, cores, options.clients, signum)


if __name__ == '__main__':
    main()
