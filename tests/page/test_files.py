"""Sprite sheets, and the files of a page in a bucket."""

from __future__ import annotations

import dataclasses
import io
import pathlib

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from tests.conftest import open_image, smooth_images
from tests.page.test_page import Pictures, make_page, read, read_script
from trainer import errors
from trainer.page import builder, publish, sprites
from trainer.page.content import Page
from trainer.storage import gcs as storage


@pytest.mark.parametrize('channels', [1, 3])
def test_few_samples_lose_nothing_in_their_sheet(channels):
    pixels = smooth_images(45, 16, channels)
    (sheet,) = sprites.samples(pixels)
    picture = np.asarray(Image.open(io.BytesIO(sheet.data)))[..., :channels]
    assert picture.shape[:2] == (2 * 18, sprites.COLUMNS * 18)
    np.testing.assert_array_equal(picture[19:35, 4 * 18 + 1 : 5 * 18 - 1], pixels[44])
    np.testing.assert_array_equal(picture[18, 4 * 18 + 1 : 5 * 18 - 1], pixels[44][0])  # The border repeats the edge.


def test_sheets_are_filled_one_after_another():
    sheets = list(sprites.thumbnails(Pictures(smooth_images(sprites.TILES + 3, 8)), 8))
    assert [sheet.count for sheet in sheets] == [sprites.TILES, 3]
    assert [Image.open(io.BytesIO(sheet.data)).size for sheet in sheets] == [(400, 250), (30, 10)]


@pytest.mark.parametrize(
    ('count', 'size', 'side'), [(10, 64, 64), (3567, 64, 64), (10_000, 64, 40), (100, 512, 128), (10**6, 64, 16)]
)
def test_thumbnails_shrink_as_images_become_many(count, size, side):
    assert sprites.thumbnail_side(count, size) == side


@pytest.mark.parametrize(
    ('count', 'size', 'total', 'small', 'side'),
    [(2000, 128, 0, False, 88), (2000, 128, 9000, False, 64), (2000, 128, 2100, False, 88), (2000, 128, 0, True, 40)],
)
def test_thumbnails_of_a_part_leave_the_room_that_it_was_to_save(count, size, total, small, side):
    assert sprites.thumbnail_side(count, size, total, small) == side


def test_large_thumbnails_are_scaled_down(tmp_path):
    part = dataclasses.replace(make_page().dataset, images=Pictures(smooth_images(60, 160)))
    builder.write_page(str(tmp_path), Page('Big', (), part))
    assert read(tmp_path, 'start')['thumbnails']['side'] == 128
    assert open_image(tmp_path / 'sprites' / 'images-000.webp').size == (40 * 130, 2 * 130)


@pytest.mark.filterwarnings('ignore:unclosed <ssl.SSLSocket:ResourceWarning')  # google-cloud-storage leaves them.
def test_a_bucket_gets_files_that_a_browser_shows(gcs):
    folder = f'{gcs.bucket}/some/page'
    for name in ('images-009.webp', 'mine.webp'):  # The first is of an earlier, larger page.
        publish.publish(folder, f'sprites/{name}', b'old')
    builder.write_page(folder, make_page())
    with tf.io.gfile.GFile(f'{folder}/data/start.js') as file:
        assert read_script(file.read())['title'] == 'A run'
    bucket, name = storage.split(folder)
    blobs = {blob.name[len(name) + 1 :]: blob for blob in storage.client().list_blobs(bucket, prefix=name)}
    sheets = {'sprites/images-000.webp', 'sprites/samples-000.webp'}
    assert {'index.html', 'code/page.css'} <= set(blobs)
    assert {path for path in blobs if path.startswith('sprites/')} == sheets | {'sprites/mine.webp'}
    for path, blob in blobs.items():
        assert blob.content_type == publish.CONTENT_TYPES[pathlib.PurePosixPath(path).suffix], path
        assert blob.cache_control == 'no-cache'


@pytest.mark.filterwarnings('ignore:unclosed <ssl.SSLSocket:ResourceWarning')  # google-cloud-storage leaves them.
def test_a_bucket_that_fails_once_is_tried_again_and_one_that_refuses_is_named(gcs):
    fault = gcs.server.fault(503, match='uploadType=multipart', after=1)
    builder.write_page(f'{gcs.bucket}/page', make_page())
    assert fault.hits == 1
    assert f'{gcs.bucket}/page/index.html' in gcs.server.paths(f'{gcs.bucket}/page')
    gcs.server.fault(403, method='POST', times=None)
    with pytest.raises(errors.AccessDenied, match='may not do this in bucket'):
        builder.write_page(f'{gcs.bucket}/other', make_page())
