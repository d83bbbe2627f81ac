"""Colour TIFFs with known tags: their values are read as the tags say, or the file is left out."""

from __future__ import annotations

import numpy as np
import pytest

from convert import rejection
from convert.pictures import decode
from tests.image_files import (
    ALPHA,
    BITS,
    BLACK_IS_ZERO,
    CIELAB,
    CMYK,
    COLOUR_MAP,
    COLOURS,
    COLUMNS,
    EXTRA,
    FLOAT,
    FORMAT,
    GREY,
    MAX_VALUE,
    PALETTE,
    PHOTOMETRIC,
    PLANAR,
    RGB,
    ROWS_A_STRIP,
    SAMPLES,
    SEPARATE,
    SIDE,
    SIGNED,
    SUBSAMPLING,
    YCBCR,
    columns,
    decoded,
    error,
    over_white,
    packed,
    planes,
    rejected,
    right_or_left_out,
    tiff,
)

both_orders = pytest.mark.parametrize('order', ['<', '>'])
packed_or_not = pytest.mark.parametrize('is_packed', [False, True])


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


@packed_or_not
@both_orders
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('are_planes', [False, True])
def test_colours_of_8_and_16_bits(are_planes, bits, order, is_packed):
    values = COLOURS if bits == 8 else (COLOURS.astype(int) * 257).astype(f'{order}u2')
    tags = {BITS: [bits] * 3, PHOTOMETRIC: RGB, SAMPLES: 3, PLANAR: 1 + are_planes}
    assert error(tiff(planes(values) if are_planes else values.tobytes(), tags, order, is_packed), COLOURS) == 0
    bands = [values[top : top + 8] for top in range(0, SIDE, 8)]
    strips = (
        [band[..., c].tobytes() for c in range(3) for band in bands] if are_planes else map(np.ndarray.tobytes, bands)
    )
    assert error(tiff(list(strips), {**tags, ROWS_A_STRIP: 8}, order, is_packed), COLOURS) == 0


@packed_or_not
@both_orders
@pytest.mark.parametrize('changes', [{FORMAT: [SIGNED] * 3}, {BITS: [32] * 3, FORMAT: [FLOAT] * 3}, {BITS: [32] * 3}])
def test_colours_of_other_kinds_are_left_out(changes, order, is_packed):
    tags = {BITS: [8] * 3, PHOTOMETRIC: RGB, SAMPLES: 3, **changes}
    found = rejected(tiff(COLOURS.tobytes() * (tags[BITS][0] // 8), tags, order, is_packed))
    assert found.reason == rejection.damaged('TIFF')


@packed_or_not
@both_orders
@pytest.mark.parametrize('largest', [1023, 4095, 16383])
def test_colours_that_leave_bits_of_16_unused_are_left_out(largest, order, is_packed):
    values = (COLOURS.astype(int) * largest // 255).astype(f'{order}u2')
    tags = {BITS: [16] * 3, PHOTOMETRIC: RGB, SAMPLES: 3, MAX_VALUE: [largest] * 3}
    found = rejected(tiff(values.tobytes(), tags, order, is_packed))
    assert found.reason == rejection.unsupported('TIFF of colours of less than 16 bits in 16')


@packed_or_not
@pytest.mark.parametrize('meaning', [None, 0, 1, 2])
@pytest.mark.parametrize(('photometric', 'bits'), [(BLACK_IS_ZERO, 8), (RGB, 8), (RGB, 16)])
@pytest.mark.parametrize('are_planes', [False, True])
def test_alpha_is_what_the_file_says_it_is(are_planes, photometric, bits, meaning, is_packed):
    if photometric == BLACK_IS_ZERO and meaning is None:
        return  # A TIFF cannot have two grey channels of which one has no meaning.
    opaque = COLOURS if photometric == RGB else GREY[..., None]
    colours = np.rint(opaque * (ALPHA[..., None] / 255)) if meaning == 1 else opaque  # Premultiplied.
    values = np.dstack([colours, ALPHA]).astype(int)
    values = (values * 257).astype('<u2') if bits == 16 else values.astype(np.uint8)
    count = values.shape[-1]
    tags = {BITS: [bits] * count, PHOTOMETRIC: photometric, SAMPLES: count, PLANAR: 1 + are_planes}
    tags |= {} if meaning is None else {EXTRA: meaning}
    data = tiff(planes(values) if are_planes else values.tobytes(), tags, is_packed=is_packed)
    wanted = opaque if meaning == 0 else over_white(opaque)
    if are_planes and (photometric == BLACK_IS_ZERO or meaning != 2):
        right_or_left_out(data, wanted, 1)
    else:
        right_or_left_out(data, wanted, 1, read_since=13 if photometric == BLACK_IS_ZERO else 0)


@packed_or_not
@both_orders
def test_alpha_that_was_never_filled_in_is_none_unless_the_file_says_so(order, is_packed):
    values = np.dstack([COLOURS, np.zeros_like(GREY)]).tobytes()
    tags = {BITS: [8] * 4, PHOTOMETRIC: RGB, SAMPLES: 4}
    assert error(tiff(values, tags, order, is_packed), COLOURS) == 0
    assert decoded(tiff(values, {**tags, EXTRA: 2}, order, is_packed)).min() == 255


@packed_or_not
@both_orders
@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('are_planes', [False, True])
def test_inks(are_planes, bits, order, is_packed):
    values = np.dstack([255 - COLOURS, np.zeros_like(GREY)])
    values = values if bits == 8 else (values.astype(int) * 257).astype(f'{order}u2')
    tags = {BITS: [bits] * 4, PHOTOMETRIC: CMYK, SAMPLES: 4, PLANAR: 1 + are_planes}
    data = tiff(planes(values) if are_planes else values.tobytes(), tags, order, is_packed)
    if are_planes and bits == 16 and not is_packed:
        right_or_left_out(data, COLOURS)  # Pillow has no raw mode for such planes.
    else:
        assert error(data, COLOURS) == 0


@packed_or_not
@both_orders
def test_cielab(order, is_packed):
    red = np.broadcast_to([138, 81, 70], (SIDE, SIDE, 3)).astype(np.uint8)  # L 54, a 81, b 70.
    tags = {BITS: [8] * 3, PHOTOMETRIC: CIELAB, SAMPLES: 3}
    assert error(tiff(red.tobytes(), tags, order, is_packed), np.broadcast_to([255, 0, 0], red.shape)) < 12
    found = rejected(tiff(planes(red), {**tags, PLANAR: SEPARATE}, order, is_packed))
    assert found.reason == rejection.unsupported('TIFF of CIELAB in planes')


def luma_and_chroma() -> np.ndarray:
    """The picture in JFIF's YCbCr, smooth enough to be subsampled."""
    weights = np.array([[0.299, 0.587, 0.114], [-0.1687, -0.3313, 0.5], [0.5, -0.4187, -0.0813]])
    return np.rint(COLOURS @ weights.T + [0, 128, 128]).clip(0, 255).astype(np.uint8)


@packed_or_not
@both_orders
def test_luma_and_chroma(order, is_packed):
    values = luma_and_chroma()
    tags = {BITS: [8] * 3, PHOTOMETRIC: YCBCR, SAMPLES: 3}
    data = tiff(values.tobytes(), {**tags, SUBSAMPLING: [1, 1]}, order, is_packed)
    right_or_left_out(data, COLOURS, 4, read_since=0 if is_packed else 13)


@both_orders
@pytest.mark.parametrize('subsampling', [{SUBSAMPLING: [2, 2]}, {}])  # The specification's default.
@pytest.mark.parametrize('follows', [0, 9999])
def test_chroma_of_every_second_pixel(order, subsampling, follows):
    values = luma_and_chroma()
    luma = values[..., 0].reshape(16, 2, 16, 2).transpose(0, 2, 1, 3).reshape(16, 16, 4)
    data = np.dstack([luma, values[::2, ::2, 1:]]).tobytes()
    tags = {BITS: [8] * 3, PHOTOMETRIC: YCBCR, SAMPLES: 3, **subsampling}
    assert error(tiff(data, tags, order, True) + bytes(follows), COLOURS) < 20
    found = rejected(tiff(data, tags, order) + bytes(follows))
    assert found.reason == rejection.unsupported('TIFF of uncompressed YCbCr with fewer colours than pixels')


@packed_or_not
@both_orders
@pytest.mark.parametrize(('bits', 'scale'), [(1, 257), (2, 257), (4, 257), (8, 257), (8, 1)])
def test_palettes_of_16_bits_and_of_8(bits, scale, order, is_packed):
    count = min(1 << bits, SIDE)
    colours = np.zeros((3, 1 << bits), int)
    colours[:, :count] = [np.arange(count) * 8, 255 - np.arange(count) * 8, np.arange(count) * 3]
    tags = {BITS: bits, PHOTOMETRIC: PALETTE, COLOUR_MAP: (colours * scale).ravel().tolist()}
    data = tiff(packed(COLUMNS % count, bits) * SIDE, tags, order, is_packed)
    assert error(data, colours.T[columns(COLUMNS % count)]) == 0
