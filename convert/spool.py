"""Records that wait on disk until all are known, because only then can they be shuffled."""

from __future__ import annotations

import array
import tempfile


class Spool:
    """Takes all records in one order, then gives them back in any; memory holds 8 bytes for each.

    The file has no name, so that no run, however it ends, leaves it behind.
    """

    def __init__(self, folder: str | None):
        """Opens the file on the disk of the local `folder`; None is the system's folder for temporary files."""
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115  Closed by __exit__.
        self._ends = array.array('Q', [0])

    def append(self, record: bytes) -> int:
        """Adds a record and returns its number."""
        self._file.write(record)
        self._ends.append(self._ends[-1] + len(record))
        return len(self._ends) - 2

    def read(self, number: int) -> bytes:
        """Reads a record back."""
        self._file.seek(self._ends[number])
        return self._file.read(self.size(number))

    def size(self, number: int) -> int:
        """Size of a record, bytes."""
        return self._ends[number + 1] - self._ends[number]

    def __enter__(self) -> Spool:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
