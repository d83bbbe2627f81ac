"""The full check covers every record: geometry, layout and length, and pixels throughout the shard."""

from __future__ import annotations

import gzip
import os
import pathlib
import struct
import zlib

import google_crc32c
import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import smooth_images, write_dataset, write_shard
from tests.data.test_records import cifar_record, encoded_record, tpu_dcgan_record
from trainer import errors
from trainer.data import dataset, manifest, records, shard_file, shard_scan
from trainer.dcgan import input_fn
from trainer.dcgan.hparams import HParams

PICTURES = smooth_images(96, 32)


def own(picture, layout: str = 'HWC') -> bytes:
    serialized = records.encode_example(picture, 0, 'x.png')
    return serialized if layout == 'HWC' else serialized.replace(b'HWC', layout.encode())


def transposed(picture) -> bytes:
    return records.encode_example(picture.transpose(2, 0, 1).reshape(32, 32, 3), 0, 'x.png')


def oblong(picture) -> bytes:
    return records.encode_example(picture.reshape(64, 16, 3), 0, 'x.png')


def whole(folder: pathlib.Path, serialized: list[bytes]) -> str:
    """A data set of one shard with a correct manifest."""
    folder.mkdir()
    shard = write_shard(folder / 'train-00000-of-00001.tfrecord', serialized)
    manifest.write(str(folder), manifest.Manifest(32, 3, records.HWC, {'train': (shard,)}))
    return str(folder)


def find(data: str) -> list[shard_scan.ShardFile]:
    return dataset.find(data, manifest.TRAIN)


def verify(data: str, mode: str = 'full') -> dataset.DataSource:
    return dataset.verify(find(data), 32, 3, 'auto', mode)


@pytest.mark.parametrize(
    ('wrong', 'message'),
    [
        (lambda i: transposed(PICTURES[i]), 'would be read as HWC, but its pixels are CHW'),
        (lambda i: own(PICTURES[i], 'CHW'), 'declares the layout HWC in record 0, but CHW in record'),
        (lambda i: oblong(PICTURES[i]), r'images of other sizes than 32x32x3: record \d+ is of 64x16x3'),
        (lambda i: own(smooth_images(1, 16)[0]), r'images of other sizes than 32x32x3: record \d+ is of 16x16x3'),
        (lambda i: encoded_record(PICTURES[i]), 'mixes raw and encoded images, from record'),
        (lambda i: tpu_dcgan_record(PICTURES[i]), 'declares the layout HWC in record 0, but unknown in record'),
        (lambda i: b'no example', 'record .*is not a tf.train.Example'),
        (lambda i: own(PICTURES[i][:, :, :1]), r'record \d+ is of 32x32x1'),
    ],
    ids=['pixels', 'declared layout', 'shape', 'size', 'encoding', 'schema', 'garbage', 'channels'],
)
@pytest.mark.parametrize('where', ['end', 'middle', 'tail'])
def test_right_records_followed_by_wrong_ones_are_found(wrong, message, where, tmp_path):
    right = [own(picture) for picture in PICTURES]
    begin, end = {'end': (64, 96), 'middle': (32, 64), 'tail': (80, 89)}[where]
    serialized = [*right[:begin], *(wrong(i) for i in range(begin, end)), *(right[end:] if where == 'middle' else [])]
    with pytest.raises(errors.DataError, match=message):
        verify(whole(tmp_path / 'data', serialized))


def test_all_right_records_pass_and_are_looked_at_throughout(tmp_path):
    data = whole(tmp_path / 'data', [own(picture) for picture in PICTURES])
    assert verify(data).records == 96
    scan = shard_scan.scan(find(data)[0], 32, 3, True, 1)
    assert [chunk.begin for chunk in scan.chunks] == [0, 16, 32, 48, 64, 80]
    few = shard_scan._chunks(100_000, 1)
    assert len(few) == 512 and {0, 100_000 // 16 - 1} <= few


@pytest.mark.parametrize('mode', ['quick', 'full'])
def test_a_foreign_file_is_counted_and_not_guessed(mode, tmp_path):
    """The first record may be longer or shorter than the others: 667 records were once counted as 692, and as 643."""
    for count, first in ((667, 'a name that is much longer than those that follow it.png'), (643, 'a')):
        names = [first, *(f'{i:05d}.png' for i in range(1, count))]
        pictures = np.resize(PICTURES[:8, :8, :8], (count, 8, 8, 3))
        path = tmp_path / f'{count}.tfrecord'
        write_shard(path, [records.encode_example(p, 0, name) for p, name in zip(pictures, names)])
        scan = shard_scan.scan(find(str(path))[0], 8, 3, mode == 'full', 1)
        assert scan.records == count


def framed(data: bytes, length: int | None = None) -> bytes:
    """A record as in a file; its checksums are right even if its length is wrong."""
    header = struct.pack('<Q', len(data) if length is None else length)
    return header + masked(header) + data + masked(data)


def masked(data: bytes) -> bytes:
    crc = google_crc32c.value(data)
    return struct.pack('<I', ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF)


@pytest.mark.parametrize('length', [2**40, 2**63, 2**64 - 1, 10**6])
@pytest.mark.parametrize('mode', ['quick', 'full'])
def test_a_length_beyond_the_file_is_seen_before_tensorflow_allocates_it(length, mode, tmp_path):
    path = tmp_path / 'x.tfrecord'
    good = [framed(tpu_dcgan_record(picture)) for picture in PICTURES[:9]]
    path.write_bytes(b''.join([*good, framed(b'x' * 100, length)]))
    with pytest.raises(errors.DataError, match=f'x.tfrecord is damaged .*it has {length:,} bytes'):
        verify(str(path), mode)


def test_our_reader_reads_what_tensorflow_writes(tmp_path):
    serialized = [bytes(range(i)) * i for i in range(1, 30)] + [b'']
    shard = write_shard(tmp_path / 'x.tfrecord', serialized)
    path = str(tmp_path / shard.name)
    assert list(shard_file.serialized(path)) == serialized
    assert shard_file.lengths(path) == [len(record) for record in serialized]
    assert shard_file.count_records(path) == 30
    assert b''.join(map(framed, serialized)) == (tmp_path / shard.name).read_bytes()


@pytest.mark.parametrize('pack', [gzip.compress, zlib.compress], ids=['gzip', 'zlib'])
def test_compressed_records_are_named(pack, tmp_path):
    shard = write_shard(tmp_path / 'x.tfrecord', [tpu_dcgan_record(picture) for picture in PICTURES[:9]])
    path = tmp_path / shard.name
    path.write_bytes(pack(path.read_bytes()))
    name = 'gzip' if pack is gzip.compress else 'zlib'
    with pytest.raises(errors.DataError, match=f'x.tfrecord is compressed by {name}: unpack it first'):
        verify(str(path))


@pytest.mark.parametrize(
    ('begin', 'said'),
    [
        (b'\x89PNG\r\n\x1a\n', 'is an image, not a TFRecord file: give the folder of the images'),
        (b'\xff\xd8\xff\xe0', 'is an image, not a TFRecord file: give the folder of the images'),
        (b'PK\x03\x04', 'is an archive, not a TFRecord file: unpack it, and give the folder'),
        (b'\x93NUMPY', 'is an array or a table, not a TFRecord file: save its images as PNG'),
    ],
    ids=['PNG', 'JPEG', 'zip', 'npy'],
)
def test_what_is_no_file_of_records_is_named(begin, said, tmp_path):
    (tmp_path / 'x').write_bytes(begin + bytes(100))
    with pytest.raises(errors.DataError, match=said):
        verify(str(tmp_path / 'x'))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'x')
    with pytest.raises(errors.DataError, match='x is a pipe or a device, not a TFRecord file'):
        verify(str(tmp_path / 'x'))
    (tmp_path / 'dataset.json').symlink_to('x')
    with pytest.raises(errors.DataError, match='dataset.json .*it is not a regular file'):
        manifest.read(str(tmp_path))


@pytest.mark.parametrize('write', [encoded_record, tpu_dcgan_record, cifar_record])
def test_records_of_others_are_read_to_the_right_pixels(write, tmp_path):
    write_shard(tmp_path / 'x.tfrecord', [write(picture) for picture in PICTURES[:16]])
    assert_pixels(str(tmp_path / 'x.tfrecord'))


@pytest.mark.parametrize('key', ['image', 'image/encoded'])
def test_a_png_in_a_field_for_raw_bytes_is_decoded_as_tfds_means_it(key, tmp_path):
    def record(picture) -> bytes:
        data = tf.io.encode_png(picture).numpy()
        feature = {key: tf.train.Feature(bytes_list=tf.train.BytesList(value=[data]))}
        feature['label'] = tf.train.Feature(int64_list=tf.train.Int64List(value=[1]))
        return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()

    write_shard(tmp_path / 'set-train.tfrecord-00000-of-00001', [record(picture) for picture in PICTURES[:16]])
    assert_pixels(str(tmp_path / 'set-train.tfrecord-*'))


def assert_pixels(pattern: str) -> None:
    source = verify(pattern)
    batch = input_fn.first_batch(source, HParams(image_size=32, channels=3), 16)['images'].numpy()
    np.testing.assert_array_equal(np.unique(batch, axis=0), np.unique(PICTURES[:16], axis=0))


@pytest.mark.parametrize(
    ('pattern', 'warns'),
    [('{}/*.tfrecord', True), ('{}/train-*.tfrecord', False), ('{}', False), ('{}/holdout-*.tfrecord', False)],
)
def test_a_pattern_that_takes_the_hold_out_as_well_is_warned_of(pattern, warns, tmp_path):
    data = write_dataset(tmp_path / 'data', train=24, holdout=8)
    found = dataset.mixed_splits(pattern.format(data), find(pattern.format(data)))
    assert bool(found) == warns
    if warns:
        assert (
            'takes 24 images to train on and 8 that were held out' in found and f'the folder instead, {data}' in found
        )
