"""Grey TIFFs with known tags: their values are read as the tags say, or the file is left out."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from convert.pictures import decode
from tests.image_files import (
    BITS,
    BLACK_IS_ZERO,
    COLUMNS,
    FILL_ORDER,
    FLOAT,
    FORMAT,
    GREY,
    MAX_VALUE,
    ORIENTATION,
    PHOTOMETRIC,
    RAMP,
    SHARES,
    SIDE,
    SIGNED,
    WHITE_IS_ZERO,
    columns,
    error,
    grey,
    packed,
    right_or_left_out,
    tiff,
)

both_orders = pytest.mark.parametrize('order', ['<', '>'])
packed_or_not = pytest.mark.parametrize('is_packed', [False, True])
both_polarities = pytest.mark.parametrize('photometric', [WHITE_IS_ZERO, BLACK_IS_ZERO])


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def ramp(low: float, high: float, photometric: int) -> np.ndarray:
    """Values from black to white, as integers if both ends are integers."""
    values = columns(low + SHARES * (high - low) if isinstance(low, float) else np.rint(low + SHARES * (high - low)))
    return values if photometric == BLACK_IS_ZERO else low + high - values


def opens(order: str, photometric: int, bits: int, form: int) -> bool:
    """Whether every version of Pillow reads such greys."""
    if form == FLOAT:
        return bits == 32
    if photometric == WHITE_IS_ZERO:
        return form != SIGNED and (bits == 8 or (bits == 16 and order == '<'))
    return (bits, form, order) != (32, 1, '>')


@packed_or_not
@both_orders
@both_polarities
@pytest.mark.parametrize(
    ('kind', 'low', 'high', 'tolerance'),
    [
        ('u1', 0, 255, 0),
        ('u2', 0, 65535, 0),
        ('u4', 0, 2**32 - 1, 0),
        ('i1', 0, 127, 1),  # 7 bits in 8 cannot be more exact.
        ('i1', -128, 127, 0),
        ('i2', 0, 32767, 0),
        ('i2', -32768, 32767, 0),
        ('i4', 0, 65535, 0),
        ('i4', -(2**31), 2**31 - 1, 0),
        ('f4', 0.0, 1.0, 0),
        ('f4', 0.0, 255.0, 0),
        ('f4', -3.0, 1000.0, 0),
        ('f2', 0.0, 1.0, 0),
        ('f8', 0.0, 1.0, 0),
    ],
)
def test_grey_goes_from_black_to_white(kind, low, high, tolerance, photometric, order, is_packed):
    bits, form = 8 * int(kind[1]), {'u': 1, 'i': SIGNED, 'f': FLOAT}[kind[0]]
    values = ramp(low, high, photometric).astype(order + kind)
    tags = {BITS: bits, PHOTOMETRIC: photometric, **({FORMAT: form} if form > 1 else {})}
    data = tiff(values.tobytes(), tags, order, is_packed)
    if opens(order, photometric, bits, form):
        assert error(data, GREY) <= tolerance
    else:
        right_or_left_out(data, GREY, tolerance)


@packed_or_not
@both_orders
@both_polarities
@pytest.mark.parametrize('bits', [1, 2, 4])
def test_few_bits_go_from_black_to_white(bits, photometric, order, is_packed):
    white = (1 << bits) - 1
    values = np.rint(SHARES * white).astype(int)
    stored = values if photometric == BLACK_IS_ZERO else white - values
    data = tiff(packed(stored, bits) * SIDE, {BITS: bits, PHOTOMETRIC: photometric}, order, is_packed)
    assert grey(data) == np.rint(values * 255 / white).tolist()


@packed_or_not
def test_12_bits(is_packed):
    data = packed(np.rint(SHARES * 4095).astype(int), 12) * SIDE
    assert grey(tiff(data, {BITS: 12, PHOTOMETRIC: BLACK_IS_ZERO}, '<', is_packed)) == RAMP.tolist()
    for order, photometric in (('>', BLACK_IS_ZERO), ('<', WHITE_IS_ZERO)):
        wanted = GREY if photometric == BLACK_IS_ZERO else 255 - GREY
        right_or_left_out(tiff(data, {BITS: 12, PHOTOMETRIC: photometric}, order, is_packed), wanted)


@both_orders
@pytest.mark.parametrize('white', [1023, 4095, 16383])
def test_the_largest_value_that_a_file_names_is_white(order, white):
    tags = {BITS: 16, PHOTOMETRIC: BLACK_IS_ZERO, MAX_VALUE: white}
    for brightest in (white, white // 2):
        values = columns(np.rint(SHARES * brightest)).astype(f'{order}u2')
        assert error(tiff(values.tobytes(), tags, order), GREY * (brightest / white)) <= 1


@packed_or_not
@both_orders
@both_polarities
def test_what_is_no_number_is_black_and_infinity_the_end_of_the_range(photometric, order, is_packed):
    values = ramp(0.0, 1.0, photometric).astype(f'{order}f4')
    values[:, 20:23] = np.nan, np.inf, -np.inf
    row = grey(tiff(values.tobytes(), {BITS: 32, FORMAT: FLOAT, PHOTOMETRIC: photometric}, order, is_packed))
    assert row[20:23] == ([0, 255, 0] if photometric == BLACK_IS_ZERO else [0, 0, 255])
    assert row[:20] + row[23:] == RAMP[[*range(20), *range(23, 32)]].tolist()


@packed_or_not
@both_orders
@pytest.mark.parametrize('orientation', range(1, 9))
@pytest.mark.parametrize(('kind', 'form', 'white'), [('u1', 1, 255), ('u2', 1, 65535), ('i4', 2, 65535), ('f4', 3, 1)])
def test_deep_pictures_are_upright_as_well(kind, form, white, orientation, order, is_packed):
    upright = columns(SHARES * white)
    upright[:8] = 0
    stored = [upright, upright[:, ::-1], upright[::-1, ::-1], upright[::-1],
              upright.T, np.rot90(upright), upright[::-1, ::-1].T, np.rot90(upright, -1)][orientation - 1]  # fmt: skip
    values = np.ascontiguousarray(np.rint(stored) if form < 3 else stored).astype(order + kind)
    tags = {BITS: 8 * int(kind[1]), FORMAT: form, PHOTOMETRIC: BLACK_IS_ZERO, ORIENTATION: orientation}
    assert error(tiff(values.tobytes(), tags, order, is_packed), np.rint(upright * 255 / white)) == 0


@both_orders
@both_polarities
def test_bits_of_the_other_order(photometric, order):
    values = COLUMNS % 3 == 0
    stored = values if photometric == BLACK_IS_ZERO else ~values
    turned = bytes(int(f'{byte:08b}'[::-1], 2) for byte in packed(stored.astype(int), 1))
    tags = {BITS: 1, PHOTOMETRIC: photometric, FILL_ORDER: 2}
    assert grey(tiff(turned * SIDE, tags, order)) == (values * 255).tolist()


@packed_or_not
@both_orders
@pytest.mark.parametrize('edge', [16, 64])
def test_tiles(edge, order, is_packed):
    canvas = np.zeros((max(edge, SIDE),) * 2, np.uint8)
    canvas[:SIDE, :SIDE] = GREY
    corners = itertools.product(range(0, SIDE, edge), repeat=2)
    tiles = [np.ascontiguousarray(canvas[y : y + edge, x : x + edge]).tobytes() for y, x in corners]
    tags = {BITS: 8, PHOTOMETRIC: BLACK_IS_ZERO}
    assert len(tiles) == (4 if edge == 16 else 1)
    assert error(tiff(tiles, tags, order, is_packed, tile=edge), GREY) == 0
