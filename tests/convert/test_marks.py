"""Tables of marks and votes, as people and programs write them."""

from __future__ import annotations

import logging

import pytest

from convert import marks
from convert.marks import Vote
from trainer import errors
from trainer.data.image_set import Entry

ENTRIES = [Entry(name, -1) for name in ('a/1.png', 'b/1.png', 'b/2 ä.png', '=c.png', 'd\n.png')]


def read(tmp_path, text: str | bytes) -> dict[int, Vote]:
    path = tmp_path / 'marks.csv'
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return marks.read(str(path), marks.Names(ENTRIES))


@pytest.mark.parametrize(
    'text',
    [
        'name,label\na/1.png,x\n2 ä.png,y\n',
        'a/1.png,x\nb/2 ä.png,y',
        '\ufeffLabel, Name ,note\r\nx,a\\1.png,"one, two"\r\ny,./b/2 ä.png,\r\n\r\n',
        'name,label,confidence,by,guess\na/1.png,x,0.3,model,z\nb/2 ä.png,y,1,mark,y\nb/1.png,x,1,model,x\nd.png,,,,',
        '/elsewhere/2 ä.png,y\na/1.png,x\n',
    ],
    ids=['as documented', 'no header', 'spreadsheet', 'corrected labels.csv', 'another folder'],
)
def test_tables_are_read(text, tmp_path):
    assert {number: vote.label for number, vote in read(tmp_path, text).items()} == {0: 'x', 2: 'y'}


def test_cells_as_our_own_tables_have_them_are_understood(tmp_path):
    assert read(tmp_path, "'=c.png,'=1\nd\\n.png,-\n") == {3: Vote('=1', 1.0), 4: Vote('-', 1.0)}


def test_confidences_are_shares_and_the_highest_of_an_image_counts(tmp_path):
    found = read(tmp_path, 'name,label,confidence\na/1.png,x,70%\na/1.png,x,0.9\nb/1.png,y,\n')
    assert found == {0: Vote('x', 0.9), 1: Vote('y', 1.0)}


def test_bad_rows_are_left_out_with_reasons_and_counts(tmp_path, caplog):
    caplog.set_level(logging.WARNING, 'absl')
    text = 'name,label,confidence\na/1.png,x\n1.png,x\nnone.png,x\nb/1.png\nb/1.png,y,2\nb/1.png,y,much\n'
    assert read(tmp_path, text) == {0: Vote('x', 1.0)}
    assert '1 labels used; rows left out: 2 of no image in the data set, 2 with a confidence that' in caplog.text
    assert "1 without a label; the first unknown name is '1.png'" in caplog.text  # Two images have this last part.


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('a/1.png,x\nb/1.png,y\na/1.png,z\n', "line 3: a/1.png is labelled 'z' here and 'x' before: leave one"),
        ('', r'labels no image \(no rows\): each line is a name as in audit.csv, and a label'),
        ('x.png,x\n', r"\(1 of no image in the data set; the first unknown name is 'x.png'\)"),
        (b'\xff\xfea', 'is not a table of labels .it is not UTF-8.: save it as CSV in UTF-8'),
        ('a' * 200_000 + ',x\n', 'line 1: not a line of CSV'),
    ],
)
def test_what_labels_nothing_is_refused(text, message, tmp_path):
    with pytest.raises(errors.UserError, match=message) as ended:
        read(tmp_path, text)
    assert '\n' not in str(ended.value)


def test_a_missing_table_and_records_without_names_are_told(tmp_path):
    with pytest.raises(errors.UserError, match='none.csv does not exist: name a CSV file'):
        marks.read(str(tmp_path / 'none.csv'), marks.Names(ENTRIES))
    with pytest.raises(errors.DataError, match='the records have no file names'):
        marks.Names([Entry('', 0)])
