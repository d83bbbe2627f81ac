"""One file of any kind becomes square pixels, or is rejected with a reason."""

from __future__ import annotations

import io
import logging
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from convert import rejection
from convert.options import ConvertOptions
from convert.pictures import decode
from trainer import errors

RED, BLUE, WHITE = (255, 0, 0), (0, 0, 255), (255, 255, 255)


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def options(**changes) -> ConvertOptions:
    return ConvertOptions(**{'input_dir': 'in', 'output_dir': 'out', 'image_size': 32, **changes})


def encoded(image: Image.Image, format_: str = 'PNG', **parameters) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format_, **parameters)
    return buffer.getvalue()


def decoded(data: bytes, **changes) -> np.ndarray:
    return decode.decode(io.BytesIO(data), options(**changes))


def rejected(data: bytes, **changes) -> rejection.Rejected:
    with pytest.raises(rejection.Rejected) as caught:
        decoded(data, **changes)
    return caught.value


def halves(width: int, height: int, left=RED, right=BLUE) -> Image.Image:
    image = Image.new('RGB', (width, height), left)
    image.paste(right, (width // 2, 0, width, height))
    return image


def noise(width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8))


def png_that_claims(width: int, height: int) -> bytes:
    header = b'IHDR' + struct.pack('>IIBBBBB', width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack('>I', 13) + header + struct.pack('>I', zlib.crc32(header))
    return b'\x89PNG\r\n\x1a\n' + chunk + struct.pack('>I', 99) + b'IDAT' + bytes(103)


@pytest.mark.parametrize('format_', ['PNG', 'BMP', 'GIF', 'TIFF', 'WEBP', 'PPM', 'TGA', 'ICO', 'JPEG', 'JPEG2000'])
def test_every_format_gives_its_pixels(format_):
    pixels = decoded(encoded(halves(64, 64), format_))
    assert pixels.shape == (32, 32, 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels[16, 4].astype(int) - RED).max() < 8
    assert np.abs(pixels[16, 28].astype(int) - BLUE).max() < 8


def test_a_file_of_the_right_size_keeps_every_pixel():
    image = noise(32, 32)
    assert np.array_equal(decoded(encoded(image)), np.asarray(image))
    assert decoded(encoded(image), channels=1).shape == (32, 32, 1)
    assert np.array_equal(decoded(encoded(image), channels=1)[..., 0], np.asarray(image.convert('L')))


@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize('format_', ['JPEG', 'PNG', 'TIFF', 'WEBP'])
def test_exif_orientation_is_applied(orientation, format_):
    upright = Image.new('RGB', (32, 32), WHITE)
    upright.paste(RED, (0, 0, 16, 16))
    upright.paste(BLUE, (16, 0, 32, 16))
    undo = {5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_90, 7: Image.Transpose.TRANSVERSE,
            8: Image.Transpose.ROTATE_270, 2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180,
            4: Image.Transpose.FLIP_TOP_BOTTOM}  # fmt: skip
    stored = upright.transpose(undo[orientation]) if orientation in undo else upright
    exif = Image.Exif()
    exif[0x0112] = orientation
    pixels = decoded(encoded(stored, format_, exif=exif)).astype(int)
    assert np.abs(pixels[4, 4] - RED).max() < 40
    assert np.abs(pixels[4, 28] - BLUE).max() < 40
    assert np.abs(pixels[28, 16] - WHITE).max() < 40


def test_damaged_exif_does_not_cost_the_image():
    for exif in (b'Exif\0\0garbage', b'Exif\0\0MM\0*\0\0\0\x08\xff\xff'):
        assert decoded(encoded(halves(32, 32), 'JPEG', exif=exif)).shape == (32, 32, 3)


def test_crop_cuts_to_the_centre():
    image = Image.new('RGB', (96, 32), BLUE)
    image.paste(RED, (32, 0, 64, 32))
    for picture in (image, image.transpose(Image.Transpose.ROTATE_90)):
        assert np.array_equal(decoded(encoded(picture)), np.broadcast_to(RED, (32, 32, 3)))


def test_pad_borders_with_the_background():
    pixels = decoded(encoded(Image.new('RGB', (128, 64), RED)), fit='pad', background='blue')
    assert np.array_equal(pixels[8:24], np.broadcast_to(RED, (16, 32, 3)))
    assert np.array_equal(pixels[[0, 7, 24, 31]], np.broadcast_to(BLUE, (4, 32, 3)))
    assert decoded(encoded(Image.new('RGB', (500, 1))), fit='pad').shape == (32, 32, 3)


def test_pad_in_grey_uses_the_luminance_of_the_background():
    assert decoded(encoded(Image.new('L', (128, 64))), fit='pad', background='red', channels=1)[0, 0, 0] == 76


def test_stretch_keeps_all_of_the_image():
    pixels = decoded(encoded(halves(100, 20)), fit='stretch')
    assert np.array_equal(pixels[:, 0], np.broadcast_to(RED, (32, 3)))
    assert np.array_equal(pixels[:, 31], np.broadcast_to(BLUE, (32, 3)))


def test_small_images_are_enlarged_and_large_ones_smoothed():
    assert np.array_equal(decoded(encoded(Image.new('RGB', (1, 1), RED))), np.broadcast_to(RED, (32, 32, 3)))
    stripes = np.zeros((64, 512, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.abs(decoded(encoded(Image.fromarray(stripes)), fit='stretch').astype(int) - 128).max() < 4


@pytest.mark.parametrize('fit', ['crop', 'pad', 'stretch'])
@pytest.mark.parametrize('size', [(64, 64), (65, 1000), (127, 129), (512, 511), (1023, 700), (1040, 520), (90, 1029)])
def test_a_draft_leaves_two_pixels_for_each_one(fit, size):
    with Image.open(io.BytesIO(encoded(Image.new('RGB', size), 'JPEG'))) as image:
        decode.draft(image, options(fit=fit))
        image.load()
        width, height = image.size
    longer, shorter = max(width, height), min(width, height)
    used = longer if fit == 'pad' else shorter
    assert used >= 64 or (width, height) == size
    # The scale is the smallest possible: half of it would be too small, unless it is 1/8 already.
    assert used < 2 * 64 + 2 or size[0] >= 8 * width - 8


def test_a_large_jpeg_is_decoded_at_a_reduced_scale():
    sizes = []

    def record(image):
        sizes.append(image.size)
        return flatten(image, 'RGB', 'white')

    flatten = decode.colour.flatten
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decode.colour, 'flatten', lambda image, *_: record(image))
        decoded(encoded(Image.new('RGB', (1600, 1200)), 'JPEG'))
    assert sizes == [(200, 150)]


@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_a_reduced_scale_changes_no_colour(mode):
    data = encoded(halves(1024, 1024, (200, 100, 50), (20, 160, 90)).convert(mode), 'JPEG', quality=95)
    with Image.open(io.BytesIO(data)) as image:
        whole = np.asarray(image.convert('RGB').resize((32, 32), Image.Resampling.LANCZOS)).astype(int)
    assert np.abs(decoded(data) - whole).max() <= 3


def test_an_animation_gives_its_first_frame():
    frames = [Image.new('RGB', (32, 32), colour) for colour in (RED, BLUE)]
    for format_ in ('GIF', 'WEBP', 'PNG', 'TIFF'):
        data = encoded(frames[0], format_, save_all=True, append_images=frames[1:], **LOSSLESS.get(format_, {}))
        assert np.array_equal(decoded(data), np.broadcast_to(RED, (32, 32, 3))), format_


LOSSLESS = {'WEBP': {'lossless': True}}


@pytest.mark.parametrize('format_', ['PNG', 'JPEG', 'GIF', 'TIFF', 'BMP', 'WEBP'])
def test_a_truncated_file_is_rejected(format_):
    data = encoded(noise(200, 200), format_)
    assert rejected(data[: len(data) // 2]).reason in (rejection.TRUNCATED, rejection.damaged(format_))
    if format_ in ('PNG', 'JPEG', 'BMP'):
        assert rejected(data[: len(data) // 2]).reason == rejection.TRUNCATED


@pytest.mark.parametrize(
    ('data', 'reason'),
    [
        (b'', rejection.EMPTY_FILE),
        (b'name,label\n1,2\n', rejection.NOT_AN_IMAGE),
        (b'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n', rejection.LFS_POINTER),
        (b'\x89PNG\r\n\x1a\n' + bytes(50), 'damaged PNG'),
        (b'II*\0' + bytes(50), 'damaged TIFF'),
    ],
)
def test_what_is_no_image_is_rejected(data, reason):
    assert rejected(data).reason == reason


def test_details_never_change_from_run_to_run():
    assert rejected(b'%PDF-1.4 ...').detail == "it begins with b'%PDF-1.4'"


@pytest.mark.parametrize('side', [1500, 30000, 2**31 - 1])
def test_a_bomb_is_rejected_by_its_header(side):
    found = rejected(png_that_claims(side, side))
    assert found.reason == rejection.TOO_LARGE
    assert str(side * side) in found.detail


def test_the_limit_is_in_megapixels():
    assert decoded(encoded(Image.new('L', (2000, 1000)))).shape == (32, 32, 3)
    assert rejected(encoded(Image.new('L', (2000, 1001)))).reason == rejection.TOO_LARGE


def test_whatever_a_plugin_raises_is_a_rejection(monkeypatch):
    def fail(_):
        raise KeyError('odd')

    monkeypatch.setattr(ImageFile.ImageFile, 'load', fail)
    assert rejected(encoded(noise(32, 32))).reason == rejection.damaged('PNG')


def test_an_interrupt_is_no_rejection(monkeypatch):
    def interrupt(_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ImageFile.ImageFile, 'load', interrupt)
    with pytest.raises(KeyboardInterrupt):
        decoded(encoded(noise(32, 32)))


def test_pillow_stays_quiet_and_gets_its_settings_back(caplog):
    before = Image.MAX_IMAGE_PIXELS, logging.getLogger('PIL').level, list(warnings.filters)
    with decode.prepared_pillow(max_megapixels=5.0):
        warnings.warn_explicit('odd EXIF', UserWarning, 'x.py', 1, module='PIL.TiffImagePlugin')
        logging.getLogger('PIL.TiffImagePlugin').error('odd tag')
        assert Image.MAX_IMAGE_PIXELS == 5_000_000
    assert (Image.MAX_IMAGE_PIXELS, logging.getLogger('PIL').level, list(warnings.filters)) == before
    assert not caplog.records


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        ({'background': 'blurple'}, '--background=blurple'),
        ({'holdout_percent': 51.0}, '--holdout_percent=51'),
        ({'input_dir': ''}, '--input_dir'),
        ({'output_dir': ''}, '--output_dir'),
    ],
)
def test_options_that_break_their_rule_say_so(changes, words):
    with pytest.raises(errors.UserError, match=words):
        options(**changes)
