"""One picture file of anybody becomes a square of pixels, or a line that says why not."""

from __future__ import annotations

import io
import zlib

import numpy as np
import pytest
from PIL import Image

from tests.conftest import smooth_images
from trainer import errors
from trainer.data import picture_file


def saved(picture: Image.Image, form: str, **options) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def huge_png(width: int, height: int) -> bytes:
    """A PNG of a few hundred bytes whose header promises many pixels."""
    plain = saved(Image.new('L', (1, 1)), 'PNG')
    header = b'IHDR' + width.to_bytes(4, 'big') + height.to_bytes(4, 'big') + b'\x08\0\0\0\0'
    return plain[:12] + header + zlib.crc32(header).to_bytes(4, 'big') + plain[33:]


@pytest.mark.parametrize('form', ['PNG', 'BMP', 'TIFF', 'WEBP', 'GIF', 'PPM', 'JPEG'])
def test_each_format_gives_its_pixels(form):
    (pixels,) = smooth_images(1, 64)
    options = {'WEBP': {'lossless': True}, 'JPEG': {'quality': 98, 'subsampling': 0}}.get(form, {})
    made = picture_file.decoded(saved(Image.fromarray(pixels), form, **options), 64, 3)
    assert made.shape == (64, 64, 3) and made.dtype == np.uint8
    difference = np.abs(made.astype(int) - pixels)
    assert difference.max() <= {'GIF': 40, 'JPEG': 8}.get(form, 0)


def test_the_middle_of_a_wide_picture_is_taken_upright():
    wide = np.zeros((40, 120, 3), np.uint8)
    wide[:, 40:80], wide[:20, 40:80] = (0, 0, 255), (255, 0, 0)
    made = picture_file.decoded(saved(Image.fromarray(wide), 'PNG'), 32, 3)
    assert (made[2:14, 3:29] == (255, 0, 0)).all() and (made[18:30, 3:29] == (0, 0, 255)).all()
    exif = Image.Exif()
    exif[0x0112] = 3  # Upside down.
    turned = picture_file.decoded(saved(Image.fromarray(wide[::-1, ::-1]), 'PNG', exif=exif), 32, 3)
    assert np.array_equal(turned, made)


def test_depth_transparency_and_grey():
    deep = Image.fromarray(np.full((8, 8), 0x8080, np.uint16))
    assert (picture_file.decoded(saved(deep, 'PNG'), 8, 3) == 0x80).all()
    clear = Image.new('RGBA', (8, 8), (10, 20, 30, 0))
    assert (picture_file.decoded(saved(clear, 'PNG'), 8, 3) == 255).all()
    grey = picture_file.decoded(saved(Image.new('RGB', (8, 8), (255, 255, 0)), 'PNG'), 8, 1)
    assert grey.shape == (8, 8, 1) and (grey == 226).all()


@pytest.mark.parametrize(
    ('data', 'message'),
    [
        (b'', '0 bytes are not a picture that can be read: not JPEG'),
        (b'{"seed": 3}', '11 bytes are not a picture that can be read: not JPEG, PNG, WEBP'),
        (saved(Image.new('RGB', (64, 64)), 'PNG')[:60], '60 bytes are not a picture that can be read'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n', 'are not a picture that can be read: not JPEG'),
        (huge_png(10_000, 9_000), 'the picture has 90 megapixels or more, and at most 89 are read: scale it down'),
        (huge_png(60_000, 60_000), 'the picture has 178 megapixels or more, and at most 89 are read'),
    ],
)
def test_anything_else_is_refused_in_one_line(data, message):
    with pytest.raises(errors.UserError, match=message) as refused:
        picture_file.decoded(data, 32, 3)
    assert '\n' not in str(refused.value) and '0x' not in str(refused.value)
