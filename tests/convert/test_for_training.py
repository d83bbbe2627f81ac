"""From photographs to a run in one command: what `--train_data=photos` makes, reuses, replaces and refuses."""

from __future__ import annotations

import pathlib
import shutil
import time

import numpy as np
import pytest

from convert import for_training
from convert.listing import sources
from tests.conftest import TINY_FLAGS, smooth_images, write_dataset
from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS
from tests.processes import run_module
from trainer import errors
from trainer.data import images, manifest
from trainer.filesystem import outputs

pytestmark = LEAVES_CONNECTIONS
TINY = (*TINY_FLAGS, '--eval_steps=0')


def write_photos(folder: pathlib.Path, count: int = 20, size: int = 70, channels: int = 3) -> str:
    for i, picture in enumerate(smooth_images(count, size, channels)):
        images.write_png(str(folder / 'roses' / f'{i:03d}.png'), picture)
    return str(folder)


def prepare(photos: str, folder: pathlib.Path | str, size: int = 0, channels: int = 0, **more) -> str:
    return for_training.prepare(photos, str(folder), size, channels, for_training.FIT, **more)


def described(folder: pathlib.Path | str) -> tuple[int, int, int]:
    made = manifest.read(str(folder))
    return made.image_size, made.channels, sum(shard.records for shards in made.splits.values() for shard in shards)


def listing(folder: pathlib.Path) -> dict[str, tuple[bytes, int]]:
    files = (path for path in folder.rglob('*') if path.is_file())
    return {str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize(
    ('size', 'channels', 'expected'),
    [(20, 3, (32, 3)), (40, 3, (32, 3)), (70, 3, (64, 3)), (300, 3, (128, 3)), (70, 1, (64, 1))],
)
def test_the_size_and_the_channels_are_those_of_the_photographs(size, channels, expected, tmp_path, caplog):
    photos = write_photos(tmp_path / 'photos', 6, size, channels)
    with caplog.at_level('INFO', 'absl'):
        prepare(photos, tmp_path / 'data')
    assert described(tmp_path / 'data')[:2] == expected
    assert f'--image_size={expected[0]} --channels={expected[1]}, chosen from 6 examined images' in caplog.text


def test_grey_photographs_saved_in_colour_are_grey_and_one_with_colours_is_not(tmp_path):
    write_photos(tmp_path / 'photos', 6)
    for path in (tmp_path / 'photos').rglob('*.png'):
        picture = smooth_images(1, 70, 1, seed=int(path.stem))[0]
        images.write_png(str(path), np.repeat(picture, 3, axis=-1))
    prepare(str(tmp_path / 'photos'), tmp_path / 'grey')
    assert described(tmp_path / 'grey') == (64, 1, 6)
    images.write_png(str(tmp_path / 'photos' / 'roses' / 'one.png'), smooth_images(1, 70)[0])
    prepare(str(tmp_path / 'photos'), tmp_path / 'colour')
    assert described(tmp_path / 'colour') == (64, 3, 7)


def test_most_decide_about_the_size(tmp_path):
    write_photos(tmp_path / 'photos', 11, 300)
    for i, picture in enumerate(smooth_images(5, 40)):
        images.write_png(str(tmp_path / 'photos' / f'small{i}.png'), picture)
    prepare(str(tmp_path / 'photos'), tmp_path / 'data')
    assert described(tmp_path / 'data') == (128, 3, 16)


def test_it_is_reused_until_something_changes(tmp_path, caplog):
    photos, data = write_photos(tmp_path / 'photos'), tmp_path / 'data'
    prepare(photos, data)
    before = listing(data)
    with caplog.at_level('INFO', 'absl'):
        prepare(photos, data)
    assert listing(data) == before and 'is up to date: nothing has changed in' in caplog.text
    assert prepare(photos, data, dry=True) == str(data)

    images.write_png(str(tmp_path / 'photos' / 'one_more.png'), smooth_images(1, 70, seed=5)[0])
    assert prepare(photos, data, dry=True) == ''
    prepare(photos, data)
    assert described(data) == (64, 3, 21)
    (tmp_path / 'photos' / 'one_more.png').unlink()
    prepare(photos, data)
    assert described(data) == (64, 3, 20)
    changed = tmp_path / 'photos' / 'roses' / '000.png'
    time.sleep(0.01)
    images.write_png(str(changed), smooth_images(1, 70, seed=9)[0])
    stamp = manifest.read(str(data)).splits
    prepare(photos, data)
    assert manifest.read(str(data)).splits != stamp
    prepare(photos, data, size=32)
    assert described(data) == (32, 3, 20)


def test_what_is_not_its_own_is_never_replaced(tmp_path):
    """A user's data set lies where the run keeps its own, and has another size or the same size."""
    photos = write_photos(tmp_path / 'photos')
    for size in (32, 64):
        data = tmp_path / f'run{size}' / 'data'
        write_dataset(data, size)
        before = listing(data)
        with pytest.raises(errors.UserError, match='holds a data set that python -m trainer.task has not made .* --tr'):
            prepare(photos, data)
        assert listing(data) == before
    for name in ('thesis.txt', 'train-00000-of-00001.tfrecord', 'roses/001.png'):
        data = tmp_path / name.replace('/', '_')
        (data / name).parent.mkdir(parents=True)
        (data / name).write_bytes(b'mine')
        before = listing(data)
        with pytest.raises(errors.UserError, match='holds .*, which .* has not made and will not touch'):
            prepare(photos, data)
        assert listing(data) == before


def test_a_set_that_was_made_by_hand_of_one_that_this_made_is_the_users(tmp_path):
    """A file that was put beside the shards does no harm, and stays."""
    photos, data = write_photos(tmp_path / 'photos'), tmp_path / 'data'
    prepare(photos, data)
    (data / 'notes.txt').write_text('mine')
    prepare(photos, data, size=32)
    assert described(data)[0] == 32 and (data / 'notes.txt').read_text() == 'mine'


@pytest.mark.parametrize(
    ('names', 'expected'),
    [
        (['a.jpg'], True), (['below/a.jpg'], True), (['a.jpg', 'dataset.json'], True), (['x.tfrecord'], False),
        (['notes.txt'], True), ([], False),
    ],
)  # fmt: skip
def test_what_is_a_folder_of_images(names, expected, tmp_path, gcs):
    for name in names:
        (tmp_path / 'in' / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / 'in' / name).write_text('{"other": 1}')
        gcs.server.put(f'{gcs.bucket}/in/{name}', b'{"other": 1}')
    assert for_training.is_folder_of_images(str(tmp_path / 'in')) == expected
    assert for_training.is_folder_of_images(f'{gcs.bucket}/in') == expected
    (tmp_path / 'empty').mkdir()
    assert for_training.is_folder_of_images(str(tmp_path / 'empty'))  # `prepare` then says that it is empty.
    assert not for_training.is_folder_of_images(str(tmp_path / 'nowhere'))
    assert not for_training.is_folder_of_images(write_dataset(tmp_path / 'set', train=2, holdout=0))


def test_it_is_one_command(tmp_path):
    """It trains in runs/NAME, at the photographs' size and channels; it resumes; it converts again for more images."""
    write_photos(tmp_path / 'my photos')
    before = listing(tmp_path / 'my photos')
    first = run_module('trainer.task', '--train_data=my photos', *TINY, '--train_steps=1', cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    run = tmp_path / 'runs' / 'my photos'
    assert described(run / 'data') == (64, 3, 20)
    assert 'look at runs/my photos/data/preview.png' in first.stderr and (run / 'data' / 'preview.png').exists()
    assert "python -m trainer.generate --model_dir='runs/my photos' --count=16" in first.stderr
    assert listing(tmp_path / 'my photos') == before

    images.write_png(str(tmp_path / 'my photos' / 'one_more.png'), smooth_images(1, 70, seed=5)[0])
    again = run_module('trainer.task', '--train_data=my photos', *TINY, '--train_steps=2', cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert described(run / 'data') == (64, 3, 21)
    assert 'at step 1' in again.stderr and 'was trained to step 1 on' in again.stderr

    known = listing(run)
    wrong = run_module('trainer.task', '--train_data=my photos', '--image_size=32', *TINY, cwd=tmp_path)
    assert wrong.returncode == 1 and 'image_size' in wrong.stderr.splitlines()[-1], wrong.stderr
    assert listing(run) == known  # The run's data set also stays the one that it was trained on.


def test_photographs_of_the_same_name_do_not_go_on_with_the_others_run(tmp_path):
    for place in ('a', 'b'):
        write_photos(tmp_path / place / 'photos')
    assert run_module('trainer.task', '--train_data=a/photos', *TINY, '--train_steps=1', cwd=tmp_path).returncode == 0
    shutil.copytree(tmp_path / 'runs', tmp_path / 'before')
    other = run_module('trainer.task', '--train_data=b/photos', *TINY, '--train_steps=1', cwd=tmp_path)
    assert other.returncode == 1
    assert 'error: runs/photos is a run on ' in other.stderr.splitlines()[-1]
    assert 'give another --model_dir, or --model_dir=runs/photos to go on with it' in other.stderr
    known = listing(tmp_path / 'before')
    assert {name: data for name, (data, _) in listing(tmp_path / 'runs').items()} == {
        name: data for name, (data, _) in known.items()
    }


def test_in_a_bucket(gcs, tmp_path):
    photos = pathlib.Path(write_photos(tmp_path / 'photos'))
    for path in photos.rglob('*.png'):
        gcs.server.put(f'{gcs.bucket}/photos/{path.relative_to(photos)}', path.read_bytes())
    data = f'{gcs.bucket}/run/data'
    prepare(f'{gcs.bucket}/photos', data)
    assert described(data) == (64, 3, 20)
    assert outputs.read_mark(data).made_by == 'trainer.task'
    gcs.server.clear_requests()
    prepare(f'{gcs.bucket}/photos', data)
    assert not [request for request in gcs.server.requests if request.path.startswith('/upload')]
    gcs.server.put(f'{gcs.bucket}/photos/one_more.png', (photos / 'roses' / '001.png').read_bytes())
    prepare(f'{gcs.bucket}/photos', data)
    assert described(data)[0] == 64 and manifest.read(data).source == f'{gcs.bucket}/photos'


def test_the_stamp_of_a_folder_knows_names_sizes_and_times(tmp_path):
    photos = write_photos(tmp_path / 'photos', 3)
    stamp = sources.fingerprint(sources.find(photos, '/nowhere'))
    assert stamp == sources.fingerprint(sources.find(photos, '/nowhere')) and len(stamp) == 16
    (tmp_path / 'photos' / 'roses' / '000.png').rename(tmp_path / 'photos' / 'roses' / 'x.png')
    assert sources.fingerprint(sources.find(photos, '/nowhere')) != stamp
