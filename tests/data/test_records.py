from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import smooth_images
from trainer import errors
from trainer.data import parsing, records
from trainer.data.records import CHW, ENCODED, HWC, RAW, RecordFormat


def bytes_feature(value: bytes) -> tf.train.Feature:
    return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value]))


def int_feature(value: int) -> tf.train.Feature:
    return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))


def example(**features: tf.train.Feature) -> bytes:
    named = {name.replace('__', '/'): feature for name, feature in features.items()}
    return tf.train.Example(features=tf.train.Features(feature=named)).SerializeToString()


def tpu_dcgan_record(pixels: np.ndarray, label: int = 0) -> bytes:
    """A record as victordibia/tpuDCGAN wrote it: raw bytes in HWC order."""
    return example(image=bytes_feature(pixels.tobytes()), label=int_feature(label))


def cifar_record(pixels: np.ndarray, label: int = 0) -> bytes:
    """A record as tensorflow/tpu's CIFAR-10 converter wrote it: raw bytes in CHW order."""
    return tpu_dcgan_record(np.ascontiguousarray(pixels.transpose(2, 0, 1)), label)


def encoded_record(pixels: np.ndarray, label: int = 0) -> bytes:
    """A record as the TensorFlow models' converters wrote it: a PNG or JPEG file."""
    return example(
        image__encoded=bytes_feature(tf.io.encode_png(pixels).numpy()), image__class__label=int_feature(label)
    )


@pytest.mark.parametrize('channels', [1, 3])
def test_own_schema_round_trip(channels):
    (pixels,) = smooth_images(1, 32, channels)
    record = records.decode_example(records.encode_example(pixels, 7, 'hats/ü, "1".png'))
    assert (record.encoding, record.layout, record.label, record.filename) == (RAW, HWC, 7, 'hats/ü, "1".png')
    assert (record.height, record.width, record.channels) == (32, 32, channels)
    np.testing.assert_array_equal(record.pixels(HWC), pixels)


def test_pixels_that_begin_as_a_jpeg_are_pixels():
    (pixels,) = smooth_images(1, 32)
    pixels[0, 0] = 0xFF, 0xD8, 0xFF
    for serialized in (records.encode_example(pixels, 0, 'pink.png'), tpu_dcgan_record(pixels)):
        np.testing.assert_array_equal(records.decode_example(serialized).pixels(HWC), pixels)


def test_a_file_in_the_place_of_pixels_is_read_whatever_its_length():
    (pixels,) = smooth_images(1, 32)
    file = tf.io.encode_jpeg(pixels, quality=100).numpy()
    square = file[:2] + b'\xff\xfe' + (3 * 32**2 - len(file) - 2).to_bytes(2, 'big')  # A comment to that length.
    file = square + bytes(3 * 32**2 - len(file) - 4) + file[2:]
    assert len(file) == 32 * 32 * 3
    record = records.decode_example(example(image=bytes_feature(file)))
    assert (record.encoding, record.height, record.width) == (ENCODED, 32, 32)


def test_a_record_is_always_the_same_bytes():
    (pixels,) = smooth_images(1, 32)
    assert len({records.encode_example(pixels, 1, 'a.png') for _ in range(20)}) == 1


def test_a_file_name_that_is_no_utf8_survives():
    (pixels,) = smooth_images(1, 32)
    assert records.decode_example(records.encode_example(pixels, 1, 'a\udcff.png')).filename == 'a\udcff.png'


@pytest.mark.parametrize('pixels', [np.zeros([4, 4, 3], np.float32), np.zeros([4, 4], np.uint8)])
def test_anything_but_uint8_images_is_refused(pixels):
    with pytest.raises(ValueError, match='pixels must be uint8'):
        records.encode_example(pixels, 0, '')


@pytest.mark.parametrize(
    ('write', 'record_format'),
    [
        (lambda pixels: records.encode_example(pixels, 3, ''), RecordFormat(RAW, HWC)),
        (lambda pixels: tpu_dcgan_record(pixels, 3), RecordFormat(RAW, HWC)),
        (lambda pixels: cifar_record(pixels, 3), RecordFormat(RAW, CHW)),
        (lambda pixels: encoded_record(pixels, 3), RecordFormat(ENCODED, HWC)),
    ],
)
def test_each_schema_is_parsed_into_the_pixels_that_were_written(write, record_format):
    pixels = smooth_images(5, 32)
    serialized = [write(picture) for picture in pixels]
    batch = parsing.parse_batch(tf.constant(serialized), record_format, 32, 3)
    assert (batch.dtype, batch.shape) == (tf.uint8, [5, 32, 32, 3])
    np.testing.assert_array_equal(batch, pixels)
    record = records.decode_example(serialized[0])
    assert (record.height, record.width, record.channels, record.label) == (32, 32, 3, 3)
    np.testing.assert_array_equal(record.pixels(record_format.layout), pixels[0])


def test_reading_in_the_wrong_order_scrambles_the_picture():
    pixels = smooth_images(2, 32)
    wrong = parsing.parse_batch(tf.constant([cifar_record(p) for p in pixels]), RecordFormat(RAW, HWC), 32, 3)
    assert np.mean(wrong.numpy() == pixels) < 0.1


@pytest.mark.parametrize(
    ('serialized', 'message'),
    [
        (b'\xff\xff\xff', 'not a tf.train.Example'),
        (example(pixels=bytes_feature(b'x')), r"it has the keys \['pixels'\]"),
        (example(image=bytes_feature(b'x' * 101)), '101 bytes, which fit no square image'),
        (example(image__encoded=bytes_feature(b'no picture')), '10 bytes that are not a JPEG'),
        (
            example(image=bytes_feature(b'12'), height=int_feature(3), width=int_feature(2), channels=int_feature(3)),
            'says 3x2x3 but holds 2 bytes',
        ),
    ],
)
def test_what_is_no_image_record_is_named(serialized, message):
    with pytest.raises(errors.DataError, match=message):
        records.decode_example(serialized)
