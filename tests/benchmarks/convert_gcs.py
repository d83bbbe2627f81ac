"""Images/s and peak memory of the converter on gs://, beside one that reads object by object.

  python -m tests.benchmarks.convert_gcs --images=2000 --latency_ms=30

Both read the same small JPEGs from the Cloud Storage emulator through a slow connection. The other one reads them
through tf.io.gfile, on as many threads as decode. The emulator shares the processor, which limits both figures.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import pathlib
import resource
import subprocess
import sys
import tempfile
import threading
import time

from tests.benchmarks.convert import generate_small
from tests.fakes.cloud.gcs import GcsServer

BUCKET = 'gs://benchmark'
FEWER = 10  # tf.io.gfile gets this many times fewer images, because it takes minutes.


class SlowRelay:
    """Forwards bytes to a server on this machine while the context lasts; delays those of the client by `latency_s`.

    Each wait for an answer takes so long: that of TCP (the proxy's CONNECT stands for it), of TLS and of each request.
    """

    def __init__(self, url: str, latency_s: float):
        self._port, self._latency_s = int(url.rpartition(':')[2]), latency_s
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    def __enter__(self) -> str:
        self._thread.start()
        starting = asyncio.run_coroutine_threadsafe(asyncio.start_server(self._serve, '127.0.0.1', 0), self._loop)
        return f'http://127.0.0.1:{starting.result().sockets[0].getsockname()[1]}'

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    async def _serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection('127.0.0.1', self._port)
        await asyncio.gather(self._pass(client, to_server, self._latency_s), self._pass(server, to_client, 0))

    async def _pass(self, source: asyncio.StreamReader, target: asyncio.StreamWriter, latency_s: float) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(1 << 16):
                if latency_s:
                    await asyncio.sleep(latency_s)
                target.write(data)
                await target.drain()
        target.close()


def open_with_gfile(listing, name: str):
    import io

    import tensorflow as tf

    with tf.io.gfile.GFile(f'{listing.folder}/{name}', 'rb') as file:
        return io.BytesIO(file.read())


def convert_once(way: str, threads: int) -> None:
    """Converts in this process, and prints the seconds and the peak memory."""
    from convert.conversion import convert
    from convert.listing import sources
    from convert.options import ConvertOptions
    from trainer.storage import gcs

    if way == 'gfile':
        gcs.CONNECTIONS = threads
        sources.Listing.open = open_with_gfile
    with tempfile.TemporaryDirectory() as output:
        began = time.perf_counter()
        made = convert(ConvertOptions(f'{BUCKET}/{way}', f'{output}/out', workers=threads))
        seconds = time.perf_counter() - began
    images = made.records('train') + made.records('holdout')
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({'images': images, 'seconds': seconds, 'peak_mib': peak}))


def measure(way: str, threads: int, environment: dict[str, str]) -> None:
    command = [sys.executable, '-m', 'tests.benchmarks.convert_gcs', f'--way={way}', f'--threads={threads}']
    ended = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment}, check=True)
    found = json.loads(ended.stdout)
    print(
        f'{way:8} {threads} decoding   {found["images"] / found["seconds"]:6.1f} images/s   '
        f'{found["seconds"]:6.1f} s   peak {found["peak_mib"]:.0f} MiB',
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, default=2000)
    parser.add_argument('--latency_ms', type=float, default=30)
    parser.add_argument('--way', choices=['objects', 'gfile'], help=argparse.SUPPRESS)
    parser.add_argument('--threads', type=int, default=os.cpu_count(), help='threads that decode')
    options = parser.parse_args()
    if options.way:
        return convert_once(options.way, options.threads)
    with tempfile.TemporaryDirectory() as name, GcsServer() as server:
        generate_small(pathlib.Path(name), options.images)
        server.create_bucket(BUCKET.partition('//')[2])
        for path in pathlib.Path(name).iterdir():
            server.put(f'{BUCKET}/objects/{path.name}', path.read_bytes())
        for path in sorted(pathlib.Path(name).iterdir())[: options.images // FEWER]:
            server.put(f'{BUCKET}/gfile/{path.name}', path.read_bytes())
        print(f'{options.images} JPEGs of 96 px, {options.latency_ms:g} ms to each answer, {os.cpu_count()} cores')
        with SlowRelay(server.url, options.latency_ms / 1000) as url:
            for way, threads in (('objects', options.threads), ('gfile', options.threads), ('gfile', 1)):
                measure(way, threads, {**server.environment(), 'https_proxy': url})
    return None


if __name__ == '__main__':
    main()
