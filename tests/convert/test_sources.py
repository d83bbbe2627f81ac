"""Which files are input, what their labels are, and that hostile folders do no harm."""

from __future__ import annotations

import os
import pathlib

import pytest

from convert import rejection
from convert.listing import sources
from trainer import errors


def touch(root: pathlib.Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b'x')


def find(root: os.PathLike | str, output: os.PathLike | str = '/nowhere') -> sources.Listing:
    return sources.find(str(root), str(output))


def test_names_are_sorted_and_first_level_folders_are_labels(tmp_path):
    touch(tmp_path, 'b/2.png', 'b/1.png', 'a/deep/er/3.png', 'root.png', 'B/4.png')
    listing = find(tmp_path)
    assert listing.names == ('B/4.png', 'a/deep/er/3.png', 'b/1.png', 'b/2.png', 'root.png')
    assert listing.labels == ('B', 'a', 'b')
    assert [listing.label_of(name) for name in listing.names] == [0, 1, 2, 2, -1]


def test_hidden_and_system_files_are_no_input(tmp_path):
    touch(tmp_path, '.hidden/1.png', 'a/.2.png', 'a/.DS_Store', 'Thumbs.db', 'a/desktop.ini', 'a/3.png')
    assert find(tmp_path).names == ('a/3.png',)


def test_links_are_followed_and_loops_are_not(tmp_path):
    touch(tmp_path, 'in/a/1.png', 'elsewhere/2.png')
    (tmp_path / 'in' / 'loop').symlink_to(tmp_path / 'in')
    (tmp_path / 'in' / 'a' / 'up').symlink_to(tmp_path / 'in' / 'a')
    (tmp_path / 'in' / 'self').symlink_to('self')
    (tmp_path / 'in' / 'linked').symlink_to(tmp_path / 'elsewhere')
    (tmp_path / 'in' / 'file.png').symlink_to(tmp_path / 'elsewhere' / '2.png')
    assert find(tmp_path / 'in').names == ('a/1.png', 'file.png', 'linked/2.png', 'self')


def test_a_folder_keeps_its_label_when_an_earlier_one_links_to_it(tmp_path):
    touch(tmp_path, 'b/1.png', 'a/2.png')
    (tmp_path / 'a' / 'friend').symlink_to(tmp_path / 'b')
    assert find(tmp_path).names == ('a/2.png', 'b/1.png')


def test_pipes_and_dead_links_are_rejected_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'pipe.png')
    (tmp_path / 'dead.png').symlink_to('gone')
    listing = find(tmp_path)
    assert listing.names == ('dead.png', 'pipe.png')
    for name in listing.names:
        with pytest.raises(rejection.Rejected) as caught:
            listing.open(name)
        assert caught.value.reason == rejection.UNREADABLE


def test_the_output_folder_is_no_input(tmp_path):
    touch(tmp_path, 'a/1.png', 'out/train.tfrecord')
    assert find(tmp_path, tmp_path / 'out').names == ('a/1.png',)
    with pytest.raises(errors.UserError, match='also the --input_dir'):
        find(tmp_path, tmp_path / 'a' / '..')


def test_hostile_names_are_names(tmp_path):
    names = ('a b.png', 'line\nbreak.png', '"quoted",comma.png', 'café/日本.png', '-dash.png', '%s{x}.png')
    touch(tmp_path, *names)
    raw = os.path.join(os.fsencode(tmp_path), b'raw\xff.png')
    with open(raw, 'wb') as file:
        file.write(b'x')
    listing = find(tmp_path)
    assert set(listing.names) == {*names, 'raw\udcff.png'}
    for name in listing.names:
        with listing.open(name) as file:
            assert file.read() == b'x'


def test_a_folder_that_is_none_says_so(tmp_path):
    touch(tmp_path, 'file')
    (tmp_path / 'empty').mkdir()
    for folder, words in ((tmp_path / 'gone', 'not a folder'), (tmp_path / 'file', 'not a folder')):
        with pytest.raises(errors.UserError, match=words):
            find(folder)
    with pytest.raises(errors.UserError, match='holds no files'):
        find(tmp_path / 'empty')
