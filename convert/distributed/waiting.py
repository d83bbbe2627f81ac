"""Where the pixels of fitted images wait for their shards: in the elements of the pipeline, or in files beside it.

Dataflow shuffles elements of any size. Beam's runner on one machine hands a worker its whole share of a step as one
message: there the pixels wait on the disk that all workers have, and elements say only where.
"""

from __future__ import annotations

import os
import posixpath
import struct
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple, Protocol

from convert.distributed.work import Work
from convert.stages import fitting

_PREFIX = 'fitted-'
_HEADER = struct.Struct('>QI?16s')  # File, highest, synthetic and digest; the pixels follow.
_WHERE = struct.Struct('>Q')  # The position in a file, whose name follows.


class Waiting(NamedTuple):
    """A fitted image whose pixels wait.

    Attributes:
      digest: of the pixels.
      synthetic: whether it is a picture of trainer.generate.
      highest: as in `fitting.Outcome`.
      where: what `Room.load` takes.
    """

    digest: bytes
    synthetic: bool
    highest: int
    where: bytes


class Room(Protocol):
    """Takes pixels on one worker, and gives them back on any."""

    def known(self, file: int) -> Waiting | None:
        """The image of the listing's `file`-th file, if a run of this pass that failed has left it."""

    def keep(self, file: int, fitted: fitting.Fitted, highest: int) -> Waiting:
        """Takes the image of the listing's `file`-th file."""

    def load(self, where: bytes) -> bytes:
        """The pixels, uint8 in the order height, width, channels."""

    def close(self) -> None:
        """Ends its use by this worker; the pixels stay."""


def room(job: Work) -> Room:
    """The room of a pass."""
    options = job.options
    return Disk(job.waiting, options.image_size**2 * options.channels) if job.waiting else Elements()


class Elements:
    """The elements have the pixels, and the runner keeps what its workers have done."""

    def known(self, file: int) -> Waiting | None:
        """As `Room`."""
        return None

    def keep(self, file: int, fitted: fitting.Fitted, highest: int) -> Waiting:
        """As `Room`."""
        return Waiting(fitted.digest, fitted.synthetic, highest, fitted.pixels.tobytes())

    def load(self, where: bytes) -> bytes:
        """As `Room`."""
        return where

    def close(self) -> None:
        """As `Room`."""


class Disk:
    """Each worker appends records of one size to files of its own, which all workers read.

    A record is on disk before its element leaves the worker. One that a kill has torn is the last of its file.
    """

    def __init__(self, folder: str, pixel_bytes: int):
        """Takes an existing local folder."""
        self._folder, self._record_bytes = folder, _HEADER.size + pixel_bytes
        self._files: dict[str, BinaryIO] = {}
        self._own = ''
        self._known: dict[int, Waiting] | None = None

    def known(self, file: int) -> Waiting | None:
        """As `Room`."""
        if self._known is None:
            self._known = dict(self._left())
        return self._known.get(file)

    def keep(self, file: int, fitted: fitting.Fitted, highest: int) -> Waiting:
        """As `Room`."""
        if not self._own:
            opened, path = tempfile.mkstemp(dir=self._folder, prefix=_PREFIX)
            self._own = posixpath.basename(path)
            self._files[self._own] = os.fdopen(opened, 'r+b')
        own = self._files[self._own]
        where = _WHERE.pack(own.tell()) + self._own.encode()
        own.write(_HEADER.pack(file, highest, fitted.synthetic, fitted.digest))
        own.write(fitted.pixels.data)
        own.flush()
        return Waiting(fitted.digest, fitted.synthetic, highest, where)

    def load(self, where: bytes) -> bytes:
        """As `Room`."""
        (position,) = _WHERE.unpack_from(where)
        file = self._opened(where[_WHERE.size :].decode())
        return os.pread(file.fileno(), self._record_bytes - _HEADER.size, position + _HEADER.size)

    def close(self) -> None:
        """As `Room`."""
        for file in self._files.values():
            file.close()

    def _opened(self, name: str) -> BinaryIO:
        if name not in self._files:
            self._files[name] = open(posixpath.join(self._folder, name), 'rb')  # noqa: SIM115  Closed by `close`.
        return self._files[name]

    def _left(self) -> Iterator[tuple[int, Waiting]]:
        for name in sorted(name for name in os.listdir(self._folder) if name.startswith(_PREFIX)):
            file = self._opened(name).fileno()
            for number in range(os.fstat(file).st_size // self._record_bytes):
                position = number * self._record_bytes
                of, highest, synthetic, digest = _HEADER.unpack(os.pread(file, _HEADER.size, position))
                yield of, Waiting(digest, synthetic, highest, _WHERE.pack(position) + name.encode())
