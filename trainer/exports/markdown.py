"""Markdown in which names from data cannot become markup (CommonMark 0.31, and tables of GitHub's dialect)."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainer import errors


def code(text: str) -> str:
    """Any text as a code span in one line, in which nothing is markup; in a table as well."""
    text = errors.spelled_out(text)
    fence = '`' * (_longest_run(text) + 1)
    pad = ' ' if not text.strip() or text[0] in '` ' or text[-1] in '` ' else ''
    # A table is split at its bars before its code spans are found.
    return f'{fence}{pad}{text}{pad}{fence}'.replace('|', '\\|')


def block(language: str, text: str) -> str:
    """Any text as a fenced block of code."""
    fence = '`' * max(_longest_run(text) + 1, 3)
    return f'{fence}{language}\n{text.strip()}\n{fence}'


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of cells that are Markdown, each in one line."""
    lines = [head, ['---'] * len(head), *rows]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines)


def _longest_run(text: str) -> int:
    return max((len(run) for run in re.findall('`+', text)), default=0)
