"""The value of white in a set of 16-bit files: the one that the file states, else by the highest value of the set."""

from __future__ import annotations

from concurrent import futures

import numpy as np
import pytest

from convert.pictures import decode, depth
from tests.image_files import (
    BITS,
    BLACK_IS_ZERO,
    FORMAT,
    GREY,
    MAX_VALUE,
    PHOTOMETRIC,
    RAMP,
    SHARES,
    SIDE,
    SIGNED,
    columns,
    error,
    grey,
    png,
    tiff,
)


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def deep_png(white: int) -> bytes:
    """A 16-bit PNG from black to `white`."""
    return png([np.rint(SHARES * white).astype('>u2').tobytes()] * SIDE, 16, 0)


def deep_tiff(white: int, *more: tuple[int, int]) -> bytes:
    tags = {BITS: 16, PHOTOMETRIC: BLACK_IS_ZERO, **dict(more)}
    return tiff(columns(np.rint(SHARES * white)).astype('<u2').tobytes(), tags)


def deep_pgm(white: int, maxval: int) -> bytes:
    return b'P5 32 32 %d\n' % maxval + columns(np.rint(SHARES * white)).astype('>u2').tobytes()


@pytest.mark.parametrize('make', [deep_png, deep_tiff, lambda white: deep_pgm(white, 65535)])
@pytest.mark.parametrize('white', [1023, 4095, 16383])
def test_a_set_that_reaches_fewer_bits_is_dark_until_its_white_is_known(make, white):
    levels = depth.Levels()
    assert error(make(white), np.rint(GREY * (white / 65535)), levels=levels) <= 1
    assert levels.of_the_set() == white
    assert levels.white == 65535
    assert grey(make(white), depth.Levels(levels.of_the_set())) == RAMP.tolist()


def test_one_bright_file_makes_the_others_dark():
    levels = depth.Levels()
    for white in (1023, 4095, 65535, 1023):
        grey(deep_png(white), levels)
    assert levels.of_the_set() == 65535


def test_the_white_of_a_set_leaves_room_for_what_is_brighter():
    assert grey(deep_png(5000), depth.Levels(4095)) == RAMP.tolist()
    assert max(grey(deep_png(2000), depth.Levels(4095))) == round(255 * 2000 / 4095)


def test_a_dark_file_in_a_known_set_stays_dark():
    levels = depth.Levels(4095)
    assert error(deep_png(409), np.rint(GREY * (409 / 4095)), levels=levels) <= 1


@pytest.mark.parametrize(
    'data',
    [
        deep_tiff(500, (MAX_VALUE, 4095)),
        deep_tiff(500, (FORMAT, SIGNED)),
        deep_pgm(500, 1023),
        deep_pgm(500, 4095),
        b'P2 32 32 1023\n' + b' '.join([b'500'] * SIDE * SIDE) + b'\n',
        b'P5 32 32 255\n' + GREY.tobytes(),
        png([row.tobytes() for row in GREY], 8, 0),
    ],
    ids=['largest value', 'signed', 'maxval 1023', 'maxval 4095', 'plain', '8 bits', 'PNG of 8 bits'],
)
def test_a_file_that_says_what_white_is_tells_nothing_of_the_set(data):
    levels, untouched = depth.Levels(), grey(data)
    assert grey(data, levels) == untouched
    assert levels.of_the_set() == 65535
    assert grey(data, depth.Levels(1023)) == untouched


def test_maxval_is_white():
    assert error(deep_pgm(500, 1023), np.rint(GREY * (500 / 1023))) <= 1
    assert grey(deep_pgm(1023, 1023)) == RAMP.tolist()


def test_a_set_without_deep_files_keeps_its_white():
    assert depth.Levels().of_the_set() == 65535
    assert depth.Levels(4095).of_the_set() == 4095


def test_threads_may_share_the_levels():
    levels = depth.Levels()
    with futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(levels.note, np.random.default_rng(0).permutation(4000).tolist()))
    assert levels.of_the_set() == 4095
    levels.note(4096)
    assert levels.of_the_set() == 16383
