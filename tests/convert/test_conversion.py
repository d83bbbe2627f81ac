"""The whole converter: what it writes, what it refuses, and what an interruption leaves."""

from __future__ import annotations

import csv
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from convert.conversion import convert
from convert.options import ConvertOptions
from convert.output import preview
from convert.samples import COUNTRY_FLAGS
from convert.stages import ordering
from tests.conftest import ROOT, open_image, smooth_images
from tests.processes import run_module
from trainer import errors
from trainer.data import images, manifest, records

MODULE = 'convert.images_to_tfrecords'


def write_photos(folder: pathlib.Path, count: int, size: int = 40, seed: int = 0) -> pathlib.Path:
    for index, picture in enumerate(smooth_images(count, size, seed=seed)):
        path = folder / ('even' if index % 2 == 0 else 'odd') / f'{seed}_{index:03d}.png'
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(picture).save(path)
    return folder


def run(source: pathlib.Path, output: pathlib.Path, **changes) -> manifest.Manifest:
    return convert(ConvertOptions(**{'input_dir': str(source), 'output_dir': str(output), 'image_size': 32, **changes}))


def read(folder: os.PathLike | str, split: str = manifest.TRAIN) -> list[records.Record]:
    shards = manifest.read(str(folder)).splits[split]
    paths = [os.path.join(folder, shard.name) for shard in shards]
    return [records.decode_example(record) for record in tf.data.TFRecordDataset(paths).as_numpy_iterator()]


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope='module')
def photos(tmp_path_factory) -> pathlib.Path:
    """60 photos in two folders, and four files that give no photo."""
    folder = write_photos(tmp_path_factory.mktemp('photos'), 60)
    shutil.copy(folder / 'even' / '0_000.png', folder / 'odd' / 'copy.png')
    (folder / 'notes, "old".txt').write_text('no image')
    (folder / 'odd' / 'half.png').write_bytes((folder / 'odd' / '0_001.png').read_bytes()[:200])
    (folder / 'nothing.jpg').touch()
    return folder


def test_a_folder_becomes_a_data_set(photos, tmp_path):
    returned = run(photos, tmp_path / 'out', holdout_percent=20.0)
    found = manifest.read(str(tmp_path / 'out'))
    assert found == returned
    assert found.records('train') + found.records('holdout') == 60
    assert 2 <= found.records('holdout') <= 30
    assert found.labels == ('even', 'odd')
    assert found.rejected == {'duplicate': 1, 'not an image': 1, 'truncated': 1, 'empty file': 1}
    assert found.source == str(photos)
    assert found.options['holdout_percent'] == 20.0
    assert not {'workers', 'output_dir', 'overwrite'} & set(found.options)
    shards = {shard.name for split in found.splits.values() for shard in split}
    assert set(contents(tmp_path / 'out')) == shards | {'dataset.json', 'rejected.csv', 'preview.png'}


def test_each_record_holds_its_own_file(photos, tmp_path):
    run(photos, tmp_path / 'out', holdout_percent=20.0)
    found = read(tmp_path / 'out') + read(tmp_path / 'out', 'holdout')
    assert len({record.filename for record in found}) == 60
    for record in found:
        with open_image(photos / record.filename) as image:
            wanted = np.asarray(image.resize((32, 32), Image.Resampling.LANCZOS))
        assert np.array_equal(record.pixels(records.HWC), wanted)
        assert record.label == ('even', 'odd').index(record.filename.split('/')[0])


def test_mean_and_deviation_are_those_of_the_training_images(photos, tmp_path):
    found = run(photos, tmp_path / 'out', holdout_percent=20.0)
    pixels = np.stack([record.pixels(records.HWC) for record in read(tmp_path / 'out')])
    assert np.allclose(found.mean, pixels.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert np.allclose(found.std, pixels.std(axis=(0, 1, 2)), rtol=1e-12)


def test_the_list_of_rejections_says_why(photos, tmp_path):
    run(photos, tmp_path / 'out')
    with open(tmp_path / 'out' / 'rejected.csv', encoding='utf-8', newline='') as file:
        rows = {row['file']: (row['reason'], row['detail']) for row in csv.DictReader(file)}
    assert rows['odd/copy.png'] == ('duplicate', 'same pixels as even/0_000.png')
    assert rows['nothing.jpg'] == ('empty file', '')
    assert rows['odd/half.png'][0] == 'truncated'
    assert rows['notes, "old".txt'] == ('not an image', "it begins with b'no image'")


def test_the_bytes_do_not_depend_on_the_threads(photos, tmp_path):
    for workers in (1, 4):
        run(photos, tmp_path / str(workers), workers=workers, holdout_percent=20.0)
    assert contents(tmp_path / '1') == contents(tmp_path / '4')


def test_the_seed_decides_the_order_and_nothing_else(photos, tmp_path):
    for seed in (0, 1):
        run(photos, tmp_path / str(seed), seed=seed)
    first, second = ([record.filename for record in read(tmp_path / str(seed))] for seed in (0, 1))
    assert first != second
    assert sorted(first) == sorted(second) != first


def test_more_images_change_the_order_of_none(photos, tmp_path):
    larger = shutil.copytree(photos, tmp_path / 'larger')
    write_photos(larger, 40, seed=1)
    names = {}
    for source in (photos, larger):
        output = tmp_path / f'of {source.name}'
        run(source, output)
        names[source] = [record.filename for record in read(output)]
    assert [name for name in names[larger] if name in names[photos]] == names[photos]
    assert names[photos] != sorted(names[photos])


def test_more_images_move_none_between_the_splits(photos, tmp_path):
    larger = shutil.copytree(photos, tmp_path / 'larger')
    write_photos(larger, 40, seed=1)
    run(photos, tmp_path / 'before', holdout_percent=20.0)
    run(larger, tmp_path / 'after', holdout_percent=20.0)
    for split in manifest.SPLITS:
        before, after = ({record.filename for record in read(tmp_path / at, split)} for at in ('before', 'after'))
        assert before < after


def test_the_preview_shows_the_first_hundred_records(tmp_path):
    run(write_photos(tmp_path / 'in', 120), tmp_path / 'out')
    with open_image(tmp_path / 'out' / preview.FILE_NAME) as image:
        sheet = np.asarray(image)
    assert sheet.shape == (320, 320, 3)
    for index, record in enumerate(read(tmp_path / 'out')[:100]):
        top, left = index // 10 * 32, index % 10 * 32
        assert np.array_equal(sheet[top : top + 32, left : left + 32], record.pixels(records.HWC))


def test_grey_is_written_as_one_channel(photos, tmp_path):
    found = run(photos, tmp_path / 'out', channels=1)
    assert found.channels == len(found.mean) == 1
    assert read(tmp_path / 'out')[0].pixels(records.HWC).shape == (32, 32, 1)


def test_duplicates_are_kept_on_request_and_stay_together(tmp_path):
    source = write_photos(tmp_path / 'in', 20)
    shutil.copytree(source, source / 'again')
    found = run(source, tmp_path / 'out', keep_duplicates=True, holdout_percent=30.0)
    assert found.records('train') + found.records('holdout') == 40
    for split in manifest.SPLITS:
        pixels = [record.data for record in read(tmp_path / 'out', split)]
        assert all(pixels.count(data) == 2 for data in pixels)


def test_a_set_so_small_that_all_is_held_out_is_trained_on(tmp_path, monkeypatch):
    monkeypatch.setattr(ordering, 'split_of', lambda *_: manifest.HOLDOUT)
    found = run(write_photos(tmp_path / 'in', 3), tmp_path / 'out')
    assert (found.records('train'), found.records('holdout')) == (3, 0)
    assert len(found.mean) == 3


def test_hostile_names_reach_the_records(tmp_path):
    source = write_photos(tmp_path / 'in', 4)
    names = ['new\nline.png', 'raw\udcff.png', 'a,b "c".png', 'é.png']
    for old, new in zip(sorted(source.rglob('*.png')), names):
        old.rename(source / new)
    run(source, tmp_path / 'out', holdout_percent=0.0)
    assert sorted(record.filename for record in read(tmp_path / 'out')) == sorted(names)


@pytest.mark.parametrize('option', ['input_dir', 'output_dir'])
@pytest.mark.parametrize(
    'path', ['s3://bucket/folder', 'ram://folder', 'https://storage.googleapis.com/bucket', 'gs://']
)
def test_paths_are_local_or_of_cloud_storage(option, path):
    with pytest.raises(errors.UserError, match='gs://BUCKET/FOLDER'):
        ConvertOptions(**{'input_dir': 'in', 'output_dir': 'out', option: path})


@pytest.mark.parametrize('good', [0, 1])
def test_too_few_images_write_nothing(tmp_path, good):
    source = write_photos(tmp_path / 'in', good) if good else tmp_path / 'in'
    source.mkdir(exist_ok=True)
    for index in range(3):
        (source / f'{index}.jpg').write_text('no image')
    with pytest.raises(errors.UserError, match=f'{good} images are left of {good + 3} files .* .3 not an image'):
        run(source, tmp_path / 'deep' / 'out')
    assert [path.name for path in tmp_path.iterdir()] == ['in']


def test_a_finished_data_set_is_refused_and_overwritten_on_request(photos, tmp_path):
    run(photos, tmp_path / 'out')
    before = contents(tmp_path / 'out')
    with pytest.raises(errors.UserError, match='--overwrite'):
        run(photos, tmp_path / 'out', channels=1)
    assert contents(tmp_path / 'out') == before
    assert run(photos, tmp_path / 'out', channels=1, overwrite=True).channels == 1
    run(photos, tmp_path / 'out', overwrite=True)
    assert contents(tmp_path / 'out') == before


def test_an_output_folder_that_is_a_file_is_one_line(photos, tmp_path):
    (tmp_path / 'out').touch()
    with pytest.raises(errors.UserError, match='cannot be written'):
        run(photos, tmp_path / 'out')


def test_a_killed_run_leaves_no_data_set_and_the_next_starts_clean(tmp_path):
    source = write_photos(tmp_path / 'in', 30)
    os.mkfifo(tmp_path / 'never')
    # The last file is read from a pipe that nothing writes to, so that the run is killed in the middle.
    code = f"""
import os, sys
from convert import images_to_tfrecords
from convert.listing import sources
opened = sources.open_file
def slow(folder, name):
    return open({str(tmp_path / 'never')!r}, 'rb') if name == 'odd/0_029.png' else opened(folder, name)
sources.open_file = slow
sys.argv = ['x', '--input_dir={source}', '--output_dir={tmp_path / 'out'}', '--image_size=32']
m = images_to_tfrecords
m.cli.run(m.main, '', [m.ConvertOptions, m.RunnerOptions])
"""
    process = subprocess.Popen([sys.executable, '-c', code], env={**os.environ, 'PYTHONPATH': str(ROOT)})
    deadline = time.monotonic() + 60
    while not (tmp_path / 'out' / '.converting').exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert (tmp_path / 'out' / '.converting').exists()
    with pytest.raises(errors.DataError):
        manifest.read(str(tmp_path / 'out'))
    run(source, tmp_path / 'out')
    run(source, tmp_path / 'clean')
    assert contents(tmp_path / 'out') == contents(tmp_path / 'clean')


def test_the_command_ends_with_what_to_type_next(tmp_path):
    flags = ['--image_size=32', '--fit=stretch', '--background=#102030', f'--output_dir={tmp_path / "flags"}']
    ended = run_module(MODULE, f'--input_dir={COUNTRY_FLAGS}', *flags, cwd=tmp_path)
    assert ended.returncode == 0, ended.stderr
    next_command = f'python -m trainer.task --train_data={tmp_path / "flags"} --image_size=32 --channels=3'
    assert f'{next_command} --model_dir=runs/flags\n' in ended.stderr
    assert str(tmp_path / 'flags' / 'preview.png') in ended.stderr
    assert '14 rejected: duplicate' in ended.stderr
    assert manifest.read(str(tmp_path / 'flags')).records('train') > 200


def test_an_error_is_one_line_and_an_exit_code(tmp_path):
    (tmp_path / 'in').mkdir()
    (tmp_path / 'in' / 'a.jpg').write_text('no image')
    ended = run_module(MODULE, '--input_dir=in', '--output_dir=out', cwd=tmp_path)
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1].startswith('error: 0 images are left of 1 files in in')
    assert 'Traceback' not in ended.stderr
    assert [path.name for path in tmp_path.iterdir()] == ['in']


def test_generated_pictures_are_counted_and_never_held_out(tmp_path, caplog):
    """The same pixels without the mark of trainer.generate would be held out."""
    for i, picture in enumerate(smooth_images(30, 32)):
        images.write_png(str(tmp_path / 'mixed' / f'seed_{i:06d}.png'), picture, images.GENERATED)
        images.write_png(str(tmp_path / 'plain' / f'seed_{i:06d}.png'), picture)
    write_photos(tmp_path / 'mixed', 20, seed=1)
    plain = run(tmp_path / 'plain', tmp_path / 'without', holdout_percent=50)
    assert plain.records(manifest.HOLDOUT) > 5 and manifest.SYNTHETIC not in plain.options
    assert 'pictures of trainer.generate' not in caplog.text
    mixed = run(tmp_path / 'mixed', tmp_path / 'with', holdout_percent=50)
    assert mixed.options[manifest.SYNTHETIC] == 30
    assert '30 of the images are pictures of trainer.generate: none of them is held out' in caplog.text
    held_out = {record.filename for record in read(tmp_path / 'with', manifest.HOLDOUT)}
    assert held_out and not any('seed' in name for name in held_out)
    assert sum('seed' in record.filename for record in read(tmp_path / 'with')) == 30
