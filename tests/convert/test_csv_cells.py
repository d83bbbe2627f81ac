"""Names of any bytes as cells of a CSV file: each row stays one line, and no cell is a formula."""

from __future__ import annotations

import csv
import io
import itertools

import pytest

from convert import csv_cells

FORMULA = ('=', '+', '-', '@')
NOT_UTF_8 = b'caf\xe9.png'.decode('utf-8', 'surrogateescape')
# Names, and the cells that they become.
NAMES = {
    'a.png': 'a.png',
    'with space.png': 'with space.png',
    'b,c.png': 'b,c.png',
    'say "hi".png': 'say "hi".png',
    '"quoted"': '"quoted"',
    "l'été/\u732b.png": "l'été/\u732b.png",
    'back\\slash': 'back\\slash',
    'line\nend.png': 'line\\nend.png',
    'carriage\rreturn.png': 'carriage\\rreturn.png',
    'both\r\n.png': 'both\\r\\n.png',
    'tab\tulator': 'tab\\tulator',
    '\t=1+1': '\\t=1+1',
    '\r=1+1': '\\r=1+1',
    'nul\0': 'nul\\x00',
    'escape\x1b[31m': 'escape\\x1b[31m',
    'next\x85line': 'next\\x85line',
    'line\u2028separator': 'line\\u2028separator',
    'turned\u202eround': 'turned\\u202eround',
    NOT_UTF_8: 'caf\\udce9.png',
    '=1+1': "'=1+1",
    '+1': "'+1",
    '-1': "'-1",
    '@SUM(A1)': "'@SUM(A1)",
    '=cmd|"/c calc"!A1': '\'=cmd|"/c calc"!A1',
    '=1\n+1': "'=1\\n+1",
    '\'=1': "'=1",
    '': '',
}  # fmt: skip


def written(rows: list[list[str]]) -> str:
    """The CSV file of rows of names."""
    file = io.StringIO(newline='')
    csv_cells.writer(file).writerows([list(map(csv_cells.text, row)) for row in rows])
    return file.getvalue()


def read(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline=''), strict=True))


@pytest.mark.parametrize(('name', 'cell'), NAMES.items(), ids=map(ascii, NAMES))
def test_a_name_is_one_cell_of_one_line(name, cell):
    text = written([['before', name, 'after']])
    assert text.endswith('\n')
    assert text.splitlines() == [text[:-1]]
    assert read(text) == [['before', cell, 'after']]


def test_rows_are_lines_whatever_is_in_them():
    rows = [list(pair) for pair in itertools.product(NAMES, NAMES)]
    text = written(rows)
    assert len(text.splitlines()) == text.count('\n') == len(rows)
    assert read(text) == [[NAMES[first], NAMES[second]] for first, second in rows]


@pytest.mark.parametrize('begin', [*FORMULA, '==', '=\r', '-\udcff', '\t=', '\n+', '\0@', '\r\n-'])
def test_no_cell_begins_as_a_formula(begin):
    (first, second), = read(written([[begin + 'A1', 'folder/' + begin]]))  # fmt: skip
    assert not first.startswith((*FORMULA, '\t', '\r', '\n'))
    assert second.startswith('folder/')


def test_a_cell_is_printable_and_of_utf_8():
    everything = ''.join(map(chr, range(0x3000))) + ''.join(map(chr, range(0xD800, 0xE010)))
    cell = csv_cells.text(everything)
    assert cell.replace(' ', '').isprintable()
    assert cell.encode().decode() == cell
    assert 'äöüßéλж' in csv_cells.text('äöüßéλж')


def test_names_that_differ_stay_different():
    assert len(set(map(csv_cells.text, NAMES))) == len(NAMES)
