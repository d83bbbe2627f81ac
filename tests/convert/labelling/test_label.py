"""Labels of drawings: by marks, by folders, by votes; and what is written."""

from __future__ import annotations

import csv
import pathlib
from typing import NamedTuple

import numpy as np
import pytest
from PIL import Image

from convert.conversion import convert
from convert.label import LabelOptions, label
from convert.labelling import proposal
from convert.marks import Vote
from convert.options import ConvertOptions
from trainer import errors
from trainer.data import dataset, image_set, manifest
from trainer.features import extraction
from trainer.features.pixels import Pixels

KINDS = ('bar', 'ring')


def drawing(kind: str, random: np.random.Generator) -> np.ndarray:
    """uint8 [32, 32, 3]: a bar or a ring of any colour, somewhere."""
    y, x = np.mgrid[:32, :32] - random.integers(12, 20, [2, 1, 1])
    inside = (abs(x) < 3) & (abs(y) < 11) if kind == 'bar' else abs(np.hypot(x, y) - 8) < 2
    return np.where(inside[..., None], random.integers(150, 255, 3), random.integers(0, 100, 3)).astype(np.uint8)


class Made(NamedTuple):
    """A data set of drawings whose kinds only their names tell, and its folder."""

    data: pathlib.Path
    folder: pathlib.Path


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Made:
    folder = tmp_path_factory.mktemp('label')
    random = np.random.default_rng(0)
    (folder / 'drawings').mkdir()
    for number in range(80):
        kind = KINDS[number % 2]
        Image.fromarray(drawing(kind, random)).save(folder / 'drawings' / f'{number:02}-{kind}.png')
    convert(ConvertOptions(str(folder / 'drawings'), str(folder / 'data'), image_size=32, holdout_percent=20))
    return Made(folder / 'data', folder)


def kind_of(name: str) -> str:
    return name.partition('-')[2].partition('.')[0]


def marks(made: Made, path: pathlib.Path, of_each: int = 12) -> str:
    names = [entry.name for entry in image_set.open_split(str(made.data)).entries()]
    rows = [name for kind in KINDS for name in [name for name in names if kind_of(name) == kind][:of_each]]
    path.write_text('name,label\n' + ''.join(f'{name},{kind_of(name)}\n' for name in rows))
    return str(path)


def options(made: Made, tmp_path, **changes) -> LabelOptions:
    tiny = {'data': str(made.data), 'extractor': 'pixels', 'output_dir': str(tmp_path / 'labelled')}
    return LabelOptions(**{**tiny, **changes})


def table(folder: pathlib.Path) -> list[dict[str, str]]:
    with open(folder / 'labels.csv', newline='') as file:
        return list(csv.DictReader(file))


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob('*') if path.is_file()}


def test_a_set_is_labelled_from_a_few_marks(made, tmp_path):
    chosen = options(made, tmp_path, marks=marks(made, tmp_path / 'm.csv'), extractor='squeezenet', suggest=3)
    said = label(chosen)
    rows = table(tmp_path / 'labelled')
    assert len(rows) == 80
    assert sum(row['by'] == 'mark' for row in rows) == 24
    assert {row['split'] for row in rows} == {'train', 'holdout'}
    by_model = [row for row in rows if row['by'] == 'model']
    assert len(by_model) > 20
    assert np.mean([row['label'] == kind_of(row['name']) for row in by_model]) > 0.9
    assert all(row['label'] == '' for row in rows if row['by'] == '')
    assert f'{24 + len(by_model)} of 80 images have a label' in said

    for split in manifest.SPLITS:
        before, after = (
            image_set.open_split(str(folder), split, verify=dataset.FULL)
            for folder in (made.data, tmp_path / 'labelled')
        )
        np.testing.assert_array_equal(after.pixels(), before.pixels())
        told = {row['name']: row['label'] for row in rows if row['split'] == split}
        assert {e.name: after.labels[e.label] if e.label >= 0 else '' for e in after.entries()} == told
    described = manifest.read(str(tmp_path / 'labelled'))
    assert described.labels == KINDS
    assert described.options['labels']['precision'] == 0.95
    report = {path.name for path in (tmp_path / 'labelled' / 'labels').glob('[ls]*')}
    assert (
        {'label-000-bar.png', 'label-001-ring.png', 'suggested.csv', 'suggested.png'} >= report >= {'label-000-bar.png'}
    )


def test_the_same_input_gives_the_same_bytes_and_no_owner_loses_a_list(made, tmp_path, monkeypatch):
    chosen = options(made, tmp_path, marks=marks(made, tmp_path / 'm.csv'))
    label(chosen)
    first = contents(tmp_path / 'labelled')
    again = LabelOptions(**{**chosen.__dict__, 'overwrite': True})
    label(again)
    assert contents(tmp_path / 'labelled') == first

    corrected = tmp_path / 'labelled' / 'labels.csv'
    corrected.write_bytes(corrected.read_bytes() + b'mine\n')
    before = contents(tmp_path / 'labelled')
    monkeypatch.setattr(extraction, 'of_set', None)  # It is refused before the work.
    with pytest.raises(errors.UserError, match='holds labels.csv, which python -m convert.label has not made'):
        label(again)
    assert contents(tmp_path / 'labelled') == before
    drawings = str(made.folder / 'drawings')
    convert(ConvertOptions(drawings, str(tmp_path / 'labelled'), image_size=32, overwrite=True))
    assert corrected.read_bytes().endswith(b'mine\n')


def test_folders_are_marks_unless_they_leave_nothing_open(made, tmp_path):
    (tmp_path / 'tree').mkdir()
    for path in sorted((made.folder / 'drawings').iterdir()):
        known = kind_of(path.name) if int(path.name[:2]) < 24 else 'Unlabelled'
        (tmp_path / 'tree' / known).mkdir(exist_ok=True)
        (tmp_path / 'tree' / known / path.name).write_bytes(path.read_bytes())
    convert(ConvertOptions(str(tmp_path / 'tree'), str(tmp_path / 'data'), image_size=32, holdout_percent=0))
    folders = options(made, tmp_path, data=str(tmp_path / 'data'))
    label(folders)
    assert sum(row['by'] == 'mark' for row in table(tmp_path / 'labelled')) == 24
    assert manifest.read(str(tmp_path / 'labelled')).labels == KINDS

    (tmp_path / 'm.csv').write_text('00-bar.png,good\n01-ring.png,bad\n')
    whole = options(made, tmp_path, data=str(tmp_path / 'labelled'), precision='1%', output_dir=str(tmp_path / 'all'))
    label(whole)
    label(LabelOptions(**{**whole.__dict__, 'data': str(tmp_path / 'all'), 'marks': str(tmp_path / 'm.csv'),
                          'output_dir': str(tmp_path / 'judged')}))  # fmt: skip
    assert manifest.read(str(tmp_path / 'judged')).labels == ('bad', 'good')


def test_suggestions_need_no_marks_and_their_table_becomes_the_marks(made, tmp_path):
    report = tmp_path / 'report'
    label(options(made, tmp_path, output_dir='', suggest=12, report_dir=str(report)))
    with open(report / 'suggested.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    assert 6 <= len(rows) <= 12
    assert {row['label'] for row in rows} == {''}
    filled = ''.join(f'{row["name"]},{kind_of(row["name"])}\n' for row in rows)
    (tmp_path / 'm.csv').write_text('name,label\n' + filled)
    label(options(made, tmp_path, marks=str(tmp_path / 'm.csv')))
    assert not (tmp_path / 'labelled' / 'labels' / 'suggested.csv').exists()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'output_dir': ''}, 'there is nothing to write: give --output_dir=FOLDER, --suggest=20, or both'),
        ({'data': ''}, '--data is missing'),
        ({'precision': '0%'}, "--precision=0% is not a share of the model's labels: give a percentage, such as 90%"),
        ({'marks': ''}, r'know 0 labels \(none\): mark images of at least two'),
        ({'votes': 'a.csv, s3://b/c.csv'}, '--votes=s3://b/c.csv: paths are local or gs://BUCKET/FOLDER'),
        ({'data': '/nowhere'}, '--data=/nowhere is not a data-set folder'),
    ],
)
def test_what_cannot_be_is_told_before_the_work(changes, message, made, tmp_path, monkeypatch):
    monkeypatch.setattr(extraction, 'of_set', None)
    with pytest.raises(errors.UserError, match=message):
        label(options(made, tmp_path, **changes))
    assert not (tmp_path / 'labelled').exists()


def test_two_voters_or_one_and_the_model_decide():
    """Images 0 to 9 lie at one place, 10 to 19 at another."""
    features = {'grey16': np.repeat(np.eye(4, dtype=np.float32)[:2], 10, axis=0)}
    yes, no = Vote('a', 0.9), Vote('b', 0.8)
    first = {0: yes, 1: yes, 2: yes, 10: no, 11: no, 3: no, 4: Vote('a', 0.1)}
    second = {0: yes, 1: no, 2: yes, 10: no, 12: no}
    marked, votes = {5: Vote('a', 1.0), 11: Vote('b', 1.0)}, [first, second]
    found = proposal.propose(features, Pixels(), proposal.known(marked, votes), marked, votes, 0.5)
    assert found.names == ('a', 'b')
    by = dict(enumerate(found.by))
    assert {number for number, reason in by.items() if reason == proposal.VOTES} == {0, 2, 10, 12}
    assert {number for number, reason in by.items() if reason == proposal.MARK} == {5, 11}
    assert found.confidences[[0, 10, 5]].tolist() == [0.9, 0.8, 1.0]
    assert found.guesses[[0, 2, 10, 12]].tolist() == [0, 0, 1, 1]
    assert {number for number, reason in by.items() if reason == proposal.UNSURE} == {1, 3}  # Somebody disagrees.


def test_a_set_in_a_bucket_is_the_one_on_disk(made, gcs, tmp_path):
    """With marks from there, through a failing request; a corrected list stays there too."""
    here = options(made, tmp_path, marks=marks(made, tmp_path / 'm.csv'))
    label(here)
    gcs.server.put(f'{gcs.bucket}/m.csv', (tmp_path / 'm.csv').read_bytes())
    there = f'{gcs.bucket}/labelled'
    gcs.server.fault(503, match=r'labels\.csv')
    remote = LabelOptions(**{**here.__dict__, 'marks': f'{gcs.bucket}/m.csv', 'output_dir': there, 'overwrite': True})
    for _ in range(2):
        label(remote)
        for name in ('labels.csv', 'dataset.json', 'train-00000-of-00001.tfrecord', 'labels/label-000-bar.png'):
            assert gcs.server.get(f'{there}/{name}') == (tmp_path / 'labelled' / name).read_bytes(), name
    gcs.server.put(f'{there}/labels.csv', b'mine')
    with pytest.raises(errors.UserError, match=f'--output_dir={there} holds labels.csv'):
        label(remote)
    assert gcs.server.get(f'{there}/labels.csv') == b'mine'
    assert gcs.server.get(f'{there}/dataset.json')
