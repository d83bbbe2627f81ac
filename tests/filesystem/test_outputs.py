"""The rule for all outputs: absent, empty, or made by the same command; otherwise refused before any work."""

from __future__ import annotations

import json
import os
import pathlib

import pytest

from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS
from trainer import errors
from trainer.filesystem import outputs
from trainer.filesystem.outputs import Mark
from trainer.model_dir import run_folder

pytestmark = LEAVES_CONNECTIONS


def claimed(folder, names=('grid.png', 'seed_*.png'), made_by='trainer.generate'):
    return outputs.claimed('--output_dir', str(folder), made_by, names)


def refusal(folder, **changes) -> str:
    with pytest.raises(errors.UserError) as raised, claimed(folder, **changes):
        pytest.fail('it was taken')
    return str(raised.value)


@pytest.fixture(params=['local', 'gs'])
def folder(request, tmp_path) -> str:
    return str(tmp_path / 'out') if request.param == 'local' else f'{request.getfixturevalue("gcs").bucket}/out'


def put(folder: str, name: str, gcs_server) -> None:
    if folder.startswith('gs://'):
        gcs_server.put(f'{folder}/{name}', b'mine')
    else:
        path = pathlib.Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('mine')


def test_an_absent_folder_is_taken_and_taken_again_by_the_same_command(folder):
    for names in (('grid.png',), ('seed_*.png',)):
        with claimed(folder, names):
            outputs.files.write_bytes(f'{folder}/{names[0].replace("*", "1")}', b'x')
    assert outputs.read_mark(folder) == Mark('trainer.generate', ('grid.png', 'seed_*.png'))
    assert 'holds grid.png, which python -m trainer.explore has not made' in refusal(folder, made_by='trainer.explore')


@pytest.mark.parametrize('name', ['thesis.txt', 'grid.png', 'below/thesis.txt'])
def test_anything_else_is_refused_and_stays_as_it_is(folder, name, gcs_server):
    put(folder, name, gcs_server)
    message = refusal(folder)
    assert f'--output_dir={folder} holds {name.split("/")[0]}, which python -m trainer.generate has not made' in message
    assert 'choose another folder' in message
    if not folder.startswith('gs://'):
        assert [path.name for path in pathlib.Path(folder).iterdir()] == [name.split('/')[0]]


def test_of_a_folder_that_is_ours_only_our_names_are(tmp_path):
    with claimed(tmp_path / 'out', ('grid.png',)):
        (tmp_path / 'out' / 'grid.png').write_text('ours')
    (tmp_path / 'out' / 'seed_000001.png').write_text('mine')
    (tmp_path / 'out' / 'notes.txt').write_text('mine')
    with claimed(tmp_path / 'out', ('grid.png',)):
        pass
    assert 'holds seed_000001.png' in refusal(tmp_path / 'out')


@pytest.mark.parametrize('content', ['', '[]', '{}', '{"made_by": 7}', '{"made_by": "trainer.generate", "names": "*"}'])
def test_a_mark_that_cannot_be_read_proves_nothing(tmp_path, content):
    (tmp_path / outputs.MARK).write_text(content)
    (tmp_path / 'grid.png').write_text('mine')
    assert 'holds grid.png' in refusal(tmp_path)


def test_what_systems_leave_in_new_folders_is_nothing(tmp_path):
    (tmp_path / 'lost+found').mkdir()
    (tmp_path / '.DS_Store').touch()
    with claimed(tmp_path):
        pass


def test_what_a_kill_leaves_before_there_is_a_mark_is_nothing(tmp_path):
    pathlib.Path(outputs.files.temporary_beside(str(tmp_path / outputs.MARK))).touch()
    with claimed(tmp_path):
        pass


def test_a_command_that_fails_leaves_no_folder_behind(tmp_path):
    with pytest.raises(RuntimeError), claimed(tmp_path / 'deep' / 'out'):
        raise RuntimeError
    assert not list(tmp_path.iterdir())


def test_a_folder_takes_one_process_at_a_time(folder):
    with claimed(folder):
        message = refusal(folder)
    assert 'in use by process' in message and 'another --output_dir' in message


def test_a_file_a_folder_without_rights_and_a_link_to_nowhere(tmp_path):
    (tmp_path / 'file').touch()
    assert f'--output_dir={tmp_path}/file cannot be written' in refusal(tmp_path / 'file')
    assert 'there is a file where a folder should be' in refusal(tmp_path / 'file' / 'out')
    (tmp_path / 'link').symlink_to('nowhere')
    assert 'cannot be written' in refusal(tmp_path / 'link')


def test_a_run_is_told_from_a_folder_of_something_else(tmp_path):
    def take(name: str):
        return run_folder.claimed(str(tmp_path / name), {})

    for name, content in (('copied', 'model.ckpt-10.index'), ('older', 'hparams.json')):
        (tmp_path / name).mkdir()
        (tmp_path / name / content).touch()
        (tmp_path / name / 'notes.txt').touch()
        with take(name):
            pass
    (tmp_path / 'thesis').mkdir()
    (tmp_path / 'thesis' / 'samples').mkdir()
    with pytest.raises(errors.UserError, match='--model_dir=.*thesis holds samples'), take('thesis'):
        pass
    data = tmp_path / 'prepared' / 'data'
    data.mkdir(parents=True)
    (data / 'dataset.json').write_text(json.dumps({'splits': {}}))
    with take('prepared'):
        pass
    assert os.listdir(data) == ['dataset.json']
