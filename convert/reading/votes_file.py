"""The table of votes: written whole, and only when asked over another table of this form."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Sequence

import tensorflow as tf

from convert import csv_cells
from convert.marks import CONFIDENCE, LABEL, NAME, Vote
from trainer import errors
from trainer.filesystem import disk_errors, files
from trainer.storage import refusals

_FLAG, _MADE_BY = '--output', 'convert.ocr'
_COLUMNS = [NAME, LABEL, CONFIDENCE]
_SHARE = re.compile(r'[01]\.\d{4}')
_MOST_BYTES = 1 << 28


def check(path: str, overwrite: bool) -> None:
    """Checks that a table may be written to a local or gs:// path, and changes nothing.

    Raises:
      errors.UserError: it holds a table and `overwrite` is off, or something else, or cannot be read.
    """
    with refusals.explained(path, refusals.ADMIN), disk_errors.explained(f'{_FLAG}={path}'):
        if tf.io.gfile.isdir(path):
            raise errors.UserError(f'{_FLAG}={path} is a folder: name a file in it')
        try:
            text = files.read_text(path, _MOST_BYTES)
        except ValueError:  # Too large, not text, or not a file.
            text = ''
    if text is not None and _is_ours(text) and not overwrite:
        raise errors.UserError(
            f'{_FLAG}={path} is a table of votes already, perhaps with your corrections: give --overwrite to replace '
            'it, or another name'
        )
    if text is not None and not _is_ours(text):
        raise errors.UserError(
            f'{_FLAG}={path} exists, but python -m {_MADE_BY} has not made it and will not touch it: choose another '
            'name'
        )


def write(path: str, votes: Sequence[tuple[str, Vote]], overwrite: bool) -> None:
    """Writes names, labels and confidences, whole or not at all, and makes the folder.

    Raises:
      errors.UserError: it cannot be written, or is not ours.
    """
    text = io.StringIO()
    rows = csv_cells.writer(text)
    rows.writerow(_COLUMNS)
    for name, vote in votes:
        rows.writerow([csv_cells.text(name), csv_cells.text(vote.label), f'{vote.confidence:.4f}'])
    check(path, overwrite)  # Again: reading takes minutes.
    with refusals.explained(path, refusals.ADMIN), disk_errors.explained(f'{_FLAG}={path}'):
        files.write_bytes(path, text.getvalue().encode())


def _is_ours(text: str) -> bool:
    """Whether each line has the form in which `write` writes it."""
    try:
        rows = list(csv.reader(io.StringIO(text, newline='')))
    except csv.Error:
        return False
    return rows[:1] == [_COLUMNS] and all(len(row) == len(_COLUMNS) and _SHARE.fullmatch(row[-1]) for row in rows[1:])
