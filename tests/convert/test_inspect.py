from __future__ import annotations

import numpy as np
import pytest

from convert.inspect_tfrecords import InspectOptions, inspect
from tests.conftest import open_image, smooth_images, write_dataset, write_shard
from tests.data.test_records import cifar_record, encoded_record, tpu_dcgan_record
from tests.processes import run_module
from trainer import errors
from trainer.data import images


def look(tmp_path, *patterns: str) -> str:
    return inspect(patterns, InspectOptions(preview=str(tmp_path / 'sheet.png')))


def test_a_data_set_of_ours(dataset32, tmp_path):
    report = look(tmp_path, dataset32)
    assert '24 records in 2 shards of 12 to 12' in report
    assert 'described by dataset.json' in report
    assert '32x32x3 (24)' in report
    assert 'the records say HWC, the pixels say: neighbouring pixels of 24 images differ' in report
    assert 'values 0 to 255, mean of each channel 1' in report
    assert open_image(tmp_path / 'sheet.png').size == (5 * 32, 5 * 32)


@pytest.mark.parametrize(
    ('write', 'schema', 'layout'),
    [(tpu_dcgan_record, 'raw pixels', 'HWC'), (cifar_record, 'raw pixels', 'CHW'), (encoded_record, 'encoded', 'HWC')],
)
def test_the_sheet_shows_foreign_records_as_they_were_meant(tmp_path, write, schema, layout):
    pixels = smooth_images(9, 32)
    write_shard(tmp_path / 'old.tfrecord', [write(picture, i % 2) for i, picture in enumerate(pixels)])
    report = look(tmp_path, f'{tmp_path}/*.tfrecord')
    assert f'schema    {schema}' in report
    assert 'labels    0 (5), 1 (4)' in report
    assert f'as {layout} ' in report
    sheet = np.asarray(open_image(tmp_path / 'sheet.png'))
    np.testing.assert_array_equal(sheet, images.tile_grid(pixels))


def test_records_that_could_be_either_get_a_sheet_for_each_reading(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, [9, 32, 32, 3], dtype=np.uint8)
    write_shard(tmp_path / 'old.tfrecord', [tpu_dcgan_record(picture) for picture in noise])
    report = look(tmp_path, f'{tmp_path}/old.tfrecord')
    assert 'the records say nothing' in report
    for layout in ('HWC', 'CHW'):
        assert (tmp_path / f'sheet_{layout}.png').exists()


def test_records_of_mixed_sizes_are_counted_and_shown_of_the_first_size(tmp_path):
    serialized = [tpu_dcgan_record(picture) for size in (32, 64) for picture in smooth_images(9, size)]
    write_shard(tmp_path / 'old.tfrecord', serialized)
    assert '32x32x3 (9), 64x64x3 (9) (of 18 looked at)' in look(tmp_path, f'{tmp_path}/old.tfrecord')
    assert open_image(tmp_path / 'sheet.png').size == (3 * 32, 3 * 32)


def test_a_split_that_is_not_there_is_named(tmp_path):
    data = write_dataset(tmp_path / 'data', holdout=0)
    with pytest.raises(errors.DataError, match='has no holdout shards'):
        inspect([data], InspectOptions(split='holdout'))


@pytest.mark.parametrize('preview', ['sheet.png', 's3://bucket/sheet.png'])
def test_paths_are_local_or_of_cloud_storage(dataset32, preview):
    pattern = dataset32 if '://' in preview else 's3://bucket/data'
    with pytest.raises(errors.UserError, match='local or gs://BUCKET/FOLDER'):
        inspect([pattern], InspectOptions(preview=preview))


def test_a_damaged_shard_is_one_line(tmp_path):
    (tmp_path / 'bad.tfrecord').write_bytes(b'no record at all, but long enough')
    ended = run_module('convert.inspect_tfrecords', 'bad.tfrecord', cwd=tmp_path)
    assert ended.returncode == 2
    assert ended.stderr.splitlines()[-1].startswith('error: bad.tfrecord is damaged')
    assert 'Traceback' not in ended.stderr
