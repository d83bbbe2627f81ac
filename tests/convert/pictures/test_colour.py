"""Every kind of Pillow image keeps its meaning on the way to 8-bit sRGB or grey."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageCms

from convert.pictures import colour

ORANGE, ORANGE_GREY = (255, 128, 0), 151
GREEN_BACKGROUND = (0, 128, 0)  # 'green' in Pillow, as in CSS.


def solid(mode: str, value) -> Image.Image:
    return Image.new(mode, (4, 4), value)


def flat_pixel(image: Image.Image, mode: str = 'RGB', background: str = 'green'):
    """The colour of the first pixel of the flattened image."""
    return colour.flatten(image, mode, background).getpixel((0, 0))


def close(actual, wanted, tolerance: int = 2) -> bool:
    return np.abs(np.subtract(actual, wanted)).max() <= tolerance


def palette_image(**info) -> Image.Image:
    image = solid('P', 1)
    image.putpalette([0, 0, 0, *ORANGE])
    image.info.update(info)
    return image


@pytest.mark.parametrize(
    ('image', 'wanted'),
    [
        (solid('1', 1), (255, 255, 255)),
        (solid('1', 0), (0, 0, 0)),
        (solid('L', 77), (77, 77, 77)),
        (solid('LA', (77, 255)), (77, 77, 77)),
        (solid('LA', (77, 0)), GREEN_BACKGROUND),
        (solid('LA', (255, 128)), (128, 192, 128)),
        (solid('LA', (255, 128)).convert('La'), (128, 192, 128)),
        (palette_image(), ORANGE),
        (palette_image(transparency=1), GREEN_BACKGROUND),
        (palette_image(transparency=b'\xff\x80'), (128, 128, 0)),
        (palette_image(transparency=1).convert('PA'), GREEN_BACKGROUND),
        (palette_image().convert('PA'), ORANGE),
        (solid('RGB', ORANGE), ORANGE),
        (solid('RGBX', (*ORANGE, 0)), ORANGE),
        (solid('RGBA', (*ORANGE, 255)), ORANGE),
        (solid('RGBA', (*ORANGE, 128)), (128, 128, 0)),
        (solid('RGBA', (*ORANGE, 128)).convert('RGBa'), (128, 128, 0)),
        (solid('CMYK', (0, 127, 255, 0)), ORANGE),
        (solid('RGB', ORANGE).convert('YCbCr'), ORANGE),
        (solid('RGB', ORANGE).convert('HSV'), ORANGE),
        (solid('LAB', (255, 128, 128)), (255, 255, 255)),
        (solid('LAB', (128, 128, 128)), (119, 119, 119)),
        (solid('I;16', 32768), (128, 128, 128)),
        (solid('I;16', 65535), (255, 255, 255)),
        (solid('I', 32768), (128, 128, 128)),
        (solid('F', 0.5), (128, 128, 128)),
        (solid('F', 200.0), (200, 200, 200)),
    ],
    ids=lambda value: value.mode if isinstance(value, Image.Image) else None,
)
def test_a_mode_keeps_its_colour(image, wanted):
    assert close(flat_pixel(image), wanted)


def test_lab_keeps_its_hue():
    red, green, blue = flat_pixel(solid('LAB', (136, 208, 195)))  # CIE L 53, a 80, b 67: sRGB red.
    assert red > 245
    assert max(green, blue) < 25


@pytest.mark.parametrize('mode', ['L', 'RGB', 'RGBA', 'CMYK', 'HSV', 'P'])
def test_grey_is_the_luminance(mode):
    image = palette_image() if mode == 'P' else solid('RGB', ORANGE).convert(mode)
    assert close(flat_pixel(image, 'L'), ORANGE_GREY)


@pytest.mark.parametrize('byte_order', ['I;16', 'I;16L', 'I;16B'])
def test_16_bits_are_scaled_and_not_clipped(byte_order):
    levels = np.arange(256, dtype=np.uint16) * 257
    data = levels.astype('>u2' if byte_order == 'I;16B' else '<u2').tobytes()
    image = Image.frombytes(byte_order, (16, 16), data)
    assert np.array_equal(np.asarray(colour.flatten(image, 'L', 'white')).ravel(), np.arange(256))


def test_a_16_bit_png_with_a_transparent_value_shows_the_background():
    buffer = io.BytesIO()
    Image.fromarray(np.array([[1000, 65535]], np.uint16)).save(buffer, 'PNG', transparency=1000)
    with Image.open(buffer) as image:
        flat = colour.flatten(image, 'RGB', 'red')
    assert [flat.getpixel((x, 0)) for x in (0, 1)] == [(255, 0, 0), (255, 255, 255)]


@pytest.mark.parametrize(
    ('values', 'wanted'),
    [
        ([0.0, 0.25, 1.0], [0, 64, 255]),
        ([0.0, 10.0, 255.0], [0, 10, 255]),
        ([-1.0, 0.0, 1.0], [0, 128, 255]),
        ([1000.0, 2000.0, 3000.0], [0, 128, 255]),
        ([np.nan, 0.5, np.inf], [0, 128, 255]),
        ([np.nan, np.nan, np.nan], [0, 0, 0]),
        ([-5.0, -5.0, -5.0], [0, 0, 0]),
    ],
)
def test_floats_are_scaled_by_their_range(values, wanted):
    image = Image.fromarray(np.array([values], np.float32))
    assert np.asarray(colour.flatten(image, 'L', 'white')).ravel().tolist() == wanted


def test_integers_beyond_16_bits_are_stretched():
    image = Image.fromarray(np.array([[-100000, 0, 100000]], np.int32))
    assert np.asarray(colour.flatten(image, 'L', 'white')).ravel().tolist() == [0, 128, 255]


def test_the_colour_under_transparent_pixels_never_shows():
    """A black, transparent surround must not darken the edge of a white disc on white."""
    image = solid('RGBA', (0, 0, 0, 0)).resize((64, 64))
    image.paste((255, 255, 255, 255), (16, 16, 48, 48))
    small = colour.flatten(image, 'RGB', 'white').resize((20, 20), Image.Resampling.LANCZOS)
    assert np.asarray(small).min() == 255


@pytest.mark.parametrize('kind', ['broken', 'wrong kind', 'empty'])
def test_a_profile_that_cannot_be_used_is_ignored(kind):
    profile = {'broken': b'not a profile', 'wrong kind': profile_bytes('sRGB'), 'empty': b''}[kind]
    image = solid('L', 77)
    image.info['icc_profile'] = profile
    assert flat_pixel(image) == (77, 77, 77)


def profile_bytes(space: str) -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile(space)).tobytes()


def swapped_profile() -> bytes:
    """An sRGB profile with its red and blue primaries swapped."""
    profile = profile_bytes('sRGB')
    assert profile.count(b'rXYZ') == profile.count(b'bXYZ') == 1
    return profile.replace(b'rXYZ', b'temp').replace(b'bXYZ', b'rXYZ').replace(b'temp', b'bXYZ')


@pytest.mark.parametrize('mode', ['RGB', 'RGBA', 'P'])
def test_a_profile_is_converted_to_srgb(mode):
    image = solid('RGB', (204, 102, 51)).convert(mode)  # A colour of the web palette, which mode P uses.
    image.info['icc_profile'] = profile_bytes('sRGB')
    assert close(flat_pixel(image), (204, 102, 51), 1)
    image.info['icc_profile'] = swapped_profile()
    assert close(flat_pixel(image), (51, 102, 204))


def test_a_profile_leaves_alpha_alone():
    image = solid('RGBA', (255, 0, 0, 128))
    image.info['icc_profile'] = swapped_profile()
    assert close(flat_pixel(image, background='black'), (0, 0, 128))
