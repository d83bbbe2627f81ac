"""File names in CSV files, which people open in spreadsheets and programs read line by line."""

from __future__ import annotations

import csv
from typing import Any, TextIO

from trainer import errors

# A spreadsheet runs a cell that begins with one of these as a formula (OWASP, CSV injection).
_FORMULA = ('=', '+', '-', '@')


def writer(file: TextIO) -> Any:
    """A CSV writer that puts each row on one line, if `text` made its cells."""
    return csv.writer(file, lineterminator='\n')


def text(value: str) -> str:
    """A name or a reason as a cell: one line of printable UTF-8, and never a formula.

    Line ends, other control characters and bytes that are not UTF-8 are escaped. Python before 3.13 does not quote a
    carriage return, which ends a row for other readers. A text that would be a formula gets an apostrophe in front.
    """
    spelled = errors.spelled_out(value)
    return f"'{spelled}" if spelled.startswith(_FORMULA) else spelled
