"""Reads the CSV files of marks and votes, and finds the images that they name."""

from __future__ import annotations

import collections
import csv
import dataclasses
import io
import posixpath
from collections.abc import Iterator, Sequence

from absl import logging

from convert import csv_cells
from trainer import errors
from trainer.data import records
from trainer.data.image_set import Entry
from trainer.filesystem import files
from trainer.storage import refusals

NAME, LABEL, CONFIDENCE, BY, GUESS = 'name', 'label', 'confidence', 'by', 'guess'
_MOST_BYTES = 1 << 28


@dataclasses.dataclass(frozen=True)
class Vote:
    """What one table says about an image; a mark has the confidence 1."""

    label: str
    confidence: float


class Names:
    """Finds the number of an image by the name that a table has for it."""

    def __init__(self, entries: Sequence[Entry]):
        """Takes name and label of each image.

        Raises:
          errors.DataError: the records have no names.
        """
        if not any(entry.name for entry in entries):
            raise errors.DataError('the records have no file names to find images by: convert the images again')
        self._numbers = {entry.name: number for number, entry in enumerate(entries)}
        # As an audit.csv or labels.csv has them.
        self._numbers.update({csv_cells.text(entry.name): number for number, entry in enumerate(entries)})
        last = collections.Counter(posixpath.basename(entry.name) for entry in entries)
        self._by_last = {
            posixpath.basename(entry.name): number
            for number, entry in enumerate(entries)
            if last[posixpath.basename(entry.name)] == 1
        }

    def number(self, name: str) -> int | None:
        """The number of the image with this name or, if only one has it, with the same last part of the name."""
        name = name.replace('\\', '/') if name not in self._numbers else name
        found = self._numbers.get(posixpath.normpath(name), self._numbers.get(name))
        return self._by_last.get(posixpath.basename(name)) if found is None else found


def read(path: str, names: Names) -> dict[int, Vote]:
    """The number of each image that a table names -> its label.

    The first row may name the columns: name, label, and perhaps confidence and others. Without such a row they have
    this order. Rows without a label are left out, and rows of a labels.csv that are the model's own guesses, unless
    somebody has corrected the label.

    Raises:
      errors.UserError: the file cannot be read, has no usable row, or marks an image with two labels.
    """
    found: dict[int, Vote] = {}
    skipped: collections.Counter[str] = collections.Counter()
    unknown = ''
    for line, cells in _rows(path):
        label = _label(cells.get(LABEL, ''))
        confidence = _confidence(cells.get(CONFIDENCE, ''))
        number = names.number(cells.get(NAME, ''))
        if not label:
            skipped['without a label'] += 1
        elif cells.get(BY) == records.BY_MODEL and cells.get(GUESS, label).strip() == cells[LABEL].strip():
            skipped['guessed by the model'] += 1
        elif confidence is None:
            skipped['with a confidence that is not from 0 to 1'] += 1
        elif number is None:
            skipped['of no image in the data set'] += 1
            unknown = unknown or cells.get(NAME, '')
        elif number in found and found[number].label != label:
            raise errors.UserError(
                f'{path}, line {line}: {errors.spelled_out(cells[NAME])} is labelled {label!r} here and '
                f'{found[number].label!r} before: leave one of the two lines'
            )
        else:
            found[number] = Vote(label, max(confidence, found[number].confidence if number in found else 0.0))
    _report(path, found, skipped, unknown)
    return found


def _report(path: str, found: dict[int, Vote], skipped: collections.Counter[str], unknown: str) -> None:
    reasons = ', '.join(f'{count} {reason}' for reason, count in skipped.most_common())
    first = f'; the first unknown name is {unknown!r}' if unknown else ''
    if not found:
        raise errors.UserError(
            f'{path} labels no image ({reasons or "no rows"}{first}): each line is a name as in audit.csv, and a label'
        )
    if reasons:
        logging.warning('%s: %s', path, errors.one_line(f'{len(found)} labels used; rows left out: {reasons}{first}'))


def _rows(path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Yields the number of a line and its cells by their columns."""
    reader = csv.reader(io.StringIO(_text(path), newline=''))
    columns: list[str] = []
    try:
        for cells in reader:
            if not columns:
                heads = [cell.strip().lower() for cell in cells]
                columns = heads if {NAME, LABEL} <= set(heads) else [NAME, LABEL, CONFIDENCE]
                if columns is heads:
                    continue
            if any(cells):
                yield reader.line_num, dict(zip(columns, cells))
    except csv.Error as error:
        raise errors.UserError(f'{path}, line {reader.line_num}: not a line of CSV ({error})') from None


def _text(path: str) -> str:
    try:
        with refusals.explained(path, refusals.VIEWER):
            text = files.read_text(path, _MOST_BYTES)
    except ValueError as error:
        what = 'it is not UTF-8' if isinstance(error, UnicodeDecodeError) else str(error)
        raise errors.UserError(f'{path} is not a table of labels ({what}): save it as CSV in UTF-8') from None
    if text is None:
        raise errors.UserError(f'{path} does not exist: name a CSV file with the columns name and label')
    return text.lstrip('\ufeff')  # As spreadsheets begin it.


def _label(cell: str) -> str:
    """The label that `csv_cells.text` made a cell of."""
    label = cell.strip()
    return label[1:] if label.startswith("'") and csv_cells.text(label[1:]) == label else label


def _confidence(text: str) -> float | None:
    """'0.9' or '90%' -> 0.9, '' -> 1, anything else -> None."""
    text = text.strip()
    try:
        value = float(text[:-1]) / 100 if text.endswith('%') else float(text or '1')
    except ValueError:
        return None
    return value if 0 <= value <= 1 else None
