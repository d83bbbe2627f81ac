"""Files whose pixels are whole and something beside them is not: without it, as a browser shows them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

_PNG = b'\x89PNG\r\n\x1a\n'
# What decides about the pixels: size, palette, transparency, meaning of the values, and the pixels themselves.
_NEEDED = (b'IHDR', b'PLTE', b'tRNS', b'gAMA', b'sRGB', b'IDAT', b'IEND')
_JPEG_BEGIN, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_SCAN, _STANDALONE = 0xDA, (0x01, *range(0xD0, 0xD8))
_FRAMES = (0xC0, 0xC1, 0xC2)  # Baseline, extended, progressive.
_COEFFICIENTS = 64


def repaired(data: bytes) -> bytes | None:
    """The file without what may be wrong beside its pixels; None where there is nothing to leave out or to add."""
    if data.startswith(_PNG):
        return _without_ancillary(data)
    if data.startswith(_JPEG_BEGIN):
        return _with_end(data)
    return None


def _without_ancillary(data: bytes) -> bytes | None:
    """A PNG with the chunks of _NEEDED only: text, time, profile and EXIF go, whatever their checksum or size.

    The checksums of the others stay, so that damaged pixels are still found.
    """
    kept = [_PNG]
    for kind, chunk in _chunks(data):
        if kind in _NEEDED and not (kind in (b'gAMA', b'sRGB', b'tRNS') and not _is_whole(chunk)):
            kept.append(chunk)
    made = b''.join(kept)
    return made if made != data else None


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yields the type of each chunk of a PNG, and the chunk with its length and checksum."""
    offset = len(_PNG)
    while offset + 12 <= len(data):
        (length,) = struct.unpack_from('>I', data, offset)
        yield data[offset + 4 : offset + 8], data[offset : offset + 12 + length]
        offset += 12 + length


def _is_whole(chunk: bytes) -> bool:
    return zlib.crc32(chunk[4:-4]) == struct.unpack('>I', chunk[-4:])[0]


def _with_end(data: bytes) -> bytes | None:
    """A JPEG with the end mark that it lacks; None if it has one, or lacks more than that.

    Where scans are missing libjpeg would invent grey. Whether the last one is whole, `is_whole` tells.
    """
    if _JPEG_END in data[-2:] or not _has_all_scans(data):
        return None
    return data.rstrip(b'\xff') + _JPEG_END


def with_noise(data: bytes) -> bytes:
    """A JPEG that `repaired` has ended, with noise before its end: pixels that it changes were not in the file."""
    return data[: -len(_JPEG_END)] + bytes(range(1, 255)) * 2 + _JPEG_END


def _has_all_scans(data: bytes) -> bool:
    """Whether the scans that have begun hold all bits of all coefficients of all components of a JPEG."""
    missing: dict[int, set[int]] = {}
    for marker, segment in _segments(data):
        if marker in _FRAMES and len(segment) >= 6 + 3 * segment[5]:
            missing = {segment[6 + 3 * i]: set(range(_COEFFICIENTS)) for i in range(segment[5])}
        if marker == _SCAN and segment and len(segment) >= 4 + 2 * segment[0]:
            first, last, bits = segment[1 + 2 * segment[0] :][:3]
            for component in segment[1 : 1 + 2 * segment[0] : 2]:
                if bits & 15 == 0:
                    missing.get(component, set()).difference_update(range(first, last + 1))
    return bool(missing) and not any(missing.values())


def _segments(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yields the marker and the content of each segment of a JPEG; what lies between them is of scans."""
    offset = 2
    while 0 <= (offset := data.find(b'\xff', offset)) < len(data) - 4:
        marker = data[offset + 1]
        if marker in (0, 0xFF, *_STANDALONE):
            offset += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from('>H', data, offset + 2)
        yield marker, data[offset + 4 : offset + 2 + length]
        offset += 2 + length
