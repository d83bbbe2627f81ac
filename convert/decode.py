"""One image file -> square uint8 pixels, or the reason why not."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator
from typing import BinaryIO

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

from convert import colour, options, rejection

_HEAD_BYTES = 32
_LFS_MAGIC = b'version https://git-lfs'
# A JPEG may be decoded at 1/2, 1/4 or 1/8 of its size; the resize then still halves it, and smooths what that left.
_DRAFT_MARGIN = 2
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
    """Readies Pillow for any file and for threads, and keeps what it warns of off the terminal.

    Pillow's settings are global to the process, hence one `with` around all threads.
    """
    Image.preinit()  # JPEG and its like come first of all formats that are tried.
    Image.init()
    logger = logging.getLogger('PIL')
    pixels, level = Image.MAX_IMAGE_PIXELS, logger.level
    Image.MAX_IMAGE_PIXELS = int(max_megapixels * 1e6)
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings('ignore', module=r'PIL\.')
            warnings.simplefilter('error', Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = pixels
        logger.setLevel(level)


def decode(file: BinaryIO, convert_options: options.ConvertOptions) -> np.ndarray:
    """Decodes the first frame of a file in any format that Pillow reads; to be called within `prepared_pillow`.

    Returns:
      uint8 [image_size, image_size, channels].

    Raises:
      rejection.Rejected: it gives no image.
    """
    head = file.read(_HEAD_BYTES)
    file.seek(0)
    if not head:
        raise rejection.Rejected(rejection.EMPTY_FILE)
    if head.startswith(_LFS_MAGIC):
        raise rejection.Rejected(rejection.LFS_POINTER, 'run git lfs pull where the file comes from')
    try:
        with Image.open(file) as image:
            fitted = _fit(_load(image, convert_options), convert_options)
    except UnidentifiedImageError:
        raise rejection.Rejected(rejection.NOT_AN_IMAGE, f'it begins with {head[:8]!r}') from None
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise rejection.Rejected(rejection.TOO_LARGE, str(error)) from None
    except Exception as error:  # A plug-in fed garbage raises anything, struct.error and KeyError included.
        reason = rejection.TRUNCATED if 'truncated' in str(error).lower() else rejection.UNREADABLE
        raise rejection.Rejected(reason, f'{type(error).__name__}: {error}') from None
    side, channels = convert_options.image_size, convert_options.channels
    return np.frombuffer(fitted.tobytes(), np.uint8).reshape(side, side, channels)


def draft(image: Image.Image, convert_options: options.ConvertOptions) -> None:
    """Has a JPEG decoded at a reduced scale, as far as the resize still has `_DRAFT_MARGIN` pixels for each one."""
    width, height = _resized(image.size, convert_options)
    # Pillow picks the smallest scale that gives at least this size; other formats take no notice.
    image.draft(None, (_DRAFT_MARGIN * width, _DRAFT_MARGIN * height))


def _load(image: Image.Image, convert_options: options.ConvertOptions) -> Image.Image:
    """Decodes the image: upright, opaque, in the wanted mode, still oblong."""
    draft(image, convert_options)
    image.load()
    flat = colour.flatten(image, convert_options.mode, convert_options.background)
    turn = _TURNS.get(_orientation(image))
    return flat if turn is None else flat.transpose(turn)


def _orientation(image: Image.Image) -> int:
    try:
        return image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # Damaged EXIF must not cost the image.
        return 1


def _fit(image: Image.Image, convert_options: options.ConvertOptions) -> Image.Image:
    """Makes the image square, `image_size` pixels a side."""
    side, lanczos = convert_options.image_size, Image.Resampling.LANCZOS
    width, height = image.size
    if convert_options.fit == options.CROP:
        short = min(image.size)
        # Whole pixels, so that an image that has the size already is not blurred.
        left, top = (width - short) // 2, (height - short) // 2
        return image.resize((side, side), lanczos, box=(left, top, left + short, top + short))
    inner = image.resize(_resized(image.size, convert_options), lanczos)
    if convert_options.fit == options.STRETCH:
        return inner
    square = Image.new(image.mode, (side, side), convert_options.background)
    square.paste(inner, ((side - inner.width) // 2, (side - inner.height) // 2))
    return square


def _resized(size: tuple[int, int], convert_options: options.ConvertOptions) -> tuple[int, int]:
    """The size that the whole image is resized to, before it is cut or bordered, px."""
    side = convert_options.image_size
    if convert_options.fit == options.STRETCH:
        return side, side
    governing = min(size) if convert_options.fit == options.CROP else max(size)
    width, height = (max(1, round(length * side / governing)) for length in size)
    return width, height
