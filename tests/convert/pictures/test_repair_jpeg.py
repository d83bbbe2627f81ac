"""JPEGs without their end marker give the same picture, unless a part of the picture is missing too."""

from __future__ import annotations

import functools
import re

import numpy as np
import pytest
from PIL import Image

from convert import rejection
from convert.pictures import decode
from tests.image_files import COLOURS, SIDE, decoded, encoded, error, rejected, right_or_left_out

END = b'\xff\xd9'
NOISE = np.random.default_rng(0).integers(0, 256, (SIDE, SIDE, 3)).astype(np.uint8)
HALF_FLAT = np.where(np.arange(SIDE)[:, None, None] < 16, COLOURS, 128).astype(np.uint8)
PICTURES = {'smooth': COLOURS, 'noise': NOISE, 'half flat': HALF_FLAT, 'black': np.zeros_like(COLOURS)}
# The mode, and how the file is saved.
KINDS = {
    'baseline': ('RGB', {}),
    'not subsampled': ('RGB', {'quality': 95, 'subsampling': 0}),
    'progressive': ('RGB', {'progressive': True}),
    'grey': ('L', {'quality': 50}),
    'progressive grey': ('L', {'progressive': True}),
    'inks': ('CMYK', {'quality': 50}),
    'with restarts': ('RGB', {'restart_marker_blocks': 1}),
    'grey with restarts': ('L', {'restart_marker_blocks': 3, 'quality': 50}),
    'progressive with restarts': ('L', {'progressive': True, 'restart_marker_rows': 1}),
}
KIND = pytest.mark.parametrize('kind', KINDS)


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


@functools.lru_cache
def jpeg(kind: str, picture: str, side: int = SIDE, **more) -> bytes:
    mode, parameters = KINDS[kind]
    image = Image.fromarray(PICTURES[picture]).resize((side, side)).convert(mode)
    data = encoded(image, 'JPEG', **parameters, **more)
    assert data.endswith(END)
    return data


@KIND
@pytest.mark.parametrize('picture', PICTURES)
@pytest.mark.parametrize('side', [SIDE, 200])
def test_a_jpeg_without_its_end_mark_gives_the_same_picture(kind, picture, side):
    whole = jpeg(kind, picture, side)
    for cut in (1, 2):
        assert error(whole[:-cut], decoded(whole)) == 0


def places_to_cut(data: bytes, count: int) -> list[int]:
    """Some places within the scans, all of the last ones, and those around some markers."""
    begin, end = data.index(b'\xff\xda') + 10, len(data) - 2
    marks = [match.start() for match in re.finditer(rb'\xff[^\0]', data[begin:end])]
    around = [begin + mark + step for mark in marks[:: max(1, len(marks) // 12)] for step in (-1, 0, 1, 2, 3)]
    spread = range(begin, end, max(1, (end - begin) // count))
    return sorted({place for place in (*around, *spread, *range(end - 24, end)) if begin <= place < end})


@KIND
@pytest.mark.parametrize('picture', PICTURES)
def test_a_jpeg_that_is_cut_off_never_gives_another_picture(kind, picture):
    whole = jpeg(kind, picture)
    wanted, left_out = decoded(whole), []
    for cut in places_to_cut(whole, 24):
        try:
            found = decoded(whole[:cut])
        except rejection.Rejected as rejected_:
            left_out.append(cut)
            assert rejected_.reason in (rejection.TRUNCATED, rejection.damaged('JPEG'))
        else:
            assert np.array_equal(found, wanted), f'{cut - len(whole)} bytes from the end'
    if picture in ('smooth', 'noise'):  # In the others, the last bytes may hold what libjpeg would make up anyway.
        assert set(places_to_cut(whole, 24)) - set(left_out) <= set(range(len(whole) - 6, len(whole)))


@pytest.mark.parametrize('seed', [3, 9, 15, 17, 22, 37, 58])
@pytest.mark.parametrize('more', [{}, {'restart_marker_rows': 1}])
def test_the_last_bits_count_as_well(seed, more):
    """With these waves, a wrong end gave the same picture after ones and zeros, but another one than the whole file."""
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE
    phases = np.random.default_rng(seed).uniform(0, 6, (3, 1, 1))
    waves = np.rint((np.sin(5 * x + 3 * y + phases) + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
    whole = encoded(Image.fromarray(waves), 'JPEG', progressive=True, **more)
    for cut in range(3, 9):
        right_or_left_out(whole[:-cut], decoded(whole))


@pytest.mark.parametrize('kind', ['baseline', 'progressive', 'with restarts'])
def test_a_large_jpeg_that_is_decoded_at_a_reduced_scale_is_looked_at_whole(kind):
    whole = jpeg(kind, 'noise', 264)
    for cut in places_to_cut(whole, 8)[:-8]:
        assert rejected(whole[:cut]).reason == rejection.TRUNCATED


def test_a_progressive_jpeg_that_lacks_whole_scans_is_left_out():
    whole = jpeg('progressive', 'smooth')
    scans = [match.start() for match in re.finditer(rb'\xff\xda', whole)]
    assert len(scans) > 5
    for scan in scans[1:]:
        assert rejected(whole[:scan]).reason == rejection.TRUNCATED
        assert rejected(whole[: scan + 6]).reason in (rejection.TRUNCATED, rejection.damaged('JPEG'))


DAMAGED_EXIF = {
    'nonsense': b'Exif\0\0nonsense',
    'no orders': b'Exif\0\0XX\0*\0\0\0\x08\0\0',
    'outside': b'Exif\0\0MM\0*\xff\xff\xff\xf0\0\0',
    'too many': b'Exif\0\0MM\0*\0\0\0\x08\xff\xff\1\x12\0\3',
    'ninth way up': b'Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\x09\0\0\0\0\0\0',
    'text': b'Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\2\0\0\0\4six\0\0\0\0\0',
    'itself': b'Exif\0\0MM\0*\0\0\0\x08\0\1\x87\x69\0\4\0\0\0\1\0\0\0\x08\0\0\0\x08',
}


@pytest.mark.parametrize('exif', DAMAGED_EXIF.values(), ids=DAMAGED_EXIF)
@pytest.mark.parametrize('kind', ['baseline', 'progressive', 'grey'])
def test_damaged_exif_changes_no_pixel(kind, exif):
    plain, damaged = jpeg(kind, 'smooth'), jpeg(kind, 'smooth', exif=exif)
    assert exif in damaged
    assert error(damaged, decoded(plain)) == 0
    assert error(damaged[:-2], decoded(plain)) == 0


def test_the_end_mark_of_a_thumbnail_is_not_that_of_the_picture():
    thumbnail = jpeg('grey', 'black')
    whole = jpeg('baseline', 'smooth', exif=b'Exif\0\0' + thumbnail)
    end = whole.index(thumbnail) + len(thumbnail)
    assert error(whole[:-2], decoded(jpeg('baseline', 'smooth'))) == 0
    for cut in (end, end - 1, end + 3):
        assert rejected(whole[:cut]).reason in (rejection.TRUNCATED, rejection.damaged('JPEG'))
