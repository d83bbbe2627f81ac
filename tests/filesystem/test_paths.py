"""Paths as people give them, and those that TensorFlow would take for patterns."""

from __future__ import annotations

import pathlib
import shutil

import pytest

from tests.conftest import TINY_FLAGS, write_dataset
from tests.processes import run_module
from trainer import errors
from trainer.filesystem import paths, pattern_free
from trainer.generator import saved_model
from trainer.model_dir import checkpoints
from trainer.options import RunOptions


@pytest.mark.parametrize(
    ('given', 'expected'),
    [
        ('', ''), ('photos', 'photos'), ('/photos', '/photos'), ('~/photos', '/home/ann/photos'), ('~', '/home/ann'),
        ('gs://bucket/a b', 'gs://bucket/a b'), ('a:b', 'a:b'), ('C:photos', 'C:photos'), ('./~x', './~x'),
        ('Ünï/é', 'Ünï/é'), ('a~', 'a~'),
    ],
)  # fmt: skip
def test_a_path_is_completed(given, expected, monkeypatch):
    monkeypatch.setenv('HOME', '/home/ann')
    assert paths.completed('--input_dir', given) == expected


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ('s3://bucket/x', 'paths are local or gs://BUCKET/FOLDER, nothing else'),
        ('https://example.com/x.zip', 'paths are local or gs://'), ('file:///tmp', 'paths are local or gs://'),
        ('gs:/bucket', 'paths are local or gs://'), ('HDFS://x', 'paths are local or gs://'), ('gs://', 'gs://'),
        ('~nobody-of-this-name/x', r'~nobody-of-this-name is not a home folder here; write \./~nobody-of-this-name/x'),
        ('a\nb', 'cannot be printed'), ('a\x1b[2J', 'cannot be printed'), ('a\udcffb', 'is not UTF-8'),
    ],
)  # fmt: skip
def test_a_path_that_cannot_be_is_named_with_the_rule(given, message):
    with pytest.raises(errors.UserError, match=message):
        paths.completed('--input_dir', given)
    if given.startswith(('s3', 'https', '~')):
        with pytest.raises(errors.UserError, match='--model_dir=.*' + message):
            RunOptions(model_dir=given)


def test_a_local_path_is_no_bucket():
    with pytest.raises(errors.UserError, match='--output_dir=gs://b/x: paths are local, nothing else'):
        paths.completed('--output_dir', 'gs://b/x', local=True)


def test_one_folder_has_one_identity(tmp_path):
    (tmp_path / 'real').mkdir()
    (tmp_path / 'link').symlink_to('real')
    assert paths.same(str(tmp_path / 'link'), str(tmp_path / 'real' / '..' / 'real/'))
    assert paths.within(str(tmp_path / 'link' / 'x'), str(tmp_path / 'real'))
    assert not paths.within(str(tmp_path / 'realm'), str(tmp_path / 'real'))
    assert paths.same('gs://b/x/', 'gs://b/x') and paths.within('gs://b/x/y', 'gs://b/x')
    assert paths.within('/anything', '/') and not paths.within('gs://b/xy', 'gs://b/x')


@pytest.mark.parametrize('name', ['', '.', '..', 'a/b', '/a', '../a', 'a\\b', 'a\nb', 'a\0', 'a\udcff'])
def test_a_name_from_a_file_is_of_its_folder(name):
    assert not paths.is_plain_name(name)
    assert paths.is_plain_name(f'train-{len(name)}.tfrecord')


@pytest.mark.parametrize(
    ('path', 'name'),
    [
        ('photos', 'photos'), ('data/photos64/', 'photos64'), ('data/photos64/train-*', 'photos64'), ('d/[a]', 'd'),
        ('d/x.tfrecord', 'd'), ('gs://bucket/data/', 'data'), ('gs://bucket', 'bucket'), ('../x/y/..', 'x'), ('/', ''),
    ],
)  # fmt: skip
def test_a_run_is_named_after_its_data(path, name):
    assert paths.name_of(path) == name


@pytest.mark.parametrize('name', ['run[64]', 'run*', 'what?', 'back\\slash', '[a-z]', '{x}[!y]'])
def test_a_path_without_pattern_characters_leads_to_the_same_file(name, tmp_path):
    folder = tmp_path / name / 'below'
    folder.mkdir(parents=True)
    plain = pattern_free.plain(str(folder / 'file'))
    pathlib.Path(plain).write_text('here')
    assert (folder / 'file').read_text() == 'here'
    assert not set(plain) & set(paths.PATTERN_CHARACTERS)
    assert pattern_free.plain(str(folder / 'file')) == plain
    assert pattern_free.plain(str(tmp_path)) == str(tmp_path)


def test_a_bucket_has_no_links():
    with pytest.raises(errors.UserError, match=r'gs://b/run\[64\] holds \[, which TensorFlow takes for a pattern'):
        pattern_free.plain('gs://b/run[64]')


def test_a_run_in_such_a_folder_is_any_other_and_leaves_its_neighbours_alone(tmp_path):
    """`*` is the worst: TensorFlow would search the folders beside it, and delete files there."""
    data, name = write_dataset(tmp_path / r'data[*] \x?'), r'run[64] *? \x'
    schedule = ('--save_steps=1', '--keep_checkpoints=2', '--eval_steps=2')
    flags = (*TINY_FLAGS, *schedule, f'--train_data={data}', f'--model_dir={name}')
    ended = run_module('trainer.task', *flags, '--train_steps=2', cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    for neighbour in ('run6 x', 'run[64] no x', 'run4 *? no'):
        shutil.copytree(tmp_path / name, tmp_path / neighbour)
    before = of_neighbours(tmp_path, name)
    ended = run_module('trainer.task', *flags, '--train_steps=4', cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    run = tmp_path / name
    assert 'at step 2' in ended.stderr  # It resumed.
    assert checkpoints.step_of(checkpoints.newest_whole(str(run))) == 4
    assert checkpoints.step_of(checkpoints.best(str(run))) in (2, 4)
    assert saved_model.is_ours(str(run / 'saved_model'))
    assert len(before) > 60 and before == of_neighbours(tmp_path, name)
    made = run_module('trainer.generate', f'--saved_model={name}/saved_model', '--count=2', cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert 'plain-' not in ended.stderr + made.stderr  # The link is not shown to the user.


def of_neighbours(folder: pathlib.Path, name: str) -> dict[pathlib.Path, int]:
    files = (path for path in folder.rglob('*') if path.is_file() and path.relative_to(folder).parts[0] != name)
    return {path: path.stat().st_mtime_ns for path in files if path.relative_to(folder).parts[0].startswith('run')}
