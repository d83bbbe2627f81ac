"""Which image formats are opened, and the names of those that are not, told from the first bytes of a file.

A short list instead of all that Pillow knows: Pillow hands some to other programs (PostScript to Ghostscript, whatever
the file is called), reads some against their own metadata (FITS), and the fewer decoders a stranger's file can reach,
the better. tests/test_formats.py holds each against pictures whose values are known.
"""

from __future__ import annotations

import contextlib

from PIL import Image

# TGA comes last: it has no mark of its own, and takes much for one of its own.
_OPENED = (
    'JPEG', 'PNG', 'GIF', 'WEBP', 'BMP', 'TIFF', 'AVIF', 'HEIF', 'JPEG2000', 'MPO', 'PPM', 'ICO', 'ICNS', 'PSD', 'DDS',
    'QOI', 'PCX', 'SGI', 'DIB', 'TGA',
)  # fmt: skip
HEAD_BYTES = 132  # As many as tell any format below.
_HEIF_ADVICE = 'pip install pillow-heif'
_EXPORT_ADVICE = 'export it as PNG or TIFF'

# Where the mark begins, the mark, the format, and how to have its images all the same.
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
    (0, b'\x1aE\xdf\xa3', 'video (Matroska)', 'take frames of it, such as by ffmpeg'),
)  # fmt: skip
# The brand of a file in an ISO container, in which many formats come.
_BRANDS = {
    'HEIC': (b'heic', b'heix', b'hevc', b'hevx', b'heim', b'heis', b'mif1', b'msf1'),
    'AVIF': (b'avif', b'avis'),
    'camera raw (CR3)': (b'crx ',),
    'video': (b'isom', b'iso2', b'mp41', b'mp42', b'avc1', b'M4V ', b'qt  ', b'3gp4', b'3gp5'),
}
_OPENS_AS = {'HEIC': 'HEIF', 'AVIF': 'AVIF'}
# How files of the formats above begin that are opened: what starts so and cannot be read is damaged.
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
    """Readies Pillow's decoders, and the one of HEIC where its package is installed."""
    Image.preinit()
    Image.init()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener()


def opened() -> list[str]:
    """The names by which Pillow knows the formats to open, as far as this one has them."""
    return [name for name in _OPENED if name in Image.OPEN]


def lacking(head: bytes) -> tuple[str, str]:
    """The format that a file of these first bytes has and that cannot be opened, and what to do; '' if it can."""
    brand = _brand(head)
    if brand in _OPENS_AS:
        return ('', '') if _OPENS_AS[brand] in Image.OPEN else (brand, _HEIF_ADVICE)
    if brand:
        return brand, _EXPORT_ADVICE
    for begin, mark, name, advice in _LACKING:
        if head.startswith(mark, begin):
            return name, advice
    return '', ''


def named(head: bytes) -> str:
    """The format that a file of these first bytes should have, of those that are opened; '' if it is none of them."""
    brand = _brand(head)
    if brand in _OPENS_AS:
        return brand
    if head.startswith(b'RIFF') and head.startswith(b'WEBP', 8):
        return 'WEBP'
    return next((name for name, marks in _KNOWN.items() if head.startswith(marks)), '')


def _brand(head: bytes) -> str:
    """The format of a file in an ISO container; '' if it is none."""
    if not head.startswith(b'ftyp', 4):
        return ''
    return next((name for name, brands in _BRANDS.items() if head[8:12] in brands), '')
