"""What every worker needs to know, and where workers and the driver leave files for each other."""

from __future__ import annotations

import dataclasses
import json
import os
import tempfile
from collections.abc import Iterator
from typing import Any

from convert.listing import objects, sources
from convert.options import ConvertOptions
from trainer.filesystem import files
from trainer.storage import gcs

FACTS = 'facts.json'
# Names in one part of the listing; a worker holds the names and the rejections of one part in memory.
_NAMES_A_PART = 10_000


@dataclasses.dataclass(frozen=True)
class Work:
    """One pass over the files.

    Attributes:
      options: of the conversion.
      labels: of the listing.
      white: the value of white in 16-bit files that do not state it.
      shared: where the parts of the listing are, and where shards, rejections and facts go; local or gs://.
      parts: how many parts the listing has.
      waiting: a local folder of all workers, where pixels wait for their shards; '' if they share no disk.
    """

    options: ConvertOptions
    labels: tuple[str, ...]
    white: int
    shared: str
    parts: int
    waiting: str = ''

    def names(self, part: int) -> Iterator[tuple[int, bytes]]:
        """Yields number and encoded name of each file in a part of the listing."""
        for number, name in enumerate(json.loads(load(f'{self.shared}/{_part(part)}'))):
            yield part * _NAMES_A_PART + number, encoded(name)


def share_listing(listing: sources.Listing, shared: str) -> int:
    """Writes the listing for the workers, and returns the number of its parts.

    The job itself has only their numbers: Dataflow refuses a job of more than 20 MB.
    """
    starts = range(0, len(listing.names), _NAMES_A_PART)
    for part, start in enumerate(starts):
        names = listing.names[start : start + _NAMES_A_PART]
        save(f'{shared}/{_part(part)}', json.dumps(names).encode())
    return len(starts)


def part_of(file: int) -> int:
    """The part of the listing in which the `file`-th file is."""
    return file // _NAMES_A_PART


def rejections_of(part: int) -> str:
    """The name of the file with the rejected files of a part."""
    return f'rejected-{part:05d}.csv'


def encoded(text: str) -> bytes:
    """Any file name as bytes, because Beam's coders refuse names that are not UTF-8."""
    return text.encode('utf-8', 'surrogatepass')


def decoded(data: bytes) -> str:
    """What `encoded` has encoded."""
    return data.decode('utf-8', 'surrogatepass')


def save(path: str, data: bytes) -> None:
    """Writes a local or gs:// file whole or not at all; a worker that repeats it writes the same bytes.

    Raises:
      errors.UserError: Cloud Storage refuses, or has failed for the time of `objects.RETRY`.
    """
    if not gcs.is_remote(path):
        files.write_bytes(path, data)
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(data)
        file.flush()
        objects.upload(file.name, path)


def load(path: str) -> bytes:
    """Reads a file that `save` has written; raises as `objects.download`."""
    if not gcs.is_remote(path):
        with open(path, 'rb') as file:
            return file.read()
    with objects.download(path) as downloaded:
        return downloaded.read()


def place(source: str, path: str) -> None:
    """Moves a whole local file to a local path on the same disk, or uploads it to gs://."""
    if gcs.is_remote(path):
        objects.upload(source, path)
    else:
        os.replace(source, path)


def save_facts(shared: str, facts: dict[str, Any]) -> None:
    """Writes what a pass has found out, for the driver."""
    save(f'{shared}/{FACTS}', json.dumps(facts, sort_keys=True).encode())


def load_facts(shared: str) -> dict[str, Any]:
    """Reads what the last pass has found out."""
    return json.loads(load(f'{shared}/{FACTS}'))


def _part(number: int) -> str:
    return f'names-{number:05d}.json'
