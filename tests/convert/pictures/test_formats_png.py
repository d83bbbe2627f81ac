"""PNGs of every depth and colour type, with transparency and gamma, made chunk by chunk."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import ImageCms

from convert.pictures import decode
from tests.image_files import (
    ALPHA,
    COLOURS,
    COLUMNS,
    GREY,
    SHARES,
    SIDE,
    chunk,
    columns,
    error,
    ico,
    over_white,
    packed,
    png,
)

GREY_TYPE, COLOUR_TYPE, PALETTE_TYPE, GREY_ALPHA_TYPE, COLOUR_ALPHA_TYPE = 0, 2, 3, 4, 6
DEPTHS = pytest.mark.parametrize('bits', [1, 2, 4, 8, 16])
RED = np.array([255, 0, 0])


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def levels(bits: int) -> np.ndarray:
    """A row from black to white, in `bits` bits."""
    return np.rint(SHARES * ((1 << bits) - 1)).astype(int)


def in_8_bits(bits: int) -> np.ndarray:
    return columns(np.rint(levels(bits) * 255 / ((1 << bits) - 1)))


def grey_png(bits: int, *chunks: bytes) -> bytes:
    return png([packed(levels(bits), bits)] * SIDE, bits, GREY_TYPE, *chunks)


def rows(values: np.ndarray, bits: int) -> list[bytes]:
    """The rows of [32, 32, channels], whose values are given in 8 bits."""
    return [
        row.astype(np.uint8).tobytes() if bits == 8 else (row.astype(int) * 257).astype('>u2').tobytes()
        for row in values
    ]


def gamma(value: float) -> bytes:
    return chunk(b'gAMA', struct.pack('>I', round(value * 100000)))


@DEPTHS
def test_grey_goes_from_black_to_white(bits):
    assert error(grey_png(bits), in_8_bits(bits)) == 0


@DEPTHS
@pytest.mark.parametrize('column', [0, 16, 31])
def test_one_grey_may_be_transparent(bits, column):
    transparent = levels(bits)[column]
    wanted = np.repeat(in_8_bits(bits)[..., None], 3, axis=-1)
    wanted[:, levels(bits) == transparent] = RED
    made = grey_png(bits, chunk(b'tRNS', struct.pack('>H', transparent)))
    assert error(made, wanted, background='red') == 0


@pytest.mark.parametrize('bits', [8, 16])
def test_one_colour_may_be_transparent(bits):
    values = np.random.default_rng(0).integers(0, 1 << bits, (SIDE, SIDE, 3))
    data = [row.astype(f'>u{bits // 8}').tobytes() for row in values]
    wanted = values >> (bits - 8)
    wanted[3, 7] = RED
    made = png(data, bits, COLOUR_TYPE, chunk(b'tRNS', struct.pack('>3H', *values[3, 7])))
    assert error(made, wanted, background='red') == 0


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('has_alpha', [False, True])
def test_colours_and_alpha(bits, has_alpha):
    values = np.dstack([COLOURS, ALPHA]) if has_alpha else COLOURS
    wanted = over_white(COLOURS) if has_alpha else COLOURS
    assert error(png(rows(values, bits), bits, COLOUR_ALPHA_TYPE if has_alpha else COLOUR_TYPE), wanted) == 0


@pytest.mark.parametrize('bits', [8, 16])
def test_grey_and_alpha(bits):
    made = png(rows(np.dstack([GREY, ALPHA]), bits), bits, GREY_ALPHA_TYPE)
    assert error(made, over_white(GREY)) == 0


@pytest.mark.parametrize('bits', [1, 2, 4, 8])
@pytest.mark.parametrize('alphas', [b'', b'\x80', b'\x80\0', b'\xff\0'])
def test_a_palette_and_its_transparency(bits, alphas):
    count = min(1 << bits, SIDE)
    numbers = np.arange(count)
    palette = np.stack([numbers * 8, 255 - numbers * 8, numbers * 3], axis=-1).astype(np.uint8)
    chunks = [chunk(b'PLTE', palette.tobytes())] + ([chunk(b'tRNS', alphas)] if alphas else [])
    shown = columns(COLUMNS % count)
    mask = np.array(list(alphas) + [255] * (count - len(alphas)))
    made = png([packed(shown[0], bits)] * SIDE, bits, PALETTE_TYPE, *chunks)
    assert error(made, over_white(palette[shown], mask[shown])) == 0


@pytest.mark.parametrize('value', [0.2, 1 / 1.8, 1.0])
@DEPTHS
def test_gamma_brightens_or_darkens_grey(bits, value):
    exact = levels(bits) / ((1 << bits) - 1)
    assert error(grey_png(bits, gamma(value)), columns(np.rint(255 * exact ** (1 / (2.2 * value))))) == 0


@pytest.mark.parametrize('bits', [8, 16])
def test_gamma_leaves_alpha_alone(bits):
    made = png(rows(np.dstack([COLOURS, ALPHA]), bits), bits, COLOUR_ALPHA_TYPE, gamma(1.0))
    assert error(made, over_white(np.rint(255 * (COLOURS / 255) ** (1 / 2.2)))) == 0


def test_gamma_of_a_transparent_value_counts_for_the_others():
    made = grey_png(16, gamma(1.0), chunk(b'tRNS', b'\0\0'))
    wanted = np.rint(255 * SHARES ** (1 / 2.2))
    assert error(made, columns([255, *wanted[1:]])) == 0


@pytest.mark.parametrize('value', [0.45455, 0.44, 0.46, 0.0, 0.00001, 20.0])
def test_gamma_of_srgb_and_nonsense_change_nothing(value):
    assert error(png(rows(COLOURS, 8), 8, COLOUR_TYPE, gamma(value)), COLOURS) == 0


@pytest.mark.parametrize('kind', ['sRGB', 'iCCP'])
def test_other_colour_chunks_override_gamma(kind):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile('sRGB')).tobytes()
    content = b'\0' if kind == 'sRGB' else b'name\0\0' + zlib.compress(profile)
    made = png(rows(COLOURS, 8), 8, COLOUR_TYPE, chunk(kind.encode(), content), gamma(1.0))
    assert error(made, COLOURS) <= 1


def test_an_icon_keeps_the_transparency_of_the_png_in_it():
    palette = np.stack([COLUMNS * 8, 255 - COLUMNS * 8, COLUMNS * 3], axis=-1).astype(np.uint8)
    alphas = bytes([0] * 16 + [255] * 16)
    chunks = (chunk(b'PLTE', palette.tobytes()), chunk(b'tRNS', alphas))
    inner = png([packed(COLUMNS, 8)] * SIDE, 8, PALETTE_TYPE, *chunks)
    assert error(ico(inner, 8), over_white(palette[columns(COLUMNS)], columns(alphas))) == 0
    inner = grey_png(2, chunk(b'tRNS', b'\0\1'))
    wanted = np.where(columns(levels(2)) == 1, 255, in_8_bits(2))
    assert error(ico(inner, 2), wanted) == 0
