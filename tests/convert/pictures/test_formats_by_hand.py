"""Kinds of file that Pillow opens but cannot write, made by hand: each is read as its format means it, or left out."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from convert import rejection
from convert.pictures import decode
from tests.image_files import (
    ALPHA,
    COLOURS,
    COLUMNS,
    GREY,
    RAMP,
    SHARES,
    SIDE,
    bmp,
    columns,
    dib,
    encoded,
    error,
    grey,
    ico,
    over_white,
    packed,
    planes,
    psd,
    rejected,
    right_or_left_out,
    tga,
)

UPSIDE_DOWN = COLOURS[::-1, :, ::-1]  # Blue first, the lowest row first, as BMP and TGA have it.
WITH_ALPHA = np.dstack([UPSIDE_DOWN, ALPHA]).tobytes()
WITH_ZEROS = np.dstack([UPSIDE_DOWN, np.zeros_like(ALPHA)]).tobytes()
RED, GREEN, BLUE = (COLOURS[::-1, :, channel].astype(int) for channel in range(3))
BITS_555 = (RED >> 3 << 10 | GREEN >> 3 << 5 | BLUE >> 3).astype('<u2')
BITMASKS = struct.pack('<IIII', 0xFF0000, 0xFF00, 0xFF, 0xFF000000)
LEFT_MASKED, ALL_MASKED, NONE_MASKED = b'\xff\xff\0\0' * SIDE, b'\xff' * 128, bytes(128)
COLOURFUL = np.stack([COLUMNS * 4, 255 - COLUMNS * 8, COLUMNS * 8], axis=-1)  # A palette: red, green, blue.
ALTERNATING = columns(COLUMNS % 2 * 255)


@pytest.fixture(autouse=True)
def pillow():
    with decode.prepared_pillow(max_megapixels=2.0):
        yield


def with_masks(pixels: bytes) -> bytes:
    """A BMP of version 4, which has a bit mask for each colour."""
    head = struct.pack('<IiiHHIIiiII', 108, SIDE, SIDE, 1, 32, 3, 0, 0, 0, 0, 0) + BITMASKS + b'BGRs' + bytes(48)
    return b'BM' + struct.pack('<IHHI', 0, 0, 0, 14 + len(head)) + head + pixels


def of_greys(bits: int) -> tuple[list[int], bytes]:
    """A row of indices, and a palette from black to white."""
    white = (1 << bits) - 1
    shades = (round(255 * shade / white) for shade in range(white + 1))
    return (COLUMNS % (white + 1)).tolist(), b''.join(bytes((shade, shade, shade, 0)) for shade in shades)


def test_bmp_of_direct_colours():
    assert error(bmp(24, UPSIDE_DOWN.tobytes()), COLOURS) == 0
    assert error(bmp(16, BITS_555.tobytes()), COLOURS) <= 4
    assert error(bmp(32, WITH_ALPHA), COLOURS) == 0  # The fourth byte means nothing by itself.
    assert error(with_masks(WITH_ALPHA), over_white(COLOURS, ALPHA[::-1])) == 0


@pytest.mark.parametrize(
    'data',
    [
        bmp(32, WITH_ZEROS),
        with_masks(WITH_ZEROS),
        ico(dib(32, WITH_ZEROS + NONE_MASKED, height=2 * SIDE), 32),
        tga(2, 32, WITH_ZEROS, descriptor=8),
    ],
    ids=['BMP', 'BMP with masks', 'ICO', 'TGA'],
)
def test_alpha_of_zero_everywhere_is_none(data):
    assert error(data, COLOURS) == 0


def test_grey_and_alpha_of_zero_everywhere():
    assert error(tga(3, 16, np.dstack([GREY, np.zeros_like(GREY)]).tobytes(), descriptor=8), GREY) == 0
    assert error(tga(3, 16, np.dstack([GREY, ALPHA]).tobytes(), descriptor=8), over_white(GREY)) == 0


@pytest.mark.parametrize('bits', [1, 4, 8])
def test_bmp_with_a_palette(bits):
    row, palette = of_greys(bits)
    wanted = columns(palette[0::4][index] for index in row)
    assert error(bmp(bits, packed(row, bits) * SIDE, palette), wanted) == 0
    whites_first = b''.join(palette[at : at + 4] for at in reversed(range(0, len(palette), 4)))
    turned = [len(palette) // 4 - 1 - index for index in row]
    assert error(bmp(bits, packed(turned, bits) * SIDE, whites_first), wanted) == 0


@pytest.mark.parametrize('bits', [1, 4, 8])
@pytest.mark.parametrize('is_inverted', [False, True])
def test_bmp_of_two_colours_in_more_than_a_bit(bits, is_inverted):
    palette = b'\xff\xff\xff\0\0\0\0\0' if is_inverted else b'\0\0\0\0\xff\xff\xff\0'
    data = bmp(bits, packed(COLUMNS % 2 ^ is_inverted, bits) * SIDE, palette, colours=2)
    right_or_left_out(data, ALTERNATING)
    if bits == 1:
        assert error(data, ALTERNATING) == 0


def test_icons_and_their_mask():
    left_white = np.where(COLUMNS[None, :, None] < 16, 255, COLOURS)
    for mask, wanted in ((NONE_MASKED, COLOURS), (LEFT_MASKED, left_white), (ALL_MASKED, COLOURS)):
        assert error(ico(dib(24, UPSIDE_DOWN.tobytes() + mask, height=2 * SIDE), 24), wanted) == 0
    assert error(ico(dib(32, WITH_ALPHA + NONE_MASKED, height=2 * SIDE), 32), over_white(COLOURS, ALPHA[::-1])) == 0


@pytest.mark.parametrize(
    ('descriptor', 'rows'), [(0x00, UPSIDE_DOWN), (0x20, UPSIDE_DOWN[::-1]), (0x10, UPSIDE_DOWN[:, ::-1])]
)
def test_tga_begins_at_any_corner(descriptor, rows):
    assert error(tga(2, 24, np.ascontiguousarray(rows).tobytes(), descriptor), COLOURS) == 0
    everything = np.dstack([rows, np.full_like(GREY, 255)])
    assert error(tga(2, 32, everything.tobytes(), descriptor | 8), COLOURS) == 0


def test_tga_of_other_depths():
    assert error(tga(3, 8, GREY.tobytes()), GREY) == 0
    assert error(tga(2, 32, WITH_ALPHA, descriptor=8), over_white(COLOURS, ALPHA[::-1])) == 0
    for bit in (0, 0x8000):  # Programs disagree about which of the two is opaque.
        assert error(tga(2, 16, (BITS_555 | bit).tobytes()), COLOURS) <= 4


@pytest.mark.parametrize('alpha', [b'', b'\xff', b'\0'])
def test_tga_with_a_palette(alpha):
    palette = b''.join(bytes(colour[::-1].tolist()) + alpha for colour in COLOURFUL)
    data = tga(1, 8, bytes(COLUMNS.tolist()) * SIDE, 8 if alpha else 0, palette, 32 if alpha else 24)
    right_or_left_out(data, COLOURFUL[columns(COLUMNS)], read_since=13 if alpha else 0)


def test_photoshop_files():
    assert error(psd(1, planes(GREY[..., None])), GREY) == 0
    assert error(psd(1, [GREY.tobytes(), ALPHA.tobytes()]), GREY) == 0
    assert error(psd(3, planes(COLOURS)), COLOURS) == 0
    assert error(psd(4, [*planes(COLOURS), b'\xff' * SIDE * SIDE]), COLOURS) == 0  # Inks are stored inverted.
    assert error(psd(8, planes(GREY[..., None])), GREY) == 0
    assert error(psd(0, [packed(COLUMNS % 2, 1) * SIDE], bits=1), 255 - ALTERNATING) == 0  # 1 is black.
    lab = [bytes([value]) * SIDE * SIDE for value in (138, 128 + 81, 128 + 70)]
    assert error(psd(9, lab), np.broadcast_to([255, 0, 0], COLOURS.shape)) < 12
    colour_map = np.zeros((3, 256), np.uint8)
    colour_map[:, :SIDE] = COLOURFUL.T
    data = psd(2, [bytes(COLUMNS.tolist()) * SIDE], colour_map=colour_map.tobytes())
    assert error(data, COLOURFUL[columns(COLUMNS)]) == 0


@pytest.mark.parametrize('layers', [None, 0, 2])
@pytest.mark.parametrize('selection', [ALPHA, np.zeros_like(ALPHA)])
def test_a_saved_selection_of_a_photoshop_file_is_no_alpha(layers, selection):
    assert error(psd(3, [*planes(COLOURS), selection.tobytes()], layers=layers), COLOURS) == 0
    assert error(psd(3, [*planes(COLOURS), selection.tobytes(), ALPHA.tobytes()], layers=layers), COLOURS) == 0


def test_alpha_of_a_photoshop_file():
    assert error(psd(3, [*planes(COLOURS), ALPHA.tobytes()], layers=-1), over_white(COLOURS)) == 0


def test_photoshop_files_of_other_kinds_are_left_out():
    assert rejected(psd(7, planes(COLOURS))).reason == rejection.unsupported('PSD of spot colours')
    assert rejected(psd(3, planes(COLOURS.astype('>u2')), bits=16)).reason == rejection.damaged('PSD')


@pytest.mark.parametrize('maxval', [1, 3, 100, 255, 256, 1023, 4095, 65535])
def test_portable_maps_go_up_to_their_maxval(maxval):
    values = columns(np.rint(SHARES * maxval)).astype(int)
    wanted = np.rint(values * (255 / maxval))
    kind, text = '>u1' if maxval < 256 else '>u2', ' '.join(map(str, values.ravel())).encode()
    assert error(b'P5 32 32 %d\n' % maxval + values.astype(kind).tobytes(), wanted) <= 1
    assert error(b'P2\n# made by hand\n32 32\n%d\n' % maxval + text + b'\n', wanted) <= 1
    colours = np.dstack([values, values.T, maxval - values])
    wanted = np.rint(colours * (255 / maxval))
    assert error(b'P6 32 32 %d\n' % maxval + colours.astype(kind).tobytes(), wanted) <= 1


def test_portable_maps_of_bits_and_floats():
    assert error(b'P4 32 32\n' + packed(COLUMNS % 2, 1) * SIDE, 255 - ALTERNATING) == 0
    assert error(b'P1 32 32\n' + b'01' * (SIDE * SIDE // 2), 255 - ALTERNATING) == 0
    for scale, order in ((b'-1.0', '<'), (b'1.0', '>')):
        values = np.tile(SHARES[::-1, None], (1, SIDE)).astype(f'{order}f4')  # The lowest row first.
        assert error(b'Pf\n32 32\n%s\n' % scale + values.tobytes(), GREY.T) == 0


def jpeg2000(bits: int, is_signed: bool, is_bare: bool) -> bytes:
    """A ramp of so many bits: Pillow writes 8 or 16 bits, and the header is changed to declare fewer."""
    values = np.rint(SHARES * ((1 << bits) - 1)).astype(int) - (1 << (bits - 1))
    stored, kind = (8, np.uint8) if bits <= 8 else (16, np.uint16)
    image = Image.fromarray(columns(values + (1 << (stored - 1))).astype(kind))
    data = bytearray(encoded(image, 'JPEG2000', no_jp2=is_bare))
    for at in [data.index(b'\xff\x51') + 40] + ([] if is_bare else [data.index(b'ihdr') + 14]):
        assert data[at] == stored - 1
        data[at] = bits - 1 | is_signed << 7
    return bytes(data)


@pytest.mark.parametrize('is_bare', [False, True])
@pytest.mark.parametrize('is_signed', [False, True])
@pytest.mark.parametrize('bits', range(1, 17))
def test_jpeg2000_of_any_bits_goes_from_black_to_white_or_is_left_out(bits, is_signed, is_bare):
    data = jpeg2000(bits, is_signed, is_bare)
    if bits < 8 or bits == 9:
        assert rejected(data).reason == rejection.unsupported('JPEG 2000 of less than 8 bits, or of 9')
    else:
        assert np.abs(np.subtract(grey(data), RAMP)).max() <= 1


def test_pcx_of_four_planes():
    palette = bytes(value for i in range(16) for value in (i * 16, 255 - i * 16, i * 8))
    head = struct.pack('<BBBBHHHHHH', 10, 5, 1, 1, 0, 0, 31, 31, 72, 72) + palette + struct.pack('<BBHH', 0, 4, 4, 1)
    row = b''.join(packed(COLUMNS % 16 >> plane & 1, 1) for plane in range(4))
    data = head.ljust(128, b'\0') + b''.join(bytes([0xC1, byte]) for byte in row) * SIDE
    assert error(data, np.frombuffer(palette, np.uint8).reshape(16, 3)[columns(COLUMNS % 16)]) == 0


def test_qoi():
    head = b'qoif' + struct.pack('>IIBB', SIDE, SIDE, 3, 0)
    pixels = b''.join(b'\xfe' + bytes(pixel) for pixel in COLOURS.reshape(-1, 3).tolist())
    assert error(head + pixels + bytes(7) + b'\1', COLOURS) == 0
