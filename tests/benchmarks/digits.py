"""From 5,000 digits without labels to a generator of each digit, and to what its pictures are worth.

  python -m tests.benchmarks.digits --output_dir=runs/digits [--count=5000] [--train_kimg=128] [--keep=2000]

Draws digits as games show them (`tests.benchmarks.ocr`) and runs the commands that a user would: OCR reads them, ten
marks of each digit stand for a person's, convert.label makes the labelled set, a conditional DCGAN learns it,
trainer.generate keeps the pictures on whose label real digits agree, and trainer.gain says what they add. Prints the
time of each step, and how many labels are right. Steps whose output is there are not run again. Needs an OCR engine,
RapidOCR in a minute or Tesseract in half an hour.
"""

from __future__ import annotations

import argparse
import collections
import csv
import pathlib
import subprocess
import sys
import time

import matplotlib
from PIL import Image

from tests.benchmarks import ocr
from trainer.data import image_set

_FONTS = ('DejaVuSans', 'DejaVuSans-Bold', 'DejaVuSerif', 'DejaVuSansMono', 'STIXGeneral', 'STIXGeneralBolIta', 'cmr10')
_MARKS = 10  # Of each digit.


class Steps:
    """Runs the commands one after the other, each once, and keeps their logs and times."""

    def __init__(self, folder: pathlib.Path):
        self.folder = folder
        self.seconds: dict[str, float] = {}

    def run(self, name: str, module: str, output: str, /, **flags: object) -> None:
        """Runs python -m `module`, unless `output` is there."""
        if (self.folder / output).exists():
            return
        words = [f'--{flag}={value}' for flag, value in flags.items()]
        began = time.monotonic()
        with open(self.folder / f'{name}.log', 'w') as log:
            command = [sys.executable, '-m', module, *words]
            print('$', 'python -m', module, *words, flush=True)
            subprocess.run(command, check=True, stdout=log, stderr=subprocess.STDOUT)
        self.seconds[name] = time.monotonic() - began
        print(f'  {self.seconds[name]:.0f} s', flush=True)


def draw(folder: pathlib.Path, count: int) -> None:
    """Draws the digits under names that do not tell them, and writes which is which beside them."""
    crops = folder / 'crops'
    if (folder / 'truth.csv').exists():
        return
    crops.mkdir(parents=True)
    place = pathlib.Path(matplotlib.get_data_path()) / 'fonts' / 'ttf'
    with open(folder / 'truth.csv', 'w') as file:
        file.write('name,label\n')
        for number, (digit, pixels) in enumerate(ocr.drawn(count, [str(place / f'{name}.ttf') for name in _FONTS])):
            Image.fromarray(pixels).save(crops / f'{number:05}.png')
            file.write(f'{number:05}.png,{digit}\n')


def truth_of(folder: pathlib.Path) -> dict[str, str]:
    """Name -> digit."""
    with open(folder / 'truth.csv') as file:
        return {row['name']: row['label'] for row in csv.DictReader(file)}


def mark(folder: pathlib.Path) -> None:
    """Marks the first ten of each digit, as a person would."""
    marked: collections.Counter[str] = collections.Counter()
    with open(folder / 'marks.csv', 'w') as file:
        file.write('name,label\n')
        for name, label in truth_of(folder).items():
            marked[label] += 1
            if marked[label] <= _MARKS:
                file.write(f'{name},{label}\n')


def right_labels(folder: pathlib.Path, table: str) -> str:
    """How many of the labels of a CSV file are right."""
    truth = truth_of(folder)
    with open(folder / table) as file:
        given = [(row['name'], row['label'], row.get('by', '')) for row in csv.DictReader(file) if row['label']]
    right = sum(truth[name] == label for name, label, _ in given)
    by = collections.Counter(by for _, _, by in given if by)
    return f'{len(given):,} of {len(truth):,} labelled, {right / len(given):.4f} of them right {dict(by) or ""}'


def right_classes(folder: pathlib.Path) -> str:
    """How many images of the labelled set have the class that they show."""
    images = image_set.open_split(str(folder / 'labelled'))
    assert images
    truth = truth_of(folder)
    pairs = [(images.labels[entry.label], truth[entry.name]) for entry in images.entries() if entry.label >= 0]
    return f'{len(pairs):,} of {len(images):,} training images labelled, {sum(a == b for a, b in pairs):,} rightly'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--output_dir', type=pathlib.Path, required=True)
    parser.add_argument('--count', type=int, default=5000)
    parser.add_argument('--train_kimg', type=float, default=128)
    parser.add_argument('--keep', type=int, default=2000, help='pictures of each digit')
    options = parser.parse_args()
    folder, steps = options.output_dir, Steps(options.output_dir)
    began = time.monotonic()
    draw(folder, options.count)
    mark(folder)
    crops, data, labelled, run = (str(folder / name) for name in ('crops', 'data', 'labelled', 'run'))
    votes = str(folder / 'ocr.csv')
    steps.run('ocr', 'convert.ocr', 'ocr.csv', input_dir=crops, length=1, output=votes)
    print('OCR:', right_labels(folder, 'ocr.csv'))
    steps.run('convert', 'convert.images_to_tfrecords', 'data', input_dir=crops, output_dir=data, image_size=32)
    marks = str(folder / 'marks.csv')
    steps.run('label', 'convert.label', 'labelled', data=data, marks=marks, votes=votes, output_dir=labelled)
    print('labels:', right_labels(folder, 'labelled/labels.csv'))
    print(right_classes(folder))
    training = {'train_kimg': options.train_kimg, 'eval_steps': 5000, 'sample_steps': 1000}
    steps.run('train', 'trainer.task', 'run/saved_model', train_data=labelled, model_dir=run, condition='labels',
              use_tpu='false', **training)  # fmt: skip
    made = str(folder / 'generated')
    steps.run('generate', 'trainer.generate', 'generated/kept.csv', model_dir=run, label='all', count=options.keep,
              agree='95%', singles='true', output_dir=made)  # fmt: skip
    print((folder / 'generated' / 'kept.csv').read_text())
    steps.run('gain', 'trainer.gain', 'gain/gain.json', model_dir=run, output_dir=str(folder / 'gain'))
    print((folder / 'gain.log').read_text())
    times = ', '.join(f'{name} {seconds:.0f} s' for name, seconds in steps.seconds.items())
    print(f'{(time.monotonic() - began) / 60:.1f} minutes: {times}')


if __name__ == '__main__':
    main()
