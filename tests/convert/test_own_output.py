"""Outputs of this project, and files that systems put beside photographs, are not taken for photographs."""

from __future__ import annotations

import json
import os
import pathlib
import shutil

import pytest

from convert.conversion import convert
from convert.listing import sources
from convert.options import ConvertOptions
from tests.conftest import smooth_images, tiny_hparams, write_dataset, write_run
from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS
from trainer import errors
from trainer.data import images
from trainer.filesystem import outputs
from trainer.generator import saved_model

pytestmark = LEAVES_CONNECTIONS


def data_set(folder: pathlib.Path) -> None:
    write_dataset(folder)


def data_set_of_another_name(folder: pathlib.Path) -> None:
    """A data set of an older version, or of another program, with shards in it."""
    folder.mkdir(parents=True)
    (folder / 'dataset.json').write_text('{"anything": 1}')
    (folder / 'x.tfrecord').touch()


def run(folder: pathlib.Path) -> None:
    folder.mkdir(parents=True)
    write_run(folder, 3, tiny_hparams())
    (folder / 'samples').mkdir()


def run_of_checkpoints_alone(folder: pathlib.Path) -> None:
    run(folder)
    (folder / 'hparams.json').unlink()


def run_before_its_first_checkpoint(folder: pathlib.Path) -> None:
    run(folder)
    for path in folder.glob('model.ckpt*'):
        path.unlink()


def page(folder: pathlib.Path) -> None:
    for name in ('code', 'sprites'):
        (folder / name).mkdir(parents=True)
    (folder / 'index.html').write_text('<html>')


def marked(folder: pathlib.Path) -> None:
    """Pictures of trainer.generate."""
    folder.mkdir(parents=True)
    outputs.write_mark(str(folder), outputs.Mark('trainer.generate', ('seed_*.png',)))


def exported(folder: pathlib.Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    checkpoint = write_run(folder.parent, 3, tiny_hparams())
    saved_model.export(tiny_hparams(), checkpoint, str(folder))
    for path in [*folder.parent.glob('*ckpt*'), folder.parent / 'checkpoint', folder.parent / 'hparams.json']:
        path.unlink()


MADE = {
    data_set: 'a data set', data_set_of_another_name: 'a data set', run: 'a training run',
    run_of_checkpoints_alone: 'a training run', run_before_its_first_checkpoint: 'a training run',
    page: 'a page of trainer.explore or convert.audit', marked: 'an output of python -m trainer.generate',
    exported: 'an exported generator',
}  # fmt: skip


def write_photos(folder: pathlib.Path, count: int = 3) -> None:
    for i, picture in enumerate(smooth_images(count, 40)):
        images.write_png(str(folder / f'{i}.png'), picture)


@pytest.mark.parametrize('make', MADE, ids=lambda make: make.__name__)
def test_what_we_have_made_is_left_out_and_named(make, tmp_path, caplog):
    photos = tmp_path / 'photos'
    write_photos(photos / 'roses')
    make(photos / 'made' / 'here')
    write_photos(photos / 'made' / 'here')  # Even with pictures in it, which are the generator's.
    with caplog.at_level('INFO', 'absl'):
        listing = sources.find(str(photos), '/nowhere')
    assert listing.names == ('roses/0.png', 'roses/1.png', 'roses/2.png')
    assert listing.labels == ('roses',)
    assert f'left out: made/here, {MADE[make]}' in caplog.text


@pytest.mark.parametrize('make', MADE, ids=lambda make: make.__name__)
def test_what_we_have_made_is_itself_no_input(make, tmp_path):
    make(tmp_path / 'here' / 'made')
    with pytest.raises(errors.UserError, match=f'is {MADE[make]}: name a folder with images in it'):
        sources.find(str(tmp_path / 'here' / 'made'), '/nowhere')


@pytest.mark.parametrize(
    'name',
    [
        '@eaDir',
        '$RECYCLE.BIN',
        'lost+found',
        'System Volume Information',
        '__MACOSX',
        '.git',
        '#recycle',
        '.Trash-1000',
    ],
)
def test_folders_of_systems_are_left_out(name, tmp_path):
    write_photos(tmp_path)
    write_photos(tmp_path / 'below' / name)
    assert sources.find(str(tmp_path), '/nowhere').names == ('0.png', '1.png', '2.png')


def test_a_folder_that_cannot_be_read_costs_only_itself(tmp_path, monkeypatch, caplog):
    write_photos(tmp_path / 'good')
    write_photos(tmp_path / 'locked')
    scandir = os.scandir

    def refusing(path):  # To the user that runs the tests, such as root, no folder may be locked.
        if str(path).endswith('locked'):
            raise PermissionError(13, 'Permission denied')
        return scandir(path)

    monkeypatch.setattr(os, 'scandir', refusing)
    with caplog.at_level('INFO', 'absl'):
        assert len(sources.find(str(tmp_path), '/nowhere').names) == 3
    assert 'left out: locked, which cannot be read (Permission denied)' in caplog.text
    shutil.rmtree(tmp_path / 'good')
    with pytest.raises(errors.UserError, match='locked cannot be listed: .*Permission denied'):
        sources.find(str(tmp_path / 'locked'), '/nowhere')


def test_files_of_other_programs_beside_photographs_do_no_harm(tmp_path):
    """An annotation `dataset.json`, an `hparams.json` of something else, one page of HTML."""
    write_photos(tmp_path)
    (tmp_path / 'dataset.json').write_text(json.dumps({'images': ['0.png'], 'classes': 3}))
    (tmp_path / 'hparams.json').write_text('{"lr": 1}')
    (tmp_path / 'index.html').write_text('<html>')
    assert {'0.png', '1.png', '2.png'} <= set(sources.find(str(tmp_path), '/nowhere').names)


def test_many_left_out_folders_are_counted(tmp_path, caplog):
    write_photos(tmp_path)
    for i in range(30):
        marked(tmp_path / f'made{i:02d}')
    with caplog.at_level('INFO', 'absl'):
        sources.find(str(tmp_path), '/nowhere')
    assert 0 < caplog.text.count('left out: made') < 30
    assert 'more folders' in caplog.text


def test_the_same_in_a_bucket(gcs, tmp_path, caplog):
    write_photos(tmp_path / 'photos')
    data_set(tmp_path / 'photos' / 'set')
    run(tmp_path / 'photos' / 'run')
    write_photos(tmp_path / 'photos' / '@eaDir')
    for path in (tmp_path / 'photos').rglob('*.*'):
        if path.is_file():
            gcs.server.put(f'{gcs.bucket}/photos/{path.relative_to(tmp_path / "photos")}', path.read_bytes())
    with caplog.at_level('INFO', 'absl'):
        assert sources.find(f'{gcs.bucket}/photos', '/nowhere').names == ('0.png', '1.png', '2.png')
    assert 'left out: set, a data set' in caplog.text and 'left out: run, a training run' in caplog.text


def test_a_second_conversion_does_not_eat_the_first(tmp_path):
    write_photos(tmp_path / 'photos', count=20)
    for i in range(2):
        options = ConvertOptions(str(tmp_path / 'photos'), str(tmp_path / 'photos' / f'set{i}'), image_size=32)
        made = convert(options)
        assert sum(shard.records for shards in made.splits.values() for shard in shards) == 20
