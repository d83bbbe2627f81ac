from __future__ import annotations

import pathlib

import numpy as np
import pytest

from tests.conftest import smooth_images, write_dataset, write_shard
from tests.data.test_records import cifar_record, encoded_record, tpu_dcgan_record
from trainer import errors
from trainer.data import dataset, manifest, records
from trainer.data.records import CHW, ENCODED, HWC, RAW


def verify(
    data: str, size: int = 32, channels: int = 3, layout: str = 'auto', mode: str = 'auto'
) -> dataset.DataSource:
    return dataset.verify(dataset.find(data, manifest.TRAIN), size, channels, layout, mode)


def shards_of(data: str) -> list[pathlib.Path]:
    return sorted(pathlib.Path(data).glob('train-*'))


def flip_a_byte(path: pathlib.Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize('mode', ['quick', 'full'])
def test_a_whole_data_set_passes(dataset32, mode):
    source = verify(dataset32, mode=mode)
    assert source.records == 24
    assert [pathlib.Path(path).name for path in source.paths] == [path.name for path in shards_of(dataset32)]
    assert source.format == records.RecordFormat(RAW, HWC)


def test_a_file_and_a_pattern_use_the_manifest_beside_them(dataset32):
    assert verify(str(shards_of(dataset32)[0])).records == 12
    assert verify(f'{dataset32}/train-*').records == 24
    assert all(shard.expected for shard in dataset.find(f'{dataset32}/train-*', manifest.TRAIN))


def test_the_hold_out_is_found_by_name(dataset32):
    assert len(dataset.find(dataset32, manifest.HOLDOUT)) == 2


def test_nothing_there_is_said(tmp_path):
    with pytest.raises(errors.DataError, match='matches no file'):
        dataset.find(f'{tmp_path}/*.tfrecord', manifest.TRAIN)
    with pytest.raises(errors.DataError, match=r'no dataset\.json'):
        dataset.find(str(tmp_path), manifest.TRAIN)


def test_a_shard_that_the_manifest_does_not_know_is_refused(dataset32):
    first = shards_of(dataset32)[0]
    first.with_name('train-extra.tfrecord').write_bytes(first.read_bytes())
    with pytest.raises(errors.DataError, match=r'train-extra\.tfrecord is not listed'):
        verify(f'{dataset32}/train-*')


@pytest.mark.parametrize('mode', ['quick', 'full'])
def test_a_missing_shard_is_named(dataset32, mode):
    shards_of(dataset32)[1].unlink()
    with pytest.raises(errors.DataError, match=r'train-00001-of-00002\.tfrecord is listed in dataset\.json but absent'):
        verify(dataset32, mode=mode)


@pytest.mark.parametrize('mode', ['quick', 'full'])
def test_a_shard_cut_short_is_named(dataset32, mode):
    shard = shards_of(dataset32)[1]
    shard.write_bytes(shard.read_bytes()[:-1])
    with pytest.raises(errors.DataError, match=r'train-00001-of-00002\.tfrecord has .* bytes, its manifest says'):
        verify(dataset32, mode=mode)


def test_a_changed_byte_is_found_by_the_full_check(dataset32):
    flip_a_byte(shards_of(dataset32)[1])
    with pytest.raises(errors.DataError, match=r'00001-of-00002\.tfrecord is damaged \(corrupted record at \d+\)'):
        verify(dataset32, mode='full')


def test_a_replaced_shard_is_found_by_its_checksum(dataset32):
    first, second = shards_of(dataset32)
    second.write_bytes(first.read_bytes())  # The names in both are equally long, so their sizes are equal.
    with pytest.raises(errors.DataError, match=r'train-00001-of-00002\.tfrecord .*(not the file|its manifest says)'):
        verify(dataset32)


def test_foreign_records_cut_short_are_found(tmp_path):
    path = tmp_path / 'old.tfrecord'
    write_shard(path, [tpu_dcgan_record(picture) for picture in smooth_images(9, 32)])
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(errors.DataError, match='damaged'):
        verify(str(path))


def test_another_size_names_both_and_the_fix(dataset32):
    with pytest.raises(errors.DataError, match=r'holds images of 32x32x3 .* expects 64x64x3: give --image_size=32'):
        verify(dataset32, size=64)


def test_other_channels_are_refused(dataset32):
    with pytest.raises(errors.DataError, match='32x32x3 .* 32x32x1'):
        verify(dataset32, channels=1)


@pytest.mark.parametrize('mode', ['quick', 'full'])
@pytest.mark.parametrize(
    ('write', 'encoding', 'layout'),
    [(tpu_dcgan_record, RAW, HWC), (cifar_record, RAW, CHW), (encoded_record, ENCODED, HWC)],
)
def test_foreign_records_are_recognised(tmp_path, write, encoding, layout, mode):
    for i in range(2):
        write_shard(tmp_path / f'{i}.tfrecord', [write(picture) for picture in smooth_images(16, 32, seed=i)])
    source = verify(f'{tmp_path}/*.tfrecord', mode=mode)
    assert (source.records, source.format) == (32, records.RecordFormat(encoding, layout))


def test_encoded_records_may_be_read_in_grey(tmp_path):
    write_shard(tmp_path / 'old.tfrecord', [encoded_record(picture) for picture in smooth_images(9, 32)])
    assert verify(f'{tmp_path}/*.tfrecord', channels=1).records == 9


@pytest.mark.parametrize('write', [tpu_dcgan_record, encoded_record])
def test_one_image_of_another_size_is_found_before_training(tmp_path, write):
    pictures = [*smooth_images(9, 32), *smooth_images(1, 64)]
    write_shard(tmp_path / 'old.tfrecord', [write(picture) for picture in pictures])
    with pytest.raises(errors.DataError, match='holds images of other sizes than 32x32x3'):
        verify(f'{tmp_path}/old.tfrecord')


def test_noise_that_does_not_say_its_layout_is_an_error_and_not_a_guess(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, [32, 32, 32, 3], dtype=np.uint8)
    write_shard(tmp_path / 'old.tfrecord', [tpu_dcgan_record(picture) for picture in noise])
    with pytest.raises(errors.DataError, match='give --record_layout=hwc or --record_layout=chw'):
        verify(f'{tmp_path}/old.tfrecord')
    assert verify(f'{tmp_path}/old.tfrecord', layout='chw').format.layout == CHW


def test_records_that_lie_about_their_layout_are_caught(tmp_path):
    """Pixels written in one order and declared as the other, the failure that this project is named after."""
    folder = tmp_path / 'lying'
    data = write_dataset(folder, train=0, holdout=0)
    scrambled = [
        records.encode_example(picture.transpose(2, 0, 1).reshape(32, 32, 3), 0, '')
        for picture in smooth_images(24, 32)
    ]
    shard = write_shard(folder / 'train-00000-of-00001.tfrecord', scrambled)
    manifest.write(data, manifest.Manifest(32, 3, HWC, {'train': (shard,)}))
    with pytest.raises(errors.DataError, match=r'lying/train-.* as HWC, but its pixels are CHW: .*--record_layout=chw'):
        verify(data)
    assert verify(data, layout='chw').format.layout == CHW
    assert verify(data, mode='trust').format.layout == HWC


def test_one_shard_in_the_other_order_is_named(tmp_path):
    for name, write in (('a', tpu_dcgan_record), ('b', tpu_dcgan_record), ('c', cifar_record)):
        write_shard(tmp_path / f'{name}.tfrecord', [write(picture) for picture in smooth_images(16, 32)])
    with pytest.raises(errors.DataError, match=r'c\.tfrecord would be read as HWC, but its pixels are CHW'):
        verify(f'{tmp_path}/*.tfrecord')


def test_shards_that_declare_different_layouts_do_not_mix(tmp_path):
    (picture,) = smooth_images(1, 32)
    write_shard(tmp_path / 'a.tfrecord', [records.encode_example(picture, 0, '')])
    write_shard(tmp_path / 'b.tfrecord', [tpu_dcgan_record(picture)])
    with pytest.raises(errors.DataError, match=r'b\.tfrecord have different layouts'):
        verify(f'{tmp_path}/*.tfrecord')


def test_a_flag_that_contradicts_the_pixels_is_caught(dataset32):
    with pytest.raises(errors.DataError, match=r'would be read as CHW, but its pixels are HWC: .*--verify_data=trust'):
        verify(dataset32, layout='chw')


def test_raw_and_encoded_records_do_not_mix(tmp_path):
    (picture,) = smooth_images(1, 32)
    write_shard(tmp_path / 'a.tfrecord', [tpu_dcgan_record(picture)])
    write_shard(tmp_path / 'b.tfrecord', [encoded_record(picture)])
    with pytest.raises(errors.DataError, match='mix raw and encoded'):
        verify(f'{tmp_path}/*.tfrecord')
