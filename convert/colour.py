"""Any kind of Pillow image -> opaque sRGB or grey of 8 bits, by what its pixels mean."""

from __future__ import annotations

import functools

from PIL import Image, ImageCms

from convert import depth

_ALPHA_MODES = ('LA', 'RGBA')
_PLAIN_MODES = ('L', 'RGB', 'CMYK', *_ALPHA_MODES)
_NEAREST_PLAIN_MODE = {'1': 'L', 'La': 'LA', 'PA': 'RGBA', 'RGBa': 'RGBA'}
# A few profiles serve whole collections; a CMYK profile takes about a megabyte.
_CACHED_PROFILES = 16
# Formats whose fourth byte is alpha to some programs, and nothing to others; a TIFF may say which.
_FALSE_ALPHA = ('TGA', 'BMP', 'DIB', 'ICO', 'DDS', 'TIFF')
_EXTRA_SAMPLES = 338
_SRGB_GAMMA = 2.2  # About, as every browser takes it (PNG specification, 13.13).
_GAMMAS, _SAME_GAMMA = (0.1, 10.0), 0.05


def flatten(image: Image.Image, mode: str, background: str, levels: depth.Levels | None = None) -> Image.Image:
    """Brings an image of any mode to `mode`.

    The embedded profile is converted to sRGB, and transparency is laid on the background at full size: an edge then
    mixes what one sees, never the colour hidden under transparent pixels.

    Args:
      image: loaded; any Pillow mode.
      mode: 'RGB' or 'L'.
      background: any colour that Pillow's ImageColor understands.
      levels: of the set that the image belongs to.
    """
    profile, exponent = image.info.get('icc_profile'), _exponent(image)
    plain = _managed(_without_false_alpha(image, _plain(image, levels, exponent)), profile)
    if exponent != 1.0 and not depth.is_deep(image):
        plain = _brightened(plain, exponent)
    if plain.mode in _ALPHA_MODES:
        canvas = Image.new('RGB', plain.size, background)
        canvas.paste(plain, mask=plain)  # By its alpha; to take it apart would cost two more copies of a large image.
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
    """Without an alpha channel that was never filled in: programs that know of none leave zeros in the fourth byte."""
    if image.format not in _FALSE_ALPHA or plain.mode not in _ALPHA_MODES or _EXTRA_SAMPLES in _tags(image):
        return plain
    return plain if plain.getchannel('A').getextrema()[1] else plain.convert(plain.mode[:-1])


def _exponent(image: Image.Image) -> float:
    """What to raise values in [0, 1] to for sRGB, by the gAMA chunk of a PNG, which other colour chunks override."""
    gamma = image.info.get('gamma', 0.0)
    if image.format != 'PNG' or 'icc_profile' in image.info or 'srgb' in image.info:
        return 1.0
    if not _GAMMAS[0] < gamma < _GAMMAS[1]:  # Absent, or nonsense.
        return 1.0
    exponent = 1.0 / (gamma * _SRGB_GAMMA)
    return exponent if abs(exponent - 1.0) > _SAME_GAMMA else 1.0


def _brightened(image: Image.Image, exponent: float) -> Image.Image:
    """Each value but alpha raised to the exponent."""
    curve = [round(255.0 * (value / 255.0) ** exponent) for value in range(256)]
    bands = image.mode.replace('A', '')
    straight = list(range(256)) if image.mode in _ALPHA_MODES else []
    return image.point(curve * len(bands) + straight)


def _tags(image: Image.Image) -> dict:
    """The tags of a TIFF, {} of anything else."""
    return getattr(image, 'tag_v2', {}) or {}


def _managed(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Converts the colours, and not the alpha, from an ICC profile to sRGB."""
    if not profile:
        return image
    alpha = image.getchannel('A') if image.mode in _ALPHA_MODES else None
    colours = image.convert(image.mode[:-1]) if alpha else image
    try:
        colours = _transform(profile, colours.mode).apply(colours)
    except Exception:  # A profile that is broken or for another kind of image: take the image as sRGB, as viewers do.
        return image
    if alpha:
        colours.putalpha(alpha)
    return colours


@functools.lru_cache(_CACHED_PROFILES)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(ImageCms.core.profile_frombytes(profile))
    # NOCACHE: Little CMS remembers the last pixel otherwise, which threads must not share.
    return ImageCms.buildTransform(source, ImageCms.createProfile('sRGB'), mode, 'RGB', flags=ImageCms.Flags.NOCACHE)
