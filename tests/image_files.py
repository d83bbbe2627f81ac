"""Image files of 32 x 32 px written by hand, so that each of their fields is known, and how to decode them."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
import PIL
import pytest
from PIL import Image

from convert import rejection
from convert.options import ConvertOptions
from convert.pictures import decode, depth

SIDE = 32
# From black to white, in [0, 1], and in 8 bits.
SHARES = np.linspace(0.0, 1.0, SIDE)
RAMP = np.rint(SHARES * 255).astype(np.uint8)
COLUMNS = np.arange(SIDE)
GREY = np.tile(RAMP, (SIDE, 1))
COLOURS = np.stack([GREY, GREY.T, 255 - GREY], axis=-1)
ALPHA = np.tile(np.array([0, 128, 255, 255] * 8, np.uint8), (SIDE, 1))

# TIFF tags, and some of their values.
BITS, COMPRESSION, PHOTOMETRIC, FILL_ORDER, STRIP_BEGINS, ORIENTATION = 258, 259, 262, 266, 273, 274
SAMPLES, ROWS_A_STRIP, STRIP_BYTES, MAX_VALUE, PLANAR, COLOUR_MAP = 277, 278, 279, 281, 284, 320
TILE_WIDTH, TILE_HEIGHT, TILE_BEGINS, TILE_BYTES, EXTRA, FORMAT, SUBSAMPLING = 322, 323, 324, 325, 338, 339, 530
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK, YCBCR, CIELAB = 0, 1, 2, 3, 5, 6, 8
SEPARATE, SIGNED, FLOAT = 2, 2, 3
_DEFLATE = 8
_TIFF_TYPES = {'H': 3, 'I': 4}


def options(**changes) -> ConvertOptions:
    return ConvertOptions(**{'input_dir': 'in', 'output_dir': 'out', 'image_size': SIDE, **changes})


def decoded(data: bytes, levels: depth.Levels | None = None, **changes) -> np.ndarray:
    """The decoded file as int64 [32, 32, channels], because differences of uint8 wrap."""
    return decode.decode(io.BytesIO(data), options(**changes), levels).astype(int)


def grey(data: bytes, levels: depth.Levels | None = None) -> list[int]:
    """One row of the decoded file, in grey."""
    return decoded(data, levels, channels=1)[16, :, 0].tolist()


def rejected(data: bytes, **changes) -> rejection.Rejected:
    with pytest.raises(rejection.Rejected) as caught:
        decoded(data, **changes)
    return caught.value


def error(data: bytes, wanted: np.ndarray, **changes) -> int:
    """The largest error of the file's pixels; `wanted` is [32, 32] or [32, 32, 3]."""
    wanted = np.asarray(wanted)
    return int(np.abs(decoded(data, **changes) - (wanted[..., None] if wanted.ndim == 2 else wanted)).max())


def right_or_left_out(data: bytes, wanted: np.ndarray, tolerance: int = 0, read_since: int = 99) -> None:
    """The file gives the wanted picture. Before Pillow version `read_since`, it may also be left out."""
    if int(PIL.__version__.split('.')[0]) >= read_since:
        assert error(data, wanted) <= tolerance
        return
    try:
        found = error(data, wanted)
    except rejection.Rejected as left_out:
        assert left_out.reason and left_out.detail
    else:
        assert found <= tolerance


def over_white(pixels: np.ndarray, alpha: np.ndarray = ALPHA) -> np.ndarray:
    """Pixels with straight alpha, put on white."""
    mask = alpha[..., None] if pixels.ndim == 3 else alpha
    return np.rint(255 - (255 - pixels.astype(float)) * mask / 255)


def columns(values: Iterable[int]) -> np.ndarray:
    """[32, 32], with these values in each row."""
    return np.tile(np.asarray(list(values)), (SIDE, 1))


def encoded(image: Image.Image, format_: str, **parameters) -> bytes:
    if format_ not in Image.SAVE:
        pytest.skip(f'this Pillow cannot write {format_}')
    buffer = io.BytesIO()
    image.save(buffer, format_, **parameters)
    return buffer.getvalue()


def packed(values: Iterable[int], bits: int) -> bytes:
    """Packs values of `bits` bits each, the first one in the highest bits."""
    text = ''.join(f'{value:0{bits}b}' for value in values)
    return int(text, 2).to_bytes(len(text) // 8, 'big')


def planes(pixels: np.ndarray) -> list[bytes]:
    return [np.ascontiguousarray(pixels[..., channel]).tobytes() for channel in range(pixels.shape[-1])]


def chunk(kind: bytes, content: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack('>I', len(content)) + kind + content + struct.pack('>I', zlib.crc32(kind + content))


def with_wrong_checksum(made: bytes) -> bytes:
    return made[:-4] + bytes(byte ^ 0xFF for byte in made[-4:])


def png(rows: Iterable[bytes], bits: int, colour: int, *chunks: bytes, side: int = SIDE, level: int = 9) -> bytes:
    """A PNG of colour type `colour`, with `chunks` before its pixels."""
    header = chunk(b'IHDR', struct.pack('>IIBBBBB', side, side, bits, colour, 0, 0, 0))
    pixels = chunk(b'IDAT', zlib.compress(b''.join(b'\0' + row for row in rows), level))
    return b'\x89PNG\r\n\x1a\n' + header + b''.join(chunks) + pixels + chunk(b'IEND', b'')


def tiff(
    strips: bytes | Sequence[bytes],
    tags: Mapping[int, int | Sequence[int]],
    order: str = '<',
    is_packed: bool = False,
    side: int = SIDE,
    tile: int = 0,
) -> bytes:
    """A TIFF with these tags, and the usual ones.

    Args:
      strips: the data of the whole image, or of each strip.
      tags: by number; values beyond 16 bits are stored in 32.
      order: the byte order, '<' or '>'.
      is_packed: whether to compress the strips (Deflate).
      side: the side of the image, px.
      tile: the side of its tiles, px; 0 for strips.
    """
    strips = [strips] if isinstance(strips, bytes) else strips
    strips = [zlib.compress(strip) for strip in strips] if is_packed else strips
    begins = [8 + sum(map(len, strips[:number])) for number in range(len(strips))]
    counts = [len(strip) for strip in strips]
    usual = {256: side, 257: side, COMPRESSION: _DEFLATE if is_packed else 1, SAMPLES: 1}
    if tile:
        usual |= {TILE_WIDTH: tile, TILE_HEIGHT: tile, TILE_BEGINS: begins, TILE_BYTES: counts}
    else:
        usual |= {ROWS_A_STRIP: side, STRIP_BEGINS: begins, STRIP_BYTES: counts}
    body, entries = b''.join(strips), []
    for tag, value in sorted({**usual, **tags}.items()):
        values = [value] if isinstance(value, int) else list(value)
        code = 'I' if max(values) > 65535 else 'H'
        content = struct.pack(f'{order}{len(values)}{code}', *values)
        if len(content) > 4:
            body += bytes(len(body) % 2)
            content, body = struct.pack(f'{order}I', 8 + len(body)), body + content
        entries.append(struct.pack(f'{order}HHI', tag, _TIFF_TYPES[code], len(values)) + content.ljust(4, b'\0'))
    body += bytes(len(body) % 2)
    head = (b'II*\0' if order == '<' else b'MM\0*') + struct.pack(f'{order}I', 8 + len(body))
    return head + body + struct.pack(f'{order}H', len(entries)) + b''.join(entries) + bytes(4)


def dib(bits: int, data: bytes, palette: bytes = b'', colours: int = 0, height: int = SIDE) -> bytes:
    """The part of a BMP after its file header, which is also the content of an ICO."""
    return struct.pack('<IiiHHIIiiII', 40, SIDE, height, 1, bits, 0, 0, 0, 0, colours, 0) + palette + data


def bmp(bits: int, data: bytes, palette: bytes = b'', colours: int = 0) -> bytes:
    made = dib(bits, data, palette, colours)
    return b'BM' + struct.pack('<IHHI', 14 + len(made), 0, 0, 14 + len(made) - len(data)) + made


def ico(image: bytes, bits: int) -> bytes:
    return struct.pack('<HHHBBBBHHII', 0, 1, 1, SIDE, SIDE, 0, 0, 1, bits, len(image), 22) + image


def tga(kind: int, bits: int, data: bytes, descriptor: int = 0, palette: bytes = b'', palette_bits: int = 0) -> bytes:
    entries = len(palette) * 8 // palette_bits if palette else 0
    head = (0, bool(palette), kind, 0, entries, palette_bits, 0, 0, SIDE, SIDE, bits, descriptor)
    return struct.pack('<BBBHHBHHHHBB', *head) + palette + data


def psd(
    mode: int, channels: Sequence[bytes], bits: int = 8, layers: int | None = None, colour_map: bytes = b''
) -> bytes:
    """A Photoshop file; its count of `layers` is negative if the merged picture has an alpha channel."""
    section = b'' if layers is None else struct.pack('>Ih', 2, layers)
    blocks = (colour_map, b'', section)
    head = struct.pack('>4sH6xHIIHH', b'8BPS', 1, len(channels), SIDE, SIDE, bits, mode)
    return head + b''.join(struct.pack('>I', len(block)) + block for block in blocks) + bytes(2) + b''.join(channels)
