"""Makes trainer/pretrained/NAME.npz from a trained run, and measures how float16 changes its pictures.

  python -m trainer.task --train_data=data/clothes64 --model_dir=runs/clothes64 --train_kimg=512
  python -m tests.benchmarks.pack_pretrained --model_dir=runs/clothes64 --name=clothes64

Prints the size, the largest difference of a pixel, and the facts for trainer/pretrained/README.md.
"""

from __future__ import annotations

import argparse
import pathlib

import numpy as np

from trainer.evaluation import pictures
from trainer.generator import loading
from trainer.model_dir import checkpoints, hparams_file
from trainer.pretrained import packing
from trainer.quiet import quieten_tensorflow

MOST_BYTES = 6_000_000
_COUNT = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model_dir', required=True)
    parser.add_argument('--name', required=True, choices=packing.NAMES)
    options = parser.parse_args()
    quieten_tensorflow()
    run = loading.load(options.model_dir)
    checkpoint = checkpoints.best(options.model_dir) or checkpoints.newest_whole(options.model_dir)
    path = packing.FOLDER / f'{options.name}.npz'
    packing.pack(options.model_dir, checkpoint, str(path))
    size = path.stat().st_size
    if size > MOST_BYTES:
        path.unlink()
        raise SystemExit(f'{size:,} bytes are more than {MOST_BYTES:,}: train a smaller network')
    with packing.unpacked(options.name) as folder:
        packed = loading.load(folder)
        one, other = (pictures.Generated(model.generator, _COUNT).part(0, _COUNT) for model in (run, packed))
    differ = np.abs(one.astype(int) - other).max()
    hparams = hparams_file.read(options.model_dir)
    print(f'{path}: {size:,} bytes, step {run.step:,} ({run.which}), pixels differ by {differ} of 255 at most')
    print(f'{pathlib.Path(options.model_dir).name}: {hparams}')


if __name__ == '__main__':
    main()
