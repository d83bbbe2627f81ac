"""Which image formats are opened, and how to recognise and name the others by the first bytes of a file.

The list is shorter than Pillow's. Pillow passes some formats to other programs (PostScript to Ghostscript, under any
file name) and reads some against their own metadata (FITS). Besides, an untrusted file should reach few decoders.
tests/convert/pictures/test_formats.py checks each format with pictures of known values.
"""

from __future__ import annotations

import contextlib
from typing import Any

from PIL import Image

from convert import rejection
from convert.pictures import depth

# MPO, from two lenses, opens as JPEG. TGA comes last: it has no signature, so its decoder accepts many other files.
_OPENED = (
    'JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF', 'AVIF', 'HEIF', 'JPEG2000', 'PPM', 'ICO', 'ICNS', 'PSD', 'DDS', 'QOI',
    'PCX', 'SGI', 'DIB', 'TGA',
)  # fmt: skip
HEAD_BYTES = 132  # Enough to recognise any format below.
_EXPORT_ADVICE = 'export it as PNG or TIFF'
# TIFF tags.
_SUBFILE_TYPE, _BITS, _COMPRESSION, _PHOTOMETRIC, _STRIP_BYTES, _MAX_VALUE, _PLANAR = 254, 258, 259, 262, 279, 281, 284
_TILE_WIDTH, _TILE_HEIGHT, _TILE_BYTES, _SUB_IFDS, _EXTRA_SAMPLES, _DNG_VERSION = 322, 323, 325, 330, 338, 50706
_RAW, _SEPARATE, _YCBCR = 1, 2, 6  # Of _COMPRESSION, _PLANAR and _PHOTOMETRIC.

# Offset of the signature, the signature, the format, and how to get its images anyway.
_LACKING = (
    (0, b'\xff\x0a', 'JPEG XL', _EXPORT_ADVICE),
    (0, b'\0\0\0\x0cJXL ', 'JPEG XL', _EXPORT_ADVICE),
    (0, b'II\xbc', 'JPEG XR', _EXPORT_ADVICE),
    (8, b'CR', 'camera raw (CR2)', _EXPORT_ADVICE),
    (0, b'FUJIFILMCCD-RAW', 'camera raw (RAF)', _EXPORT_ADVICE),
    (0, b'IIRO', 'camera raw (ORF)', _EXPORT_ADVICE),
    (0, b'IIU\0', 'camera raw (RW2)', _EXPORT_ADVICE),
    (0, b'FOVb', 'camera raw (X3F)', _EXPORT_ADVICE),
    (0, b'%!PS', 'PostScript', _EXPORT_ADVICE),
    (0, b'\xc5\xd0\xd3\xc6', 'PostScript', _EXPORT_ADVICE),
    (0, b'<svg', 'SVG', _EXPORT_ADVICE),
    (0, b'v/1\x01', 'OpenEXR', _EXPORT_ADVICE),
    (0, b'#?RADIANCE', 'Radiance HDR', _EXPORT_ADVICE),
    (0, b'SIMPLE  =', 'FITS', _EXPORT_ADVICE),
    (128, b'DICM', 'DICOM', _EXPORT_ADVICE),
    (0, b'\xd7\xcd\xc6\x9a', 'WMF', _EXPORT_ADVICE),
    (0, b'BPG\xfb', 'BPG', _EXPORT_ADVICE),
    (0, b'\x1aE\xdf\xa3', 'video (Matroska)', 'extract frames from it, such as with ffmpeg'),
)  # fmt: skip
_ANY_STILL = (b'mif1', b'msf1')  # Any kind of image; the brands that follow say which.
# The brand of a file in an ISO container, which many formats use.
_BRANDS = {
    'HEIC': (b'heic', b'heix', b'hevc', b'hevx', b'heim', b'heis', *_ANY_STILL),
    'AVIF': (b'avif', b'avis'),
    'camera raw (CR3)': (b'crx ',),
    'video': (b'isom', b'iso2', b'mp41', b'mp42', b'avc1', b'M4V ', b'qt  ', b'3gp4', b'3gp5'),
}
_OPENS_AS = {'HEIC': 'HEIF', 'AVIF': 'AVIF'}
_ADVICE = {'HEIC': 'pip install pillow-heif', 'AVIF': _EXPORT_ADVICE}  # pillow-heif no longer reads AVIF.
# Signatures of formats that are opened: a file with one of these that cannot be read is damaged.
_KNOWN = {
    'JPEG': (b'\xff\xd8\xff',),
    'PNG': (b'\x89PNG',),
    'GIF': (b'GIF87a', b'GIF89a'),
    'BMP': (b'BM',),
    'TIFF': (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+'),
    'JPEG2000': (b'\xff\x4f\xff\x51', b'\0\0\0\x0cjP  '),
    'PPM': (b'P1', b'P2', b'P3', b'P4', b'P5', b'P6', b'Pf', b'PF'),
    'ICNS': (b'icns',),
    'PSD': (b'8BPS',),
    'DDS': (b'DDS ',),
    'QOI': (b'qoif',),
    'SGI': (b'\x01\xda',),
}


def prepare() -> None:
    """Prepares Pillow's decoders, and the HEIC decoder if its package is installed."""
    Image.preinit()
    Image.init()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def opened() -> list[str]:
    """Pillow's names of the formats to open, as far as the installed Pillow supports them."""
    return [name for name in _OPENED if name in Image.OPEN]


def lacking(head: bytes) -> tuple[str, str]:
    """The unsupported format of a file with these first bytes, and what to do; both '' if it may be opened."""
    brand = _brand(head)
    if brand in _OPENS_AS:
        return ('', '') if _OPENS_AS[brand] in Image.OPEN else (brand, _ADVICE[brand])
    if brand:
        return brand, _EXPORT_ADVICE
    if head.startswith(b'8BPS') and head[24:26] == b'\0\x07':
        return 'PSD of spot colours', _EXPORT_ADVICE  # Pillow would show only the first one.
    if _bits_of_jpeg2000(head) in (*range(1, 8), 9):
        return 'JPEG 2000 of less than 8 bits, or of 9', _EXPORT_ADVICE  # Pillow would darken or wrap them.
    for begin, mark, name, advice in _LACKING:
        if head.startswith(mark, begin):
            return name, advice
    return '', ''


def named(head: bytes) -> str:
    """The supported format that a file with these first bytes should have; '' if there is none."""
    brand = _brand(head)
    if brand in _OPENS_AS:
        return brand
    if head.startswith(b'RIFF') and head.startswith(b'WEBP', 8):
        return 'WEBP'
    return next((name for name, marks in _KNOWN.items() if head.startswith(marks)), '')


def _brand(head: bytes) -> str:
    """The format of a file in an ISO container; '' for any other file."""
    if not head.startswith(b'ftyp', 4):
        return ''
    if head[8:12] in _ANY_STILL and b'avif' in head[16 : int.from_bytes(head[:4], 'big')]:
        return 'AVIF'
    return next((name for name, brands in _BRANDS.items() if head[8:12] in brands), '')


def _bits_of_jpeg2000(head: bytes) -> int:
    """The bit depth of the first channel of a JPEG 2000; 0 if the file is not one, or does not say."""
    box = head.find(b'ihdr') + 14 if head.startswith(b'\0\0\0\x0cjP  ') and b'ihdr' in head else 0
    at = box or (42 if head.startswith(b'\xff\x4f\xff\x51') else len(head))
    bits = head[at] if at < len(head) else 0xFF
    return 0 if bits == 0xFF else (bits & 0x7F) + 1


def refuse(image: Any) -> None:
    """Refuses an opened image that Pillow would misread, or that takes far more memory than its size suggests.

    Raises:
      rejection.Rejected: the image is refused.
    """
    kind = ''
    if image.format == 'TIFF':
        tags = image.tag_v2
        if depth.number(tags, _TILE_WIDTH) * depth.number(tags, _TILE_HEIGHT) > (Image.MAX_IMAGE_PIXELS or 0):
            raise rejection.Rejected(rejection.TOO_LARGE, 'its tiles are larger than --max_megapixels')
        kind = _misread_tiff(image.mode, image.width * image.height, tags)
    elif image.format in ('BMP', 'DIB') and image.mode == '1' and not _has_rows_of_1_bit(image.tile[0], image.width):
        kind = 'BMP of black and white in more than 1 bit'  # Pillow decides by the length of its palette.
    if kind:
        raise rejection.Rejected(rejection.unsupported(kind), _EXPORT_ADVICE)


def _has_rows_of_1_bit(tile: Any, width: int) -> bool:
    return tile.codec_name != 'raw' or tile.args[1] == (width + 31) // 32 * 4


def _misread_tiff(mode: str, pixels: int, tags: Any) -> str:
    """The kind of a TIFF that Pillow opens but misreads; '' if it reads it correctly."""
    if _DNG_VERSION in tags or (bool(tags.get(_SUBFILE_TYPE, 0) & 1) and _SUB_IFDS in tags):
        return 'camera raw'  # DNG, NEF, ARW and the like: Pillow opens only the thumbnail.
    is_separate, is_packed = tags.get(_PLANAR) == _SEPARATE, tags.get(_COMPRESSION, _RAW) != _RAW
    if is_separate and mode == 'LAB':
        return 'TIFF of CIELAB in planes'
    if is_separate and is_packed and (mode in ('LA', 'La', 'PA') or (mode == 'RGBA' and _EXTRA_SAMPLES not in tags)):
        return 'TIFF of compressed alpha in planes'
    has_all_colours = mode == 'YCbCr' and sum(tags.get(_STRIP_BYTES) or tags.get(_TILE_BYTES) or ()) >= 3 * pixels
    if tags.get(_PHOTOMETRIC) == _YCBCR and not is_packed and not has_all_colours:
        return 'TIFF of uncompressed YCbCr with fewer colours than pixels'
    if mode in ('RGB', 'RGBA', 'CMYK') and depth.number(tags, _BITS) == 16:
        largest = tags.get(_MAX_VALUE, 0)
        largest = max(largest) if isinstance(largest, tuple) else largest
        return 'TIFF of colours of less than 16 bits in 16' if largest in depth.LESS_THAN_16_BIT else ''
    return ''
