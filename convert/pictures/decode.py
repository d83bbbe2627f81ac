"""Turns one image file into uint8 pixels, square unless it is to stay whole, or says why it cannot."""

from __future__ import annotations

import contextlib
import hashlib
import io
import logging
import warnings
from collections.abc import Iterator
from typing import BinaryIO, Union

import numpy as np
from PIL import ExifTags, Image, PngImagePlugin, UnidentifiedImageError

from convert import options, parallel, rejection
from convert.pictures import colour, depth, formats, repair
from trainer.data import images

_LFS_MAGIC, _JPEG_MAGIC = b'version https://git-lfs', b'\xff\xd8'
# The limit of one decompressed PNG chunk: profiles of scanners and prompts of generators take megabytes.
_TEXT_BYTES = repair.PROFILE_BYTES
_ORIGIN_BYTES = 1024  # Of a PNG file, for the texts before its pixels.
_MOST_REPAIRED = 64 << 20  # Bytes; a larger file is not repaired.
# Pillow takes 4 bytes a pixel, and putting an image on its background takes 4 more. Images decoded at the same time
# share this room; an image that needs more than all of it is decoded alone.
_BYTES_A_PIXEL, _ROOM = 8, parallel.Room(1 << 30)
# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size. The resize then still halves it, which smooths the result.
_DRAFT_MARGIN = 2
Shaping = Union[options.ConvertOptions, options.Whole]
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@contextlib.contextmanager
def prepared_pillow(max_megapixels: float) -> Iterator[None]:
    """Prepares Pillow for any file and for threads, and keeps its warnings off the terminal.

    Pillow's settings are global to the process, so one `with` goes around all threads.
    """
    formats.prepare()
    logger = logging.getLogger('PIL')
    pixels, level, text = Image.MAX_IMAGE_PIXELS, logger.level, PngImagePlugin.MAX_TEXT_CHUNK
    Image.MAX_IMAGE_PIXELS = int(max_megapixels * 1e6)
    PngImagePlugin.MAX_TEXT_CHUNK = _TEXT_BYTES
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', module=r'PIL\.')
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS, PngImagePlugin.MAX_TEXT_CHUNK = pixels, text
        logger.setLevel(level)


def decode(file: BinaryIO, convert_options: Shaping, levels: depth.Levels | None = None) -> np.ndarray:
    """Decodes the first frame of a file in any format of `formats`. Call this within `prepared_pillow`.

    Args:
      file: positioned at its start.
      convert_options: how to fit it.
      levels: those of the set that it belongs to.

    Returns:
      uint8 [image_size, image_size, channels]; of a whole image [H, W, channels], H and W at most image_size.

    Raises:
      rejection.Rejected: the file gives no image.
    """
    head = file.read(formats.HEAD_BYTES)
    file.seek(0)
    if not head:
        raise rejection.Rejected(rejection.EMPTY_FILE)
    if head.startswith(_LFS_MAGIC):
        raise rejection.Rejected(rejection.LFS_POINTER, 'run git lfs pull in the repository of the file')
    lacking, advice = formats.lacking(head)
    if lacking:
        raise rejection.Rejected(rejection.unsupported(lacking), advice)
    try:
        return _pixels(file, convert_options, levels)
    except Exception as error:
        found = _rejection(error, head)
        if found.reason in (rejection.TOO_LARGE, rejection.NOT_AN_IMAGE):
            raise found from None
        pixels = _of_repaired(file, convert_options, levels)
        if pixels is None:
            raise found from None
        return pixels


def is_synthetic(file: BinaryIO) -> bool:
    """Whether trainer.generate has written this file; it must be positioned at its start, and then is again."""
    head = file.read(_ORIGIN_BYTES)
    file.seek(0)
    # The text is not compressed, so few files have to be parsed for it.
    return images.GENERATED.encode() in head and images.software_of(head) == images.GENERATED


def opened(file: BinaryIO) -> Image.Image:
    """Opens a file and reads its header, but not its pixels; raises what Pillow raises."""
    return Image.open(file, formats=formats.opened())


def _pixels(file: BinaryIO, convert_options: Shaping, levels: depth.Levels | None) -> np.ndarray:
    with opened(file) as image:
        formats.refuse(image)
        colour.correct(image)
        if image.format == 'PNG' and not repair.has_whole_pixels(file):
            raise rejection.Rejected(rejection.damaged('PNG'), 'the checksum of its pixels is wrong')
        with _ROOM.taken(image.width * image.height * _BYTES_A_PIXEL):
            fitted = _fit(_load(image, convert_options, levels), convert_options)
    return np.frombuffer(fitted.tobytes(), np.uint8).reshape(fitted.height, fitted.width, convert_options.channels)


def _of_repaired(file: BinaryIO, convert_options: Shaping, levels: depth.Levels | None) -> np.ndarray | None:
    """The pixels of a file that is damaged only outside its pixel data; None if the damage is worse."""
    file.seek(0)
    data = file.read(_MOST_REPAIRED + 1)
    repaired = repair.repaired(data) if len(data) <= _MOST_REPAIRED else None
    if repaired is None:
        return None
    try:
        if data.startswith(_JPEG_MAGIC) and not _is_whole(repaired):
            return None
        return _pixels(io.BytesIO(repaired), convert_options, levels)
    except Exception:  # Anything, as in `decode`, which reports its own error: that one says more.
        return None


def _is_whole(jpeg: bytes) -> bool:
    """Whether a JPEG's pixels at full size do not depend on the bytes that follow its data; else it is truncated."""
    found = _digest(jpeg)
    return all(_digest(noisy) == found for noisy in repair.with_noise(jpeg))


def _digest(data: bytes) -> bytes:
    with opened(io.BytesIO(data)) as image, _ROOM.taken(image.width * image.height * _BYTES_A_PIXEL):
        return hashlib.blake2b(image.tobytes()).digest()


def _rejection(error: Exception, head: bytes) -> rejection.Rejected:
    """Why a file gives no image, by the error that Pillow raised; a plug-in may raise anything on garbage."""
    if isinstance(error, rejection.Rejected):
        return error
    if isinstance(error, (Image.DecompressionBombWarning, Image.DecompressionBombError)):
        return rejection.Rejected(rejection.TOO_LARGE, str(error))
    name, detail = formats.named(head), f'{type(error).__name__}: {error}'
    if isinstance(error, UnidentifiedImageError):
        if not name:
            return rejection.Rejected(rejection.NOT_AN_IMAGE, f'it begins with {head[:8]!r}')
        detail = 'its header cannot be read, or Pillow does not know its kind'
    if 'truncated' in str(error).lower():
        return rejection.Rejected(rejection.TRUNCATED, detail)
    if name:
        return rejection.Rejected(rejection.damaged(name), detail)
    return rejection.Rejected(rejection.UNREADABLE, detail)


def draft(image: Image.Image, convert_options: Shaping) -> None:
    """Lets a JPEG be decoded at a reduced scale that still has `_DRAFT_MARGIN` pixels for each pixel of the result."""
    width, height = _resized(image.size, convert_options)
    # Pillow picks the smallest scale that gives at least this size; other formats ignore it.
    image.draft(None, (_DRAFT_MARGIN * width, _DRAFT_MARGIN * height))


def _load(image: Image.Image, convert_options: Shaping, levels: depth.Levels | None) -> Image.Image:
    """Decodes the image: upright, opaque, in the wanted mode, not yet square."""
    draft(image, convert_options)
    image.load()
    flat = colour.flatten(image, convert_options.mode, convert_options.background, levels)
    turn = _TURNS.get(_orientation(image))
    return flat if turn is None else flat.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Damaged EXIF is no reason to reject the image.
        return 1


def _fit(image: Image.Image, convert_options: Shaping) -> Image.Image:
    """Makes the image square, `image_size` pixels a side, unless it stays whole."""
    side, lanczos = convert_options.image_size, Image.Resampling.LANCZOS
    width, height = image.size
    if convert_options.fit == options.CROP:
        short = min(image.size)
        # Whole pixels, so that an image that already has the size is not blurred.
        left, top = (width - short) // 2, (height - short) // 2
        return image.resize((side, side), lanczos, box=(left, top, left + short, top + short))
    inner = image.resize(_resized(image.size, convert_options), lanczos)
    if convert_options.fit in (options.STRETCH, options.WHOLE):
        return inner
    square = Image.new(image.mode, (side, side), convert_options.background)
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return square


def _resized(size: tuple[int, int], convert_options: Shaping) -> tuple[int, int]:
    """The size that the whole image is resized to before it is cropped or padded, px."""
    side = convert_options.image_size
    if convert_options.fit == options.STRETCH:
        return side, side
    governing = min(size) if convert_options.fit == options.CROP else max(size)
    if convert_options.fit == options.WHOLE:
        governing = max(governing, side)  # It is not enlarged.
    width, height = (max(1, round(length * side / governing)) for length in size)
    return width, height
