"""Converts any kind of Pillow image to opaque 8-bit sRGB or grey, by what its pixels mean."""

from __future__ import annotations

import functools
import os
from typing import Any, BinaryIO

from PIL import Image, ImageCms, ImagePalette

from convert.pictures import depth

_ALPHA_MODES = ('LA', 'RGBA')
_PLAIN_MODES = ('L', 'RGB', 'CMYK', *_ALPHA_MODES)
_NEAREST_PLAIN_MODE = {'1': 'L', 'La': 'LA', 'PA': 'RGBA', 'RGBa': 'RGBA'}
# A whole collection uses few profiles; a CMYK profile takes about a megabyte.
_CACHED_PROFILES = 16
# Formats whose fourth byte is alpha to some programs and unused by others; a TIFF may say which.
_FALSE_ALPHA = ('TGA', 'BMP', 'DIB', 'ICO', 'DDS', 'TIFF', 'PSD')
_COLOUR_MAP, _EXTRA_SAMPLES = 320, 338  # TIFF tags.
_SRGB_GAMMA = 2.2  # The approximation that every browser uses (PNG specification, 13.13).
_GAMMAS, _SAME_GAMMA = (0.1, 10.0), 0.05
# Pillow multiplies the pixels of a grey PNG of fewer bits by these factors, but not its transparent value.
_STRETCHED = {'L;2': 85, 'L;4': 17}


def correct(image: Any) -> None:
    """Makes Pillow read an image as its format means it, where it would not. Call this before loading the image."""
    if image.format == 'PNG':
        _correct_transparency(image)
    elif image.format == 'ICO':
        inner = image.ico.getimage(image.size)
        if inner.format == 'PNG':  # Pillow drops its transparent value and its colour profile.
            _correct_transparency(inner)
            image.info.update(inner.info)
    elif image.format == 'PSD':
        _correct_psd(image)
    elif image.format == 'TIFF' and image.mode in ('P', 'PA') and max(image.tag_v2[_COLOUR_MAP]) < 256:
        # The writer used 8 bits where 16 are meant; the image would be all black.
        image.palette = ImagePalette.raw('RGB;L', bytes(image.tag_v2[_COLOUR_MAP]))
    depth.correct(image)


def _correct_transparency(image: Any) -> None:
    """Scales the transparent value of a PNG to the bit depth of its decoded pixels."""
    value, stored = image.info.get('transparency'), image.tile[0].args
    if stored in _STRETCHED and isinstance(value, int):
        image.info['transparency'] = value * _STRETCHED[stored]
    elif stored == '1' and isinstance(value, int):
        image.info['transparency'] = 255 if value else 0
    elif stored == 'RGB;16B' and isinstance(value, tuple):
        image.info['transparency'] = tuple(channel >> 8 for channel in value)


def _correct_psd(image: Any) -> None:
    """Inverts a 1-bit PSD, where 1 is black, and skips a fourth channel that is only a saved selection.

    A skipped channel stays 0, like an alpha channel that was never filled in.
    """
    if image.mode == '1':
        image.tile = [tile._replace(args='1;I') for tile in image.tile]
    if image.mode == 'RGBA' and not _has_transparency(image.fp):
        image.tile = image.tile[:3]


def _has_transparency(psd: BinaryIO) -> bool:
    """Whether the merged picture of a PSD has an alpha channel: Adobe then makes its layer count negative."""
    psd.seek(26)
    for _ in ('colour mode data', 'image resources'):
        psd.seek(int.from_bytes(psd.read(4), 'big'), os.SEEK_CUR)
    has_layers = psd.read(4) != bytes(4) and psd.read(4) != bytes(4)
    return has_layers and int.from_bytes(psd.read(2), 'big', signed=True) < 0


def flatten(image: Image.Image, mode: str, background: str, levels: depth.Levels | None = None) -> Image.Image:
    """Converts an image of any mode to `mode`.

    Converts the embedded colour profile to sRGB, and puts transparent pixels on the background at full size. Edges then
    mix the visible colours, never the colour hidden under transparent pixels.

    Args:
      image: loaded; any Pillow mode.
      mode: 'RGB' or 'L'.
      background: any colour that Pillow's ImageColor understands.
      levels: those of the set that the image belongs to.
    """
    profile, exponent = image.info.get('icc_profile'), _exponent(image)
    plain = _managed(_without_false_alpha(image, _plain(image, levels, exponent)), profile)
    if exponent != 1.0 and not depth.is_deep(image):
        plain = _brightened(plain, exponent)
    if plain.mode in _ALPHA_MODES:
        canvas = Image.new('RGB', plain.size, background)
        canvas.paste(plain, mask=plain)  # Uses its alpha; splitting the image would cost two more copies of it.
        plain = canvas
    return plain if plain.mode == mode else plain.convert(mode)


def _plain(image: Image.Image, levels: depth.Levels | None, exponent: float) -> Image.Image:
    """Any mode -> L, LA, RGB, RGBA or CMYK."""
    if depth.is_deep(image):
        return depth.to_8_bit(image, levels, exponent)
    if image.has_transparency_data and image.mode in ('1', 'L', 'P', 'RGB'):
        return image.convert('RGBA')
    if image.mode in _PLAIN_MODES:
        return image
    return image.convert(_NEAREST_PLAIN_MODE.get(image.mode, 'RGB'))


def _without_false_alpha(image: Image.Image, plain: Image.Image) -> Image.Image:
    """Drops an alpha channel that was never filled in: programs without alpha leave zeros in the fourth byte."""
    if image.format not in _FALSE_ALPHA or plain.mode not in _ALPHA_MODES or _EXTRA_SAMPLES in _tags(image):
        return plain
    return plain if plain.getchannel('A').getextrema()[1] else plain.convert(plain.mode[:-1])


def _exponent(image: Image.Image) -> float:
    """The exponent that turns values in [0, 1] into sRGB, by a PNG's gAMA chunk; other colour chunks override it."""
    gamma = image.info.get('gamma', 0.0)
    if image.format != 'PNG' or 'icc_profile' in image.info or 'srgb' in image.info:
        return 1.0
    if not _GAMMAS[0] < gamma < _GAMMAS[1]:  # Absent, or nonsense.
        return 1.0
    exponent = 1.0 / (gamma * _SRGB_GAMMA)
    return exponent if abs(exponent - 1.0) > _SAME_GAMMA else 1.0


def _brightened(image: Image.Image, exponent: float) -> Image.Image:
    """Raises each value except alpha to the exponent."""
    curve = [round(255.0 * (value / 255.0) ** exponent) for value in range(256)]
    bands = image.mode.replace('A', '')
    straight = list(range(256)) if image.mode in _ALPHA_MODES else []
    return image.point(curve * len(bands) + straight)


def _tags(image: Image.Image) -> dict:
    """The tags of a TIFF, {} of anything else."""
    return getattr(image, 'tag_v2', {}) or {}


def _managed(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts the colours from an ICC profile to sRGB, and leaves alpha as it is."""
    if not profile:
        return image
    alpha = image.getchannel('A') if image.mode in _ALPHA_MODES else None
    colours = image.convert(image.mode[:-1]) if alpha else image
    try:
        colours = _transform(profile, colours.mode).apply(colours)
    except Exception:  # A broken profile, or one for another kind of image: treat the image as sRGB, as viewers do.
        return image
    if alpha:
        colours.putalpha(alpha)
    return colours


@functools.lru_cache(_CACHED_PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(ImageCms.core.profile_frombytes(profile))
    # NOCACHE: otherwise Little CMS caches the last pixel, which threads must not share.
    return ImageCms.buildTransform(source, ImageCms.createProfile('sRGB'), mode, 'RGB', flags=ImageCms.Flags.NOCACHE)
