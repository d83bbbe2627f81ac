"""The reasons why files are left out, and the list of those files."""

from __future__ import annotations

import collections
import io
import posixpath
from collections.abc import Iterable

import tensorflow as tf

from convert import csv_cells

FILE_NAME = 'rejected.csv'
DROPPED_FILE_NAME = 'dropped.csv'  # The images that convert.audit left out of a data set.

DUPLICATE = 'duplicate'
EMPTY_FILE = 'empty file'
LFS_POINTER = 'LFS pointer'
NOT_AN_IMAGE = 'not an image'
TOO_LARGE = 'too large'
TRUNCATED = 'truncated'
UNREADABLE = 'unreadable'


def unsupported(format_: str) -> str:
    """The reason for a file of an unsupported format, such as 'HEIC, a format that is not read here'."""
    return f'{format_}, a format that is not read here'


def damaged(format_: str) -> str:
    """The reason for a damaged file of a supported format."""
    return f'damaged {format_}'


class Rejected(Exception):
    """A file gives no image; `reason` is one of those above, `detail` is a text for people."""

    def __init__(self, reason: str, detail: str = ''):
        super().__init__(reason, detail)
        self.reason, self.detail = reason, detail


def rows(rejected: Iterable[tuple[str, Rejected]]) -> str:
    """Names and reasons as a part of the list."""
    text = io.StringIO()
    csv_cells.writer(text).writerows(_row(name, one) for name, one in rejected)
    return text.getvalue()


class RejectionList:
    """Counts the files left out, and writes `rejected.csv` row by row, so that memory does not grow with them."""

    def __init__(self, folder: str):
        """Starts the list in a local folder."""
        self.counts: collections.Counter[str] = collections.Counter()
        self._file = tf.io.gfile.GFile(posixpath.join(folder, FILE_NAME), 'w')
        self._rows = csv_cells.writer(self._file)
        self._rows.writerow(['file', 'reason', 'detail'])

    def add(self, name: str, rejected: Rejected) -> None:
        """Adds the file `name`, a path below the input folder."""
        self.counts[rejected.reason] += 1
        self._rows.writerow(_row(name, rejected))

    def add_part(self, text: str) -> None:
        """Adds rows that `rows` has made; they are not counted."""
        self._file.write(text)

    def __enter__(self) -> RejectionList:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _row(name: str, rejected: Rejected) -> list[str]:
    return list(map(csv_cells.text, (name, rejected.reason, rejected.detail)))


def summary(counts: dict[str, int]) -> str:
    """'3 not an image, 1 truncated': the most frequent first."""
    return ', '.join(f'{count} {reason}' for reason, count in by_frequency(counts))


def by_frequency(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Reasons and counts, the most frequent first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
