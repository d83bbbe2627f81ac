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


def flatten(image: Image.Image, mode: str, background: str) -> Image.Image:
    """Brings an image of any mode to `mode`.

    The embedded profile is converted to sRGB, and transparency is laid on the background at full size: an edge then
    mixes what one sees, never the colour hidden under transparent pixels.

    Args:
      image: loaded; any Pillow mode.
      mode: 'RGB' or 'L'.
      background: any colour that Pillow's ImageColor understands.
    """
    plain = _managed(_plain(image), image.info.get('icc_profile'))
    if plain.mode in _ALPHA_MODES:
        canvas = Image.new('RGB', plain.size, background)
        canvas.paste(plain.convert('RGB'), mask=plain.getchannel('A'))
        plain = canvas
    return plain if plain.mode == mode else plain.convert(mode)


def _plain(image: Image.Image) -> Image.Image:
    """Any mode -> L, LA, RGB, RGBA or CMYK."""
    if depth.is_deep(image):
        return depth.to_8_bit(image)
    if image.has_transparency_data and image.mode in ('1', 'L', 'P', 'RGB'):
        return image.convert('RGBA')
    if image.mode in _PLAIN_MODES:
        return image
    return image.convert(_NEAREST_PLAIN_MODE.get(image.mode, 'RGB'))


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
