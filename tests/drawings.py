"""Random drawings, foreign to any set of photographs, and the alterations that make near-duplicates of a picture."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageDraw, ImageEnhance, ImageFont

Random = np.random.Generator
_SIDE = 128


def noise(random: Random) -> Image.Image:
    """Coloured noise, from fine to soft."""
    side = int(random.choice([4, 8, 16, 32, 64]))
    return Image.fromarray(random.integers(0, 256, (side, side, 3), np.uint8)).resize((_SIDE, _SIDE), Image.BICUBIC)


def text(random: Random) -> Image.Image:
    """Lines of dark capital letters."""
    picture, pen = _blank(random, 150, 256)
    ink = _colour(random, 0, 120)
    for y in range(4, _SIDE, int(random.integers(12, 30))):
        letters = ''.join(chr(letter) for letter in random.integers(65, 91, 14))
        pen.text((4, y), letters, ink, ImageFont.load_default(size=int(random.integers(8, 20))))
    return picture


def chart(random: Random) -> Image.Image:
    """Coloured bars, beginning at the left."""
    picture, pen = _blank(random, 255, 256)
    for bar in range(int(random.integers(3, 9))):
        height = int(random.integers(10, 110))
        pen.rectangle((10 + 14 * bar, 120 - height, 20 + 14 * bar, 120), _colour(random, 0, 256))
    pen.line((7, 120, 125, 120), 'black', 2)
    return picture


def digit(random: Random) -> Image.Image:
    """One large light digit, slightly turned."""
    picture, pen = _blank(random, 0, 90)
    font = ImageFont.load_default(size=int(random.integers(70, 110)))
    place = (int(random.integers(10, 50)), int(random.integers(0, 30)))
    pen.text(place, str(random.integers(0, 10)), _colour(random, 150, 256), font)
    return picture.rotate(random.uniform(-10, 10))


def arrow(random: Random) -> Image.Image:
    """An arrow to the right."""
    picture, pen = _blank(random, 0, 256)
    y, tip, half, ink = (
        random.integers(30, 98),
        random.integers(60, 110),
        random.integers(2, 10),
        _colour(random, 0, 256),
    )
    pen.rectangle((10, int(y - half), int(tip), int(y + half)), ink)
    pen.polygon([(tip, y - half - 12), (tip, y + half + 12), (tip + 18, y)], ink)
    return picture


def double_arrow(random: Random) -> Image.Image:
    """An arrow to the right or to the left."""
    picture = arrow(random)
    return picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if random.random() < 0.5 else picture


def many(draw: Callable[[Random], Image.Image], count: int, size: int, seed: int = 0) -> np.ndarray:
    """`count` drawings, uint8 [count, size, size, 3]."""
    random = np.random.default_rng(seed)
    return np.stack([pixels(draw(random), size) for _ in range(count)])


def pixels(picture: Image.Image, size: int) -> np.ndarray:
    """uint8 [size, size, 3] of a square picture."""
    return np.asarray(picture.convert('RGB').resize((size, size), Image.LANCZOS))


def _blank(random: Random, low: int, high: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    picture = Image.new('RGB', (_SIDE, _SIDE), _colour(random, low, high))
    return picture, ImageDraw.Draw(picture)


def _colour(random: Random, low: int, high: int) -> tuple[int, ...]:
    return tuple(int(value) for value in random.integers(low, high, 3))


def _jpeg(quality: int) -> Callable[[Image.Image, Random], Image.Image]:
    def alter(picture: Image.Image, random: Random) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, 'JPEG', quality=quality)
        return Image.open(io.BytesIO(buffer.getvalue())).convert('RGB')

    return alter


def _resized(factor: float) -> Callable[[Image.Image, Random], Image.Image]:
    return lambda picture, random: picture.resize((round(picture.width * factor),) * 2, Image.BICUBIC)


def _lit(factor: float) -> Callable[[Image.Image, Random], Image.Image]:
    return lambda picture, random: ImageEnhance.Brightness(picture).enhance(factor)


def _cut(share: float) -> Callable[[Image.Image, Random], Image.Image]:
    def alter(picture: Image.Image, random: Random) -> Image.Image:
        cut = picture.width * share
        left, top = random.uniform(0, cut, 2)
        box = (left, top, left + picture.width - cut, top + picture.height - cut)
        return picture.resize(picture.size, Image.BICUBIC, box=box)

    return alter


def _noisy(picture: Image.Image, random: Random) -> Image.Image:
    noisy = np.asarray(picture) + random.normal(0, 5, (picture.height, picture.width, 3))
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def _shifted(px_of_64: int) -> Callable[[Image.Image, Random], Image.Image]:
    def alter(picture: Image.Image, random: Random) -> Image.Image:
        step = round(px_of_64 * picture.width / 64)
        down, right = random.choice([(0, step), (step, 0), (step, -step), (-step, -step)])
        places = np.arange(picture.width)
        rows, columns = (np.clip(places + move, 0, len(places) - 1) for move in (down, right))
        return Image.fromarray(np.asarray(picture)[rows][:, columns])

    return alter


# Each takes a square RGB picture.
ALTERATIONS: dict[str, Callable[[Image.Image, Random], Image.Image]] = {
    'none': lambda picture, random: picture,
    'JPEG of quality 70': _jpeg(70),
    'JPEG of quality 90': _jpeg(90),
    '10 % smaller': _resized(0.9),
    '10 % larger': _resized(1.1),
    '10 % darker': _lit(0.9),
    '10 % brighter': _lit(1.1),
    '2 % cut off': _cut(0.02),
    '4 % cut off': _cut(0.04),
    'noise of 5 levels': _noisy,
    'shifted by 1 px of 64': _shifted(1),
    'shifted by 2 px of 64': _shifted(2),
}
