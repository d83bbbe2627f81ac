"""Small files that declare, or decompress to, far more data than they hold: none takes the memory that it asks for."""

from __future__ import annotations

import pathlib
import re
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from convert import rejection
from convert.pictures import decode
from tests.image_files import (
    BITS,
    BLACK_IS_ZERO,
    COLOURS,
    COMPRESSION,
    FORMAT,
    PHOTOMETRIC,
    ROWS_A_STRIP,
    SIDE,
    chunk,
    encoded,
    error,
    ico,
    png,
    psd,
    rejected,
    right_or_left_out,
    tiff,
)

HUGE = 30000
IN_GREY = {BITS: 8, PHOTOMETRIC: BLACK_IS_ZERO}
MEGABYTE = 1 << 20


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def peak_bytes() -> int:
    """The peak memory of this process since the peak was last reset."""
    return 1024 * int(re.search(r'VmHWM:\s+(\d+)', pathlib.Path('/proc/self/status').read_text())[1])


@pytest.fixture
def little_memory():
    """Fails if a bomb takes the memory that it asks for."""
    assert error(png([row.tobytes() for row in COLOURS], 8, 2), COLOURS) == 0  # The first picture imports decoders.
    try:
        pathlib.Path('/proc/self/clear_refs').write_text('5')  # Resets the peak to the memory in use.
        before = peak_bytes()
    except OSError:
        pytest.skip('memory can be measured on Linux alone')
    yield
    assert peak_bytes() < before + 150 * MEGABYTE  # Pillow itself stops at 64 MB of text; bombs ask for 256 and more.


def changed(data: bytes, old: bytes, new: bytes) -> bytes:
    assert data.count(old) >= 1
    return data.replace(old, new)


def as_jpeg2000(**parameters) -> bytes:
    data = encoded(Image.new('L', (SIDE, SIDE)), 'JPEG2000', **parameters)
    return changed(data, struct.pack('>II', SIDE, SIDE), struct.pack('>II', HUGE, HUGE))


def as_gif(what: str) -> bytes:
    data = bytearray(encoded(Image.new('L', (SIDE, SIDE)), 'GIF'))
    frame = bytes(data).index(b',\0\0\0\0') + 1
    at = {'screen': 6, 'place': frame, 'frame': frame + 4}[what]
    data[at : at + 4] = struct.pack('<HH', HUGE, HUGE)
    return bytes(data)


def as_dds() -> bytes:
    head = struct.pack('<4sIIII56x', b'DDS ', 124, 0x1007, HUGE, HUGE)
    return head + struct.pack('<II4sIIIII40x', 32, 0x40, b'', 24, 0xFF0000, 0xFF00, 0xFF, 0)


BOMBS = {
    'PNG of 16 bits': lambda: png([], 16, 0, side=HUGE),
    'TIFF': lambda: tiff(bytes(9), {BITS: 16, PHOTOMETRIC: BLACK_IS_ZERO}, side=HUGE),
    'packed TIFF': lambda: tiff(bytes(9), {BITS: 32, PHOTOMETRIC: BLACK_IS_ZERO, FORMAT: 3}, is_packed=True, side=HUGE),
    'JPEG 2000': as_jpeg2000,
    'bare JPEG 2000': lambda: as_jpeg2000(no_jp2=True),
    'screen of a GIF': lambda: as_gif('screen'),
    'place in a GIF': lambda: as_gif('place'),
    'frame of a GIF': lambda: as_gif('frame'),
    'PNG in an icon': lambda: ico(png([], 8, 2, side=HUGE), 32),
    'BMP in an icon': lambda: ico(
        struct.pack('<IiiHHIIiiII', 40, HUGE, 2 * HUGE, 1, 32, 0, 0, 0, 0, 0, 0) + bytes(99), 32
    ),
    'ICNS': lambda: b'icns' + struct.pack('>I4sI', 99, b'ic07', 99) + png([], 8, 2, side=HUGE),
    'PSD': lambda: changed(psd(3, [b'', b'', b'']), struct.pack('>II', SIDE, SIDE), struct.pack('>II', HUGE, HUGE)),
    'QOI': lambda: b'qoif' + struct.pack('>IIBB', HUGE, HUGE, 3, 0) + bytes(20),
    'BMP': lambda: b'BM' + bytes(12) + struct.pack('<IiiHH24x', 40, HUGE, HUGE, 1, 24),
    'PGM': lambda: b'P5 30000 30000 65535\n' + bytes(20),
    'PFM': lambda: b'Pf\n30000 30000\n-1.0\n' + bytes(20),
    'TGA': lambda: struct.pack('<BBBHHBHHHHBB', 0, 0, 2, 0, 0, 0, 0, 0, HUGE, HUGE, 24, 0) + bytes(20),
    'DDS': as_dds,
    'SGI': lambda: struct.pack('>HBBHHHH', 474, 0, 1, 3, HUGE, HUGE, 3) + bytes(600),
    'PCX': lambda: struct.pack('<BBBB8H', 10, 5, 1, 8, 0, 0, HUGE, HUGE, 0, 0, 0, 0) + bytes(45) + b'\3' + bytes(200),
}


@pytest.mark.parametrize('name', BOMBS)
def test_a_picture_that_claims_to_be_huge_is_too_large(name, little_memory):
    bomb = BOMBS[name]()
    assert len(bomb) < 1000
    found = rejected(bomb)
    assert found.reason == rejection.TOO_LARGE
    assert 'pixels' in found.detail


def inflated(megabytes: int) -> bytes:
    """Compressed data of so many megabytes of zeros: that of one megabyte, repeated."""
    packer = zlib.compressobj(9)
    first, other = (packer.compress(bytes(MEGABYTE)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + other * (megabytes - 1) + b'\3\0' + struct.pack('>HH', megabytes * MEGABYTE % 65521, 1)


def test_the_bomb_goes_off():
    assert zlib.decompress(inflated(3)) == bytes(3 * MEGABYTE)


@pytest.mark.parametrize(
    ('kind', 'before'), [(b'zTXt', b'key\0\0'), (b'iTXt', b'key\0\1\0\0\0'), (b'iCCP', b'name\0\0')]
)
def test_text_that_unpacks_to_hundreds_of_megabytes_costs_nothing(kind, before, little_memory):
    bomb = chunk(kind, before + inflated(256))
    whole = png([row.tobytes() for row in COLOURS], 8, 2, bomb)
    assert len(whole) < MEGABYTE
    assert error(whole, COLOURS) == 0
    behind = png([row.tobytes() for row in COLOURS], 8, 2).replace(chunk(b'IEND', b''), bomb + chunk(b'IEND', b''))
    assert error(behind, COLOURS) == 0


def test_much_text_in_many_chunks_costs_nothing(little_memory):
    text = inflated(15)
    chunks = [chunk(b'zTXt', b'key %d\0\0' % number + text) for number in range(40)]
    assert error(png([row.tobytes() for row in COLOURS], 8, 2, *chunks), COLOURS) == 0


def test_a_tile_that_is_larger_than_any_image_is_too_large(little_memory):
    side = 16384
    data = tiff(inflated(side * side // MEGABYTE), {**IN_GREY, COMPRESSION: 8}, tile=side)
    assert len(data) < MEGABYTE
    assert rejected(data).reason == rejection.TOO_LARGE


@pytest.mark.parametrize('rows', [1 << 24, 1 << 31, (1 << 32) - 1])
def test_a_strip_of_more_rows_than_the_image_takes_no_more_memory(rows, little_memory):
    data = tiff(inflated(256), {**IN_GREY, COMPRESSION: 8, ROWS_A_STRIP: rows})
    right_or_left_out(data, np.zeros((SIDE, SIDE)))
