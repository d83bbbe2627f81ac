"""From pictures to a table of votes that convert.label reads."""

from __future__ import annotations

import csv
import dataclasses
import io
import pathlib

import numpy as np
import pytest
from PIL import Image

from convert import marks, rejection
from convert.conversion import convert
from convert.marks import Vote
from convert.ocr import OcrOptions, ocr
from convert.options import ConvertOptions
from convert.reading import engines, votes_file
from convert.reading.agreement import Reading
from tests.convert.reading.test_engines import DIGITS, INSTALL, drawn, needs
from trainer import errors
from trainer.data import image_set


class Levels:
    """Stands for an engine that may be missing: it reads the grey level of the middle of a picture as a digit."""

    name = 'levels'

    def read(self, pixels: np.ndarray) -> Reading:
        level = int(pixels[len(pixels) // 2, pixels.shape[1] // 2, 0])
        if level == 240:
            raise rejection.Rejected(rejection.UNREADABLE, 'levels: too bright')
        return (
            Reading(str(level // 20), 0.9) if level else Reading('', 0.0)
        )  # In black on white the middle is 0 or 255.


class Both(Levels):
    """Gives the digit in both passes."""

    def read(self, pixels: np.ndarray) -> Reading:
        return Reading('3', 0.8)


@pytest.fixture
def reads(monkeypatch):
    monkeypatch.setattr(engines, 'make', lambda *_: Levels())


def write(path: pathlib.Path, level: int, side: int = 12) -> None:
    """A square of a grey level on white."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((side, side, 3), 255, np.uint8)
    pixels[2:-2, 2:-2] = level
    Image.fromarray(pixels).save(path)


def fill(folder: pathlib.Path) -> str:
    for name, level in (('a/1.png', 20), ('b/1.png', 45), ('=2.png', 60), ('b/ä, x.png', 80)):
        write(folder / name, level)
    (folder / 'b' / 'bad.png').write_bytes(b'\x89PNG\r\n\x1a\nno picture')
    (folder / 'notes.txt').write_text('hello')
    write(folder / 'blank.png', 255)
    return str(folder)


def options(folder: pathlib.Path, **changes) -> OcrOptions:
    return OcrOptions(**{'input_dir': str(folder / 'crops'), 'output': str(folder / 'ocr.csv'), **changes})


def table(path: pathlib.Path) -> list[list[str]]:
    return list(csv.reader(io.StringIO(path.read_text(), newline='')))


def test_the_votes_are_those_of_the_pictures_and_bad_files_are_only_counted(reads, tmp_path):
    fill(tmp_path / 'crops')
    said = ocr(options(tmp_path))
    assert table(tmp_path / 'ocr.csv') == [
        ['name', 'label', 'confidence'],
        ["'=2.png", '3', '0.5400'],
        ['a/1.png', '1', '0.5400'],
        ['b/1.png', '2', '0.5400'],
        ['b/ä, x.png', '4', '0.5400'],
    ]
    summary, following = said.splitlines()
    assert summary.startswith(
        'levels: 5 images read; 4 answered (4 read in one pass); 1 not (1 without text); 2 left out (1 not an image, '
    )
    assert '1 truncated); 1: 1, 2: 1, 3: 1, 4: 1; see ' in summary
    assert following.startswith('next: python -m convert.label --data=DATA_SET --votes=')

    before = (tmp_path / 'ocr.csv').read_bytes()
    ocr(options(tmp_path, overwrite=True))
    assert (tmp_path / 'ocr.csv').read_bytes() == before


def test_a_data_set_is_read_with_the_names_of_its_records(reads, tmp_path):
    folder = fill(tmp_path / 'crops')
    convert(ConvertOptions(folder, str(tmp_path / 'data'), image_size=32, channels=1, holdout_percent=50))
    of_folder = options(tmp_path)
    ocr(of_folder)
    of_data = options(tmp_path, input_dir='', data=str(tmp_path / 'data'), output=str(tmp_path / 'data.csv'))
    assert f'--data={tmp_path}/data --votes={tmp_path}/data.csv' in ocr(of_data)
    splits = [images for images in image_set.open_both(str(tmp_path / 'data')) if images]
    entries = [entry for images in splits for entry in images.entries()]
    tables = [marks.read(one.output, marks.Names(entries)) for one in (of_folder, of_data)]
    assert tables[0] == tables[1]
    labels = {entries[number].name: vote.label for number, vote in tables[0].items()}
    assert labels == {'=2.png': '3', 'a/1.png': '1', 'b/1.png': '2', 'b/ä, x.png': '4'}


def test_a_folder_in_a_bucket_gives_the_votes_of_the_one_on_disk(reads, gcs, tmp_path):
    """Through a failing request; the table goes there too, and somebody's is not replaced."""
    fill(tmp_path / 'crops')
    ocr(options(tmp_path))
    for path in (tmp_path / 'crops').rglob('*.*'):
        gcs.server.put(f'{gcs.bucket}/crops/{path.relative_to(tmp_path / "crops")}', path.read_bytes())
    gcs.server.fault(503, match=r'1\.png')
    there = options(tmp_path, input_dir=f'{gcs.bucket}/crops', output=f'{gcs.bucket}/crops/ocr.csv')
    again = dataclasses.replace(there, overwrite=True)
    for one in (there, again):  # The second time its own table lies among the pictures.
        ocr(one)
        assert gcs.server.get(there.output) == (tmp_path / 'ocr.csv').read_bytes()
    with pytest.raises(errors.UserError, match='is a table of votes already, .* give --overwrite'):
        ocr(there)
    gcs.server.put(there.output, b'name,label\nmine,1\n')
    with pytest.raises(errors.UserError, match='has not made it'):
        ocr(again)
    assert gcs.server.get(there.output) == b'name,label\nmine,1\n'


@pytest.mark.parametrize(
    'content',
    [b'name,label,confidence\na.png,7,1\n', b'name,label\n', b'', b'\xff\xfe', b'name,label,confidence\n"a', b'a\0b'],
)
def test_a_table_of_somebody_else_is_refused_before_the_work(content, tmp_path, monkeypatch):
    monkeypatch.setattr(engines, 'make', None)
    (tmp_path / 'ocr.csv').write_bytes(content)
    with pytest.raises(
        errors.UserError, match=r'--output=.*ocr\.csv exists, but python -m convert\.ocr has not made it'
    ):
        ocr(options(tmp_path))
    assert (tmp_path / 'ocr.csv').read_bytes() == content


def test_the_table_survives_any_name_and_label(tmp_path):
    path = str(tmp_path / 'new' / 'ocr.csv')
    votes = [('=a,"b".png', Vote('-1', 0.5)), ('c\nd.png', Vote(',', 1.0)), ('e\udcff.png', Vote('"', 0.25))]
    for _ in range(2):
        votes_file.write(path, votes, overwrite=True)
    entries = [image_set.Entry(name, -1) for name, _ in votes]
    assert marks.read(path, marks.Names(entries)) == {number: vote for number, (_, vote) in enumerate(votes)}


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'input_dir': ''}, 'give --input_dir=FOLDER with pictures, or --data=FOLDER'),
        ({'data': 'x'}, 'not both'),
        ({'alphabet': ' '}, '--alphabet= .* is no alphabet'),
        ({'alphabet': 'a\tb'}, 'is no alphabet'),
        ({'input_dir': '/nowhere'}, '/nowhere is not a folder'),
        ({'output': '/'}, '--output=/ is a folder'),
        (
            {'alphabet': 'abc'},
            r'no image gives a vote, and .* is not written \(levels: 5 images read; 0 answered; 5 not',
        ),
        ({'length': 2}, r'5 not \(4 of another length, 1 without text\)'),
    ],
)
def test_what_cannot_be_is_one_line(changes, message, reads, tmp_path):
    fill(tmp_path / 'crops')
    with pytest.raises(errors.UserError, match=message):
        ocr(options(tmp_path, **changes))
    assert not (tmp_path / 'ocr.csv').exists()


def test_an_engine_that_fails_on_every_picture_says_why(monkeypatch, tmp_path, caplog):
    monkeypatch.setattr(engines, 'make', lambda *_: Levels())
    write(tmp_path / 'crops' / 'a.png', 240)
    with pytest.raises(errors.UserError, match=r'0 images read; 0 answered; 1 left out \(1 unreadable\)'):
        ocr(options(tmp_path))
    assert 'left out: a.png, unreadable (levels: too bright)' in caplog.text


def test_agreement_and_shapes_that_are_not_square(monkeypatch, tmp_path):
    monkeypatch.setattr(engines, 'make', lambda *_: Both())
    (tmp_path / 'crops').mkdir()
    for number, size in enumerate([(2, 1), (300, 20), (3000, 40), (20, 300)]):
        image = Image.new('LA', size)  # Transparent, so white.
        image.paste((0, 255), (0, 0, (size[0] + 1) // 2, size[1]))
        image.save(tmp_path / 'crops' / f'{number}.png')
    assert '4 answered (4 agreed)' in ocr(options(tmp_path))
    assert {row[2] for row in table(tmp_path / 'ocr.csv')[1:]} == {'0.8000'}


@pytest.mark.parametrize('name', INSTALL)
def test_real_digits_are_read(name, tmp_path):
    needs(name)
    (tmp_path / 'crops').mkdir()
    for digit in '27':
        Image.fromarray(drawn(digit)).save(tmp_path / 'crops' / f'{digit}.png')
    said = ocr(options(tmp_path, engine=name, alphabet=DIGITS, length=1))
    assert f'{name}: 2 images read; 2 answered' in said
    assert [row[:2] for row in table(tmp_path / 'ocr.csv')[1:]] == [[f'{digit}.png', digit] for digit in '27']


def test_without_an_engine_nothing_is_written(monkeypatch, tmp_path):
    monkeypatch.setattr(engines.importlib.util, 'find_spec', lambda _: None)
    monkeypatch.setenv('PATH', '/nowhere')
    fill(tmp_path / 'crops')
    with pytest.raises(errors.UserError, match="neither is installed: run pip install 'tpu-dcgan.ocr.'"):
        ocr(options(tmp_path))
    assert not (tmp_path / 'ocr.csv').exists()
