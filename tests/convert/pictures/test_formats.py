"""A picture of known values in every format that is opened, and the names of formats that are not."""

from __future__ import annotations

import io
import os
import pathlib
import struct

import numpy as np
import pytest
from PIL import EpsImagePlugin, Image, UnidentifiedImageError

from convert import rejection
from convert.pictures import decode, formats
from tests.image_files import (
    ALPHA,
    COLOURS,
    COLUMNS,
    GREY,
    SHARES,
    columns,
    encoded,
    error,
    options,
    over_white,
    rejected,
)

BITS = columns(COLUMNS % 3 > 0).astype(bool)
DEEP = columns(np.rint(SHARES * 65535))
PICTURES = {
    '1': (Image.fromarray(BITS), BITS * 255),
    'L': (Image.fromarray(GREY), GREY),
    'LA': (Image.merge('LA', [Image.fromarray(GREY), Image.fromarray(ALPHA)]), over_white(GREY)),
    'RGB': (Image.fromarray(COLOURS), COLOURS),
    'RGBA': (Image.fromarray(np.dstack([COLOURS, ALPHA])), over_white(COLOURS)),
    'CMYK': (Image.fromarray(COLOURS).convert('CMYK'), COLOURS),
    'YCbCr': (Image.fromarray(COLOURS).convert('YCbCr'), COLOURS),
    'I;16': (Image.fromarray(DEEP.astype(np.uint16)), GREY),
    'I': (Image.fromarray(DEEP.astype(np.int32)), GREY),
    'F': (Image.fromarray(columns(SHARES).astype(np.float32)), GREY),
}
FINE, FINE_AVIF = {'quality': 100, 'subsampling': 0}, {'quality': 100, 'subsampling': '4:4:4'}
LOSSLESS, SMALL, BITMAP = {'lossless': True}, {'sizes': [(32, 32)]}, {'sizes': [(32, 32)], 'bitmap_format': 'bmp'}

# Format, Pillow's modes, how to save, and how far off a value may be.
SAVED = [
    ('JPEG', '1 L CMYK', FINE, 1),
    ('JPEG', 'RGB YCbCr', FINE, 4),
    ('JPEG', 'L RGB', {**FINE, 'progressive': True}, 4),
    ('JPEG', 'RGB', {**FINE, 'keep_rgb': True}, 1),
    ('PNG', '1 L LA RGB RGBA I;16', {}, 0),
    ('GIF', '1 L', {}, 0),
    ('GIF', 'L', {'interlace': 1}, 0),
    ('WEBP', 'L LA RGB RGBA', LOSSLESS, 0),
    ('WEBP', 'RGB', {'quality': 100}, 10),
    ('BMP', '1 L RGB', {}, 0),
    ('DIB', '1 L RGB', {}, 0),
    ('TIFF', '1 L LA RGB RGBA CMYK I;16 I F', {}, 0),
    *(
        ('TIFF', '1 L LA RGB RGBA CMYK I;16 I F', {'compression': name}, 0)
        for name in ('packbits', 'tiff_lzw', 'tiff_adobe_deflate')
    ),
    ('TIFF', 'L RGB RGBA CMYK', {'compression': 'jpeg'}, 6),
    ('TIFF', 'YCbCr', {'compression': 'tiff_lzw'}, 3),
    ('TIFF', '1', {'compression': 'group4'}, 0),
    ('AVIF', 'L LA RGB RGBA', FINE_AVIF, 4),
    ('JPEG2000', 'L LA RGB RGBA CMYK I;16', {}, 0),
    ('JPEG2000', 'L RGB RGBA I;16', {'no_jp2': True}, 0),
    ('PPM', '1 L RGB I;16 I F', {}, 0),
    ('ICO', '1 L LA RGB RGBA', SMALL, 0),
    ('ICO', 'L RGB RGBA', BITMAP, 0),
    ('ICNS', 'L RGB', {}, 1),
    ('DDS', 'L LA RGB RGBA', {}, 0),
    ('DDS', 'RGB', {'pixel_format': 'DXT1'}, 24),
    ('DDS', 'RGBA', {'pixel_format': 'DXT5'}, 32),
    ('QOI', 'RGB RGBA', {}, 0),
    ('PCX', '1 L RGB', {}, 0),
    ('SGI', 'L RGB RGBA', {}, 0),
    ('SGI', 'L RGB RGBA', {'bpc': 2}, 0),
    ('TGA', '1 L LA RGB RGBA', {}, 0),
    ('TGA', 'L LA RGB RGBA', {'rle': True}, 0),
]


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


@pytest.mark.parametrize(
    ('format_', 'mode', 'parameters', 'tolerance'),
    [(name, mode, how, tolerance) for name, modes, how, tolerance in SAVED for mode in modes.split()],
)
def test_a_saved_picture_keeps_its_values(format_, mode, parameters, tolerance):
    image, wanted = PICTURES[mode]
    data = encoded(image, format_, **parameters)
    with decode.opened(io.BytesIO(data)) as opened:
        assert opened.format == format_
    assert error(data, wanted) <= tolerance


@pytest.mark.parametrize('format_', ['PNG', 'GIF', 'TIFF', 'WEBP', 'BMP', 'PCX', 'TGA'])
def test_a_palette_keeps_its_colours(format_):
    image = Image.fromarray(columns(COLUMNS).astype(np.uint8)).convert('P')
    palette = np.stack([COLUMNS * 4, 255 - COLUMNS * 8, COLUMNS * 8], axis=-1)
    image.putpalette(palette.ravel().tolist())
    data = encoded(image, format_, **(LOSSLESS if format_ == 'WEBP' else {}))
    assert error(data, palette[columns(COLUMNS)]) == 0


def test_a_photograph_of_two_lenses_gives_the_first_picture():
    black = Image.new('RGB', (32, 32))
    data = encoded(PICTURES['RGB'][0], 'MPO', save_all=True, append_images=[black], **FINE)
    with decode.opened(io.BytesIO(data)) as opened:
        assert opened.format == 'MPO'
    assert error(data, COLOURS) <= 4


@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_heic_photograph_is_upright(orientation):
    pytest.importorskip('pillow_heif', reason='pip install pillow-heif')
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # The Image.Transpose that undoes each orientation.
    image = Image.fromarray(COLOURS).resize((64, 64))
    stored = image.transpose(Image.Transpose(turned[orientation])) if orientation in turned else image
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.info['exif'] = exif.tobytes()
    assert error(encoded(stored, 'HEIF', quality=-1), COLOURS) < 16


def test_heic_gives_its_pixels_where_its_package_is_installed():
    pytest.importorskip('pillow_heif', reason='pip install pillow-heif')
    assert error(encoded(PICTURES['L'][0], 'HEIF', quality=-1), GREY) <= 2
    assert error(encoded(PICTURES['I;16'][0], 'HEIF', quality=-1), GREY) <= 2


def box(*brands: bytes) -> bytes:
    return struct.pack('>I4s4sI', 16 + 4 * len(brands[1:]), b'ftyp', brands[0], 0) + b''.join(brands[1:])


@pytest.mark.parametrize('brand', [b'heic', b'heix', b'hevc', b'mif1', b'msf1'])
def test_heic_is_told_by_name_where_its_package_is_missing(monkeypatch, brand):
    monkeypatch.delitem(Image.OPEN, 'HEIF', raising=False)
    found = rejected(box(brand, b'mif1', b'heic') + bytes(200))
    assert found.reason == rejection.unsupported('HEIC')
    assert found.detail == 'pip install pillow-heif'


def test_avif_in_a_box_for_any_still_needs_no_heic(monkeypatch):
    monkeypatch.delitem(Image.OPEN, 'HEIF', raising=False)
    data = encoded(PICTURES['RGB'][0], 'AVIF', **FINE_AVIF)
    for brand in (b'mif1', b'msf1'):
        assert error(data[:8] + brand + data[12:], COLOURS) <= 4


@pytest.mark.parametrize(
    ('head', 'name', 'advice'),
    [
        (b'\xff\x0a', 'JPEG XL', 'PNG or TIFF'),
        (b'\0\0\0\x0cJXL \r\n\x87\n', 'JPEG XL', 'PNG or TIFF'),
        (b'II\xbc\x01', 'JPEG XR', 'PNG or TIFF'),
        (b'II*\0\x10\0\0\0CR\2\0', 'camera raw (CR2)', 'PNG or TIFF'),
        (box(b'crx ', b'isom'), 'camera raw (CR3)', 'PNG or TIFF'),
        (b'FUJIFILMCCD-RAW 0201', 'camera raw (RAF)', 'PNG or TIFF'),
        (b'IIRO\x08\0\0\0', 'camera raw (ORF)', 'PNG or TIFF'),
        (b'IIU\0\x18\0\0\0', 'camera raw (RW2)', 'PNG or TIFF'),
        (b'FOVb\0\0\2\0', 'camera raw (X3F)', 'PNG or TIFF'),
        (b'%!PS-Adobe-3.0 EPSF-3.0\n', 'PostScript', 'PNG or TIFF'),
        (b'\xc5\xd0\xd3\xc6\x1e\0\0\0', 'PostScript', 'PNG or TIFF'),
        (b'<svg xmlns="http://www.w3.org/2000/svg">', 'SVG', 'PNG or TIFF'),
        (b'v/1\x01\2\0\0\0', 'OpenEXR', 'PNG or TIFF'),
        (b'#?RADIANCE\n', 'Radiance HDR', 'PNG or TIFF'),
        (b'SIMPLE  =                    T', 'FITS', 'PNG or TIFF'),
        (bytes(128) + b'DICM', 'DICOM', 'PNG or TIFF'),
        (b'\xd7\xcd\xc6\x9a\0\0', 'WMF', 'PNG or TIFF'),
        (b'BPG\xfb\0\0', 'BPG', 'PNG or TIFF'),
        (b'\x1aE\xdf\xa3\1', 'video (Matroska)', 'ffmpeg'),
        (box(b'isom', b'mp41'), 'video', 'PNG or TIFF'),
        (box(b'qt  '), 'video', 'PNG or TIFF'),
    ],
)
def test_a_format_that_is_not_opened_is_told_by_name(head, name, advice):
    found = rejected(head + bytes(300))
    assert found.reason == rejection.unsupported(name)
    assert advice in found.detail


@pytest.mark.parametrize(
    'format_', ['JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF', 'AVIF', 'JPEG2000', 'PPM', 'ICNS', 'DDS', 'QOI', 'SGI']
)
def test_a_file_of_a_known_format_that_is_cut_off_is_called_damaged(format_):
    data = encoded(PICTURES['RGB'][0], format_)
    assert formats.named(data[: formats.HEAD_BYTES]) == format_
    assert formats.lacking(data[: formats.HEAD_BYTES]) == ('', '')
    found = rejected(data[:16])
    assert found.reason in (rejection.damaged(format_), rejection.TRUNCATED)


def test_postscript_in_the_name_of_a_jpeg_never_reaches_ghostscript(tmp_path: pathlib.Path, monkeypatch):
    ran, picture = tmp_path / 'ran', tmp_path / 'x.jpg'
    (tmp_path / 'gs').write_text(f'#!/bin/sh\ntouch {ran}\n')
    (tmp_path / 'gs').chmod(0o755)
    picture.write_bytes(b'%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 32 32\n%%EndComments\nshowpage\n')
    monkeypatch.setenv('PATH', f'{tmp_path}{os.pathsep}{os.environ["PATH"]}')
    monkeypatch.setattr(EpsImagePlugin, 'gs_binary', None)  # So that Pillow looks for it again.
    with picture.open('rb') as file, pytest.raises(rejection.Rejected):
        decode.decode(file, options())
    assert not ran.exists()
    with pytest.raises(Exception), Image.open(picture) as image:  # noqa: B017  The program above writes no picture.
        image.load()
    assert ran.exists(), 'Pillow alone runs it, or this test shows nothing'


@pytest.mark.parametrize('format_', ['EPS', 'XBM', 'IM', 'MSP', 'SPIDER'])
def test_other_formats_that_pillow_knows_are_not_opened(format_):
    data = encoded(PICTURES['1' if format_ in ('XBM', 'MSP') else 'F' if format_ == 'SPIDER' else 'L'][0], format_)
    with Image.open(io.BytesIO(data)) as image:
        assert image.format == format_
    with pytest.raises(UnidentifiedImageError):
        decode.opened(io.BytesIO(data))
    assert rejected(data).reason in (rejection.NOT_AN_IMAGE, rejection.unsupported('PostScript'))


def test_other_files_are_no_images():
    assert rejected(b'PK\3\4' + bytes(60)).reason == rejection.NOT_AN_IMAGE
    assert formats.named(b'name,label\n') == ''
