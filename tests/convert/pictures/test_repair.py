"""Files that are damaged outside their pixel data give the same picture; files with damaged pixels are left out."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageCms

from convert import rejection
from convert.pictures import decode
from tests.image_files import COLOURS, SIDE, chunk, decoded, encoded, error, png, rejected, with_wrong_checksum

ROWS = [row.tobytes() for row in COLOURS]
PIXELS, END = chunk(b'IDAT', b'nonsense'), chunk(b'IEND', b'')
EXIF = Image.Exif()
EXIF[0x0112] = 6  # Orientation: rotated by 90 degrees.
TURNED = chunk(b'eXIf', EXIF.tobytes()[6:])
GAMMA = chunk(b'gAMA', struct.pack('>I', 100000))
TRANSPARENT = chunk(b'tRNS', struct.pack('>3H', 0, 0, 255))


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def swapped_profile() -> bytes:
    """An sRGB profile with its red and blue primaries swapped."""
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    return profile.replace(b'rXYZ', b'temp').replace(b'bXYZ', b'rXYZ').replace(b'temp', b'bXYZ')


PROFILE = chunk(b'iCCP', b'name\0\0' + zlib.compress(swapped_profile()))
BESIDE = [
    chunk(b'tEXt', b'key\0value'),
    chunk(b'zTXt', b'key\0\0' + zlib.compress(b'value')),
    chunk(b'iTXt', b'key\0\0\0\0\0value'),
    chunk(b'tIME', struct.pack('>H5B', 2024, 2, 29, 12, 0, 0)),
    chunk(b'pHYs', struct.pack('>IIB', 2835, 2835, 1)),
    chunk(b'bKGD', struct.pack('>3H', 0, 0, 0)),
    chunk(b'sBIT', b'\x08\x08\x08'),
    chunk(b'eXIf', b'MM\0*\0\0\0\x08\0\0\0\0\0\0'),
    chunk(b'iCCP', b'name\0\0' + zlib.compress(b'no profile')),
    chunk(b'cHRM', struct.pack('>8I', *[33333] * 8)),
    chunk(b'acTL', struct.pack('>II', 2, 0)),
    chunk(b'vpAg', struct.pack('>IIB', 32, 32, 0)),
]


def names(chunks: list[bytes]) -> list[str]:
    return [made[4:8].decode() for made in chunks]


@pytest.mark.parametrize('damaged', BESIDE, ids=names(BESIDE))
def test_a_wrong_checksum_beside_the_pixels_changes_no_pixel(damaged):
    whole, broken = png(ROWS, 8, 2, damaged), png(ROWS, 8, 2, with_wrong_checksum(damaged))
    assert len(whole) == len(broken)
    assert whole != broken
    assert error(whole, COLOURS) == 0
    assert error(broken, COLOURS) == 0
    behind = png(ROWS, 8, 2).replace(END, with_wrong_checksum(damaged) + END)
    assert error(behind, COLOURS) == 0


@pytest.mark.parametrize('damaged', BESIDE[:7], ids=names(BESIDE[:7]))
def test_what_is_whole_beside_a_wrong_checksum_still_counts(damaged):
    for whole in (
        PROFILE,
        TURNED,
        chunk(b'gAMA', struct.pack('>I', 100000)),
        chunk(b'tRNS', struct.pack('>3H', 0, 0, 255)),
    ):
        wanted = decoded(png(ROWS, 8, 2, whole))
        assert np.abs(wanted - COLOURS).max() > 10, 'it has to matter'
        for chunks in ((whole, with_wrong_checksum(damaged)), (with_wrong_checksum(damaged), whole)):
            assert np.array_equal(decoded(png(ROWS, 8, 2, *chunks)), wanted)


@pytest.mark.parametrize(
    'damaged',
    [
        PROFILE,
        TURNED,
        GAMMA,
        TRANSPARENT,
        chunk(b'sRGB', b'\0'),
    ],
    ids=['iCCP', 'eXIf', 'gAMA', 'tRNS', 'sRGB'],
)
def test_damaged_ones_do_not_count(damaged):
    assert error(png(ROWS, 8, 2, with_wrong_checksum(damaged)), COLOURS) == 0


@pytest.mark.parametrize(
    'malformed',
    [
        chunk(b'pHYs', b'\0\0'),
        chunk(b'cHRM', b'\0'),
        chunk(b'zTXt', b'key\0\7xyz'),
        chunk(b'iCCP', b'name\0\7xyz'),
        chunk(b'iCCP', b'name\0\0xyz'),
        chunk(b'iCCP', b''),
        chunk(b'acTL', b'\0'),
        chunk(b'fcTL', b'\0'),
        chunk(b'eXIf', b'nonsense'),
        chunk(b'tEXt', b'transparency\0yes'),
        chunk(b'tEXt', b'gamma\0yes'),
        chunk(b'tEXt', b'icc_profile\0yes'),
        chunk(b'tEXt', b'key\0' + b'x' * (20 << 20)),
    ],
    ids=lambda made: made[4:20].decode('latin-1').replace('\0', ' '),
)
def test_a_malformed_chunk_of_right_checksum_changes_no_pixel(malformed):
    assert error(png(ROWS, 8, 2, malformed), COLOURS) == 0
    assert error(png(ROWS, 8, 2, chunk(b'pHYs', b'\0'), malformed), COLOURS) == 0


@pytest.mark.parametrize('level', [0, 9])
def test_no_changed_bit_of_the_pixels_goes_unseen(level):
    whole = png(ROWS, 8, 2, level=level)
    begin, end = whole.index(b'IDAT') + 4, whole.index(END) - 4
    for at in range(begin, end, 17):
        for bit in (0x01, 0x10, 0x80):
            broken = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1 :]
            assert rejected(broken).reason == rejection.damaged('PNG')


def test_damaged_pixels_in_any_of_several_chunks_are_seen():
    packed = zlib.compress(b''.join(b'\0' + row for row in ROWS), 9)
    parts = [chunk(b'IDAT', packed[at : at + 400]) for at in range(0, len(packed), 400)]

    def made(chunks: list[bytes]) -> bytes:
        return png(ROWS, 8, 2).replace(chunk(b'IDAT', packed), b''.join(chunks))

    assert len(parts) > 3
    assert error(made(parts), COLOURS) == 0
    for number, part in enumerate(parts):
        broken = [*parts[:number], with_wrong_checksum(part), *parts[number + 1 :]]
        assert rejected(made(broken)).reason == rejection.damaged('PNG')


@pytest.mark.parametrize('kind', ['IHDR', 'PLTE'])
def test_damage_to_what_decides_about_the_pixels_is_seen(kind):
    palette = chunk(b'PLTE', bytes(range(96)))
    whole = png([bytes(range(SIDE))] * SIDE, 8, 3, palette)
    at = whole.index(kind.encode()) + 6
    assert rejected(whole[:at] + b'\7' + whole[at + 1 :]).reason == rejection.damaged('PNG')


def test_a_png_that_is_cut_off_in_its_pixels_is_left_out():
    whole = png(ROWS, 8, 2, chunk(b'tEXt', b'key\0value'))
    begin, end = whole.index(b'IDAT'), whole.index(END)
    for cut in range(begin + 4, end - 8, 23):
        assert rejected(whole[:cut]).reason == rejection.TRUNCATED
        mended = whole[: begin - 4] + chunk(b'IDAT', whole[begin + 4 : cut]) + END  # As if it were whole.
        assert rejected(mended).reason == rejection.TRUNCATED
    for cut in (end, end + 4, end + 8):
        assert error(whole[:cut], COLOURS) == 0


@pytest.mark.parametrize('garbage', [bytes(1000), b'<html>\n' * 99, encoded(Image.new('RGB', (64, 64)), 'PNG')])
@pytest.mark.parametrize('format_', ['PNG', 'JPEG', 'GIF', 'WEBP', 'BMP', 'TIFF', 'PPM'])
def test_what_follows_a_whole_file_changes_no_pixel(format_, garbage):
    data = encoded(Image.fromarray(COLOURS).convert('L'), format_, **({'lossless': True} if format_ == 'WEBP' else {}))
    assert np.array_equal(decoded(data + garbage), decoded(data))


def test_garbage_behind_a_png_that_needs_repair_is_not_read():
    broken = png(ROWS, 8, 2, with_wrong_checksum(BESIDE[0]))
    other = png([bytes(96)] * SIDE, 8, 2)
    for garbage in (other, other[8:], bytes(50), struct.pack('>I', 2**31) + b'IDAT', with_wrong_checksum(PIXELS)):
        assert error(broken + garbage, COLOURS) == 0
