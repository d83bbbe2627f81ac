"""The parts of the pipeline that run on workers: each hands its elements to a stage.

A worker may repeat any of it after a failure, also while another still runs the same. So a file has a name that its
content decides, and appears whole.
"""

from __future__ import annotations

import contextlib
import tempfile
import threading
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
import numpy as np

from convert import rejection
from convert.distributed import borders, waiting, work
from convert.distributed.work import Work
from convert.output import writer
from convert.output.moments import Moments
from convert.output.spool import Spool
from convert.pictures import decode
from convert.stages import encoding, fitting, ordering
from trainer.storage import gcs

REJECTED, HIGHEST = 'rejected', 'highest'


class _Pillow:
    """Pillow prepared once for all threads of a worker, whose settings are those of the process."""

    def __init__(self) -> None:
        self._lock, self._users, self._stack = threading.Lock(), 0, contextlib.ExitStack()

    def acquire(self, max_megapixels: float) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._stack.enter_context(decode.prepared_pillow(max_megapixels))

    def release(self) -> None:
        with self._lock:
            self._users -= 1
            if not self._users:
                self._stack.close()


_PILLOW = _Pillow()


class Fit(beam.DoFn):
    """(file, name) -> (digest, (file, name, synthetic, where)); rejections and highest values beside."""

    def __init__(self, job: Work):
        self._job = job

    def setup(self) -> None:
        """Prepares Pillow, and opens the room for the pixels."""
        self._room = waiting.room(self._job)
        _PILLOW.acquire(self._job.options.max_megapixels)

    def teardown(self) -> None:
        """Restores Pillow's settings."""
        _PILLOW.release()
        self._room.close()

    def process(self, element: tuple[int, bytes]) -> Iterator[Any]:
        """Gives an image, or a rejection."""
        file, name = element
        options = self._job.options
        kept = self._room.known(file)
        if not kept:
            outcome = fitting.fit(options.input_dir, work.decoded(name), options, self._job.white)
            if isinstance(outcome.result, rejection.Rejected):
                yield from _highest(outcome.highest)
                yield _rejected(file, name, outcome.result)
                return
            kept = self._room.keep(file, outcome.result, outcome.highest)
        yield from _highest(kept.highest)
        yield kept.digest, (file, name, kept.synthetic, kept.where)


class KeepFirst(beam.DoFn):
    """(digest, images) -> the image of the first file; the others are rejected."""

    def process(self, element: tuple[bytes, Iterable[tuple]]) -> Iterator[Any]:
        """Reads the images twice, because there may be too many of one digest for the memory."""
        digest, images = element
        first, first_name = min((image[0], image[1]) for image in images)
        for image in images:
            if image[0] == first:
                yield digest, image
            else:
                yield _rejected(image[0], image[1], fitting.duplicate_of(work.decoded(first_name)))


class Place(beam.DoFn):
    """(digest, image) -> (split, place, synthetic, name, where); each depends on the image alone."""

    def __init__(self, job: Work):
        self._job = job

    def process(self, element: tuple[bytes, tuple]) -> Iterator[tuple]:
        """Gives one element."""
        digest, (file, name, synthetic, where) = element
        key = ordering.key(self._job.options.seed, digest, work.decoded(name))
        yield ordering.split_of(digest, synthetic, self._job.options), (key, file), synthetic, name, where


class WriteShard(beam.DoFn):
    """((split, shard), images) -> (split, shard, records, bytes, checksum, moments); the images may be in any order.

    They wait in a spool on disk: in memory are only names and places, of one shard.
    """

    def __init__(self, job: Work):
        self._job = job

    def setup(self) -> None:
        """Opens the room of the pixels."""
        self._room = waiting.room(self._job)

    def teardown(self) -> None:
        """Closes it."""
        self._room.close()

    def process(self, element: tuple[tuple[str, int], Iterable[tuple]], counted: borders.Counted) -> Iterator[tuple]:
        """Writes one shard."""
        (split, shard), images = element
        assert counted.plan
        options, shared = self._job.options, self._job.shared
        name = writer.shard_name(split, shard, counted.plan.shards[split])
        beside = None if gcs.is_remote(shared) else shared  # On the disk of the shard, which is then only renamed.
        shape = (options.image_size, options.image_size, options.channels)
        moments = Moments(options.channels)
        with tempfile.TemporaryDirectory(dir=beside) as folder, Spool(folder, shape) as spool:
            order = []
            for number, (place, file_name, where) in enumerate(images):
                spool.append(np.frombuffer(self._room.load(where), np.uint8))
                order.append((place, number, file_name))
            order.sort()
            serialized = (
                encoding.encode(spool.read(number), work.decoded(file_name), self._job.labels, moments)
                for _, number, file_name in order
            )
            described = writer.write_shard(f'{folder}/{name}', serialized)
            work.place(f'{folder}/{name}', f'{shared}/{name}')
        yield split, shard, described.records, described.bytes, described.crc32c, moments.state()


class ListRejected(beam.DoFn):
    """(part of the listing, rejections in it) -> the part; they are written in the order of their files."""

    def __init__(self, job: Work):
        self._job = job

    def process(self, element: tuple[int, Iterable[tuple]]) -> Iterator[int]:
        """Writes the rejections of one part."""
        part, rejected = element
        rows = (
            (work.decoded(name), rejection.Rejected(work.decoded(reason), work.decoded(detail)))
            for _, name, reason, detail in sorted(rejected)
        )
        work.save(f'{self._job.shared}/{work.rejections_of(part)}', rejection.rows(rows).encode())
        yield part


def _highest(value: int) -> Iterator[beam.pvalue.TaggedOutput]:
    if value:
        yield beam.pvalue.TaggedOutput(HIGHEST, value)


def _rejected(file: int, name: bytes, why: rejection.Rejected) -> beam.pvalue.TaggedOutput:
    return beam.pvalue.TaggedOutput(REJECTED, (file, name, work.encoded(why.reason), work.encoded(why.detail)))
