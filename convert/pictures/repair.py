"""Repairs files that are damaged only outside their pixel data, so that they give the picture that a browser shows."""

from __future__ import annotations

import contextlib
import os
import random
import re
import struct
import zlib
from collections.abc import Iterator
from typing import BinaryIO

_PNG = b'\x89PNG\r\n\x1a\n'
# Chunks that decide what the pixels look like. Size, palette and pixels are always kept. Transparency, the meaning of
# the values, and EXIF orientation are kept if they are not damaged.
_LAST = b'IEND'
_NEEDED, _NEEDED_WHOLE = (b'IHDR', b'PLTE', b'IDAT', _LAST), (b'tRNS', b'gAMA', b'sRGB', b'iCCP', b'eXIf')
PROFILE_BYTES = 16 << 20  # Decompressed.
_BLOCK = 1 << 20
_JPEG_BEGIN, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
_SCAN, _STANDALONE = 0xDA, (0x01, *range(0xD0, 0xD8))
_FRAMES = (0xC0, 0xC1, 0xC2)  # Baseline, extended, progressive.
_COEFFICIENTS, _RESTARTS = 64, 8
# libjpeg itself fills in zeros, so the noise is ones first, and then random bytes.
_NOISES = (b'\xfe' * 512, *(bytes(random.Random(seed).choices(range(255), k=512)) for seed in range(4)))


def repaired(data: bytes) -> bytes | None:
    """The file, repaired outside its pixel data; None if there is nothing to remove or to add."""
    if data.startswith(_PNG):
        return _without_ancillary(data)
    if data.startswith(_JPEG_BEGIN):
        return _with_end(data)
    return None


def _without_ancillary(data: bytes) -> bytes | None:
    """Removes text, time and resolution from a PNG, damaged or not, and also a damaged colour profile or EXIF.

    The other chunks keep their checksums, so that damaged pixels are still found.
    """
    kept = [_PNG]
    for kind, chunk in _chunks(data):
        if kind in _NEEDED or (kind in _NEEDED_WHOLE and _is_whole(chunk) and (kind != b'iCCP' or _is_profile(chunk))):
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


def _is_profile(chunk: bytes) -> bool:
    """Whether a chunk holds a colour profile that can be decompressed and is not a decompression bomb."""
    method, packed = (content := chunk[8:-4].partition(b'\0')[2])[:1], content[1:]
    unpacker = zlib.decompressobj()
    with contextlib.suppress(zlib.error):
        unpacker.decompress(packed, PROFILE_BYTES)
    return method == b'\0' and unpacker.eof


def has_whole_pixels(file: BinaryIO) -> bool:
    """Whether the checksums of a PNG's pixels are right. Pillow does not check them; it does report a truncated file.

    Without this check, a changed bit goes unnoticed if the changed data can still be decompressed.
    """
    file.seek(len(_PNG))
    while len(head := file.read(8)) == 8:
        left, kind = struct.unpack('>I4s', head)
        if kind == _LAST:
            break
        if kind != b'IDAT':
            file.seek(left + 4, os.SEEK_CUR)
            continue
        checksum = zlib.crc32(kind)
        while left and (block := file.read(min(left, _BLOCK))):
            left, checksum = left - len(block), zlib.crc32(block, checksum)
        stored = file.read(4)
        if len(stored) == 4 and checksum != struct.unpack('>I', stored)[0]:
            return False
    return True


def _with_end(data: bytes) -> bytes | None:
    """Adds the missing end marker to a JPEG; None if it has one, or if scans are missing too.

    For missing scans libjpeg would make up grey. `decode._is_whole` checks whether the last scan is complete.
    """
    if _JPEG_END in data[-2:] or not _has_all_scans(data):
        return None
    return data.rstrip(b'\xff') + _JPEG_END


def with_noise(data: bytes) -> Iterator[bytes]:
    """Yields a JPEG from `repaired` with noise before its end marker: pixels that then change were not in the file.

    The noise is repeated after each restart marker, because libjpeg skips all data up to the one that it expects.
    """
    begun = data[: -len(_JPEG_END)]
    awaited = _next_restart(begun)
    for noise in _NOISES:
        restarts = (bytes((0xFF, 0xD0 + (awaited + i) % _RESTARTS)) + noise for i in range(_RESTARTS))
        yield b''.join((begun, noise, *restarts, _JPEG_END))


def _next_restart(data: bytes) -> int:
    """The number of the next restart marker in the last scan."""
    marks = re.findall(rb'\xff([\xd0-\xd7])', data[data.rfind(bytes((0xFF, _SCAN))) :])
    return (marks[-1][0] - 0xD0 + 1) % _RESTARTS if marks else 0


def _has_all_scans(data: bytes) -> bool:
    """Whether the scans begun so far cover all bits of all coefficients of all components of a JPEG."""
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
    """Yields the marker and the content of each segment of a JPEG; the bytes in between belong to scans."""
    offset = 2
    while 0 <= (offset := data.find(b'\xff', offset)) < len(data) - 4:
        marker = data[offset + 1]
        if marker in (0, 0xFF, *_STANDALONE):
            offset += 1 if marker == 0xFF else 2
            continue
        (length,) = struct.unpack_from('>H', data, offset + 2)
        yield marker, data[offset + 4 : offset + 2 + length]
        offset += 2 + length
