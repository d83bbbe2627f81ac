"""Names of files in CSV files, which people open in spreadsheets and programs read line by line."""

from __future__ import annotations

import csv
from typing import Any, TextIO

from trainer import errors

# What a spreadsheet takes for a formula, and runs (OWASP, CSV injection).
_FORMULA = ('=', '+', '-', '@')


def writer(file: TextIO) -> Any:
    """A writer whose rows are lines, whatever is in the cells that `text` has made."""
    return csv.writer(file, lineterminator='\n')


def text(value: str) -> str:
    """A name or a reason as a cell: in one line, printable, UTF-8, and never a formula.

    Line ends and other control characters are spelled out, as are bytes that are no UTF-8; Python before 3.13 leaves a
    carriage return bare, which ends a row for other readers. An apostrophe goes before what would be a formula.
    """
    spelled = errors.spelled_out(value)
    return f"'{spelled}" if spelled.startswith(_FORMULA) else spelled
