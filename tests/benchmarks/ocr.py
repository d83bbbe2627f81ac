"""How well convert.ocr reads digits, by each engine that is installed.

  python -m tests.benchmarks.ocr [--count=200] [--font=FILE.ttf ...] [--data=FOLDER]

Draws digits of 28 to 32 px as games show them: coloured on coloured, shaded, outlined or plain, turned, blurred and
noisy, in Pillow's own font and the fonts that are given. With --data, reads the first images of a data set instead; the
first character of a file name is the truth.
"""

from __future__ import annotations

import argparse
import os

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from convert.marks import Vote
from convert.reading import agreement, engines, passes
from trainer.data import image_set

DIGITS = '0123456789'
_FINE = 4  # Drawn so many times larger.


def drawn(count: int, fonts: list[str], seed: int = 0) -> list[tuple[str, np.ndarray]]:
    """Digits and their pictures, uint8 [side, side, 3]."""
    random = np.random.default_rng(seed)
    return [(DIGITS[i % 10], _picture(DIGITS[i % 10], fonts, random)) for i in range(count)]


def _picture(digit: str, fonts: list[str], random: np.random.Generator) -> np.ndarray:
    side = int(random.integers(28, 33))
    ground, ink = _colours(random)
    large = side * _FINE
    ramp = np.linspace(random.uniform(0.7, 1), random.uniform(0.7, 1), large)[:, None, None]
    picture = Image.fromarray(np.broadcast_to(ground * ramp, (large, large, 3)).astype(np.uint8))
    font = _font(fonts, int(large * random.uniform(0.6, 0.95)), random)
    place = tuple(large / 2 + random.uniform(-2, 2, 2) * _FINE)
    outlined = {'stroke_width': _FINE, 'stroke_fill': _rgb(255 - ink)} if random.random() < 0.3 else {}
    ImageDraw.Draw(picture).text(place, digit, _rgb(ink), font, anchor='mm', **outlined)
    picture = picture.rotate(random.uniform(-12, 12), Image.Resampling.BICUBIC, fillcolor=_rgb(ground))
    picture = picture.resize((side, side), Image.Resampling.LANCZOS)
    picture = picture.filter(ImageFilter.GaussianBlur(random.uniform(0, 1)))
    noisy = np.asarray(picture) + random.normal(0, random.uniform(0, 20), (side, side, 3))
    return np.clip(noisy, 0, 255).astype(np.uint8)


def _colours(random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Two colours that a player can tell apart."""
    while True:
        ground, ink = random.integers(0, 256, (2, 3))
        if abs((ground - ink) @ [0.299, 0.587, 0.114]) > 70:
            return ground, ink


def _rgb(colour: np.ndarray) -> tuple[int, ...]:
    return tuple(int(value) for value in colour)


def _font(fonts: list[str], size: int, random: np.random.Generator) -> ImageFont.FreeTypeFont:
    name = random.choice(['', *fonts])
    return ImageFont.truetype(name, size) if name else ImageFont.load_default(size)


def recorded(data: str, count: int) -> list[tuple[str, np.ndarray]]:
    """The first `count` images of a data set, and the first character of each file name."""
    images = image_set.open_split(data)
    assert images
    names = [entry.name.rpartition('/')[-1] for entry in images.entries()[:count]]
    pixels = images.pixels(len(names))
    return [(name[0], np.broadcast_to(one, (*one.shape[:2], 3))) for name, one in zip(names, pixels)]


def measure(name: str, digits: list[tuple[str, np.ndarray]]) -> str:
    """A row of the table of docs/labels.md."""
    engine = engines.make(name, DIGITS, 1)
    began = _cpu_seconds()
    outcomes: dict[str, list[tuple[Vote | None, str]]] = {}
    for truth, pixels in digits:
        first, second = engine.read(passes.as_it_is(pixels)), engine.read(passes.black_on_white(pixels))
        vote, how = agreement.settle(first, second, DIGITS, 1)
        outcomes.setdefault(how, []).append((vote, truth))
    took = (_cpu_seconds() - began) / len(digits) * 1000
    of_each = {how: [vote.label == truth for vote, truth in outcomes.get(how, []) if vote] for how in agreement.ANSWERS}
    answered = [right for how in agreement.ANSWERS for right in of_each[how]]
    cells = [name, _share(len(answered), len(digits)), _share(sum(answered), len(answered))]
    for how in agreement.ANSWERS:
        cells += [_share(len(of_each[how]), len(digits)), _share(sum(of_each[how]), len(of_each[how]))]
    return f'| {" | ".join(cells)} | {took:.0f} |'


def _cpu_seconds() -> float:
    """Of this process and the programs that it has run; other work on the machine does not count."""
    return sum(os.times()[:4])


def _share(part: int, whole: int) -> str:
    return f'{part / whole:.1%} of {whole}' if whole else '-'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=200)
    parser.add_argument('--font', nargs='*', default=[])
    parser.add_argument('--data', default='')
    flags = parser.parse_args()
    digits = recorded(flags.data, flags.count) if flags.data else drawn(flags.count, flags.font)
    print('| engine | answered | right | agreed | right | one pass | right | differ | right | CPU ms an image |')
    print('|---|---|---|---|---|---|---|---|---|---|')
    for name in engines.installed():
        print(measure(name, digits), flush=True)


if __name__ == '__main__':
    main()
