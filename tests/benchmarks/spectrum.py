"""The power spectrum of generated pictures beside that of their training images, to find a checkerboard.

  python -m tests.benchmarks.spectrum --data=data/clothes64 --model_dir runs/clothes64 runs/other64

A transposed convolution of stride 2 gives the pixels of a flat surface four values, by the parity of row and column.
In the spectrum that is power at the highest frequencies of both axes, the last column. 1 is the power of real images.
"""

from __future__ import annotations

import argparse

import numpy as np

from trainer.data import image_set
from trainer.evaluation import pictures
from trainer.generator import loading
from trainer.quiet import quieten_tensorflow

_COUNT = 512
_BANDS = ((0.0, 0.25), (0.25, 0.5), (0.5, 0.75), (0.75, 1.0))  # Of the highest frequency of an axis.


def power(images: np.ndarray) -> np.ndarray:
    """uint8 [N, S, S, C] -> float64 [S, S]: mean power of the brightness, by frequency, under a Hann window."""
    grey = images.astype(np.float64).mean(axis=3)
    grey -= grey.mean(axis=(1, 2), keepdims=True)
    window = np.hanning(images.shape[1])
    return (np.abs(np.fft.fft2(grey * window[:, None] * window)) ** 2).mean(axis=0)


def row(generated: np.ndarray, real: np.ndarray) -> list[float]:
    """The power of generated images over that of real ones in each band, and at the checkerboard's frequency."""
    ratio, side = np.log(power(generated) / power(real)), len(real[0])
    along = np.abs(np.fft.fftfreq(side)) * 2
    radius = np.hypot(along[:, None], along)
    bands = [ratio[(radius > low) & (radius <= high)].mean() for low, high in _BANDS]
    return [float(np.exp(value)) for value in (*bands, ratio[side // 2, side // 2])]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--data', required=True)
    parser.add_argument('--model_dir', required=True, nargs='+')
    options = parser.parse_args()
    quieten_tensorflow()
    train, _ = image_set.open_both(options.data)
    everything = train.pixels()
    real, others = everything[:_COUNT], everything[_COUNT : 2 * _COUNT]
    print(' '.join([*(f'{low:.2f}-{high:.2f}' for low, high in _BANDS), 'checkerboard']))
    rows = {'other real images': row(others, real)} if len(others) else {}
    for model_dir in options.model_dir:
        run = loading.load(model_dir)
        rows[model_dir] = row(pictures.Generated(run.generator, _COUNT).part(0, _COUNT), real)
    for name, values in rows.items():
        print(' '.join([*(f'{value:9.2f}' for value in values[:-1]), f'{values[-1]:12.2f}', f' {name}']))


if __name__ == '__main__':
    main()
