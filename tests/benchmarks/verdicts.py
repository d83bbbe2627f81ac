"""Trains runs that go wrong on purpose, and prints their verdicts: the thresholds of verdicts.py come from here.

  python -m tests.benchmarks.verdicts --data=data/photos32 --output_dir=runs/verdicts

Trains each of CASES for some minutes, one after the other, and prints the table. After a change of a threshold,
`--judge_only` judges the histories of an earlier call again.
"""

from __future__ import annotations

import argparse
import collections
import dataclasses
import pathlib

import numpy as np

from tests.conftest import write_shard
from trainer import errors
from trainer.data import image_set, manifest, records
from trainer.dcgan.hparams import HParams
from trainer.machine.options import MachineOptions
from trainer.monitoring import verdicts
from trainer.monitoring.history import History
from trainer.options import DataOptions, RunOptions
from trainer.quiet import quieten_tensorflow
from trainer.run import experiment


@dataclasses.dataclass(frozen=True)
class Case:
    """One way to train.

    Attributes:
      expected: the verdicts that are right at the end.
      images: how many to train on; 0 is all.
      longer: factor for the number of steps.
      hparams: the differences from the usual ones.
      later: further differences in the second half.
    """

    expected: tuple[str, ...]
    images: int = 0
    longer: int = 1
    hparams: dict = dataclasses.field(default_factory=dict)
    later: dict = dataclasses.field(default_factory=dict)


# The published recipe, which has no measures against overfitting and mode collapse.
_USUAL = {
    'train_batch_size': 64, 'learning_rate': 2e-4, 'base_filters': 32, 'discriminator_norm': 'batch', 'augment': 'none',
    'ema_half_life_kimg': 0.0, 'update': 'joint', 'kernel_size': 5, 'generator_norm': 'batch',
    'generator_output': 'deconv', 'augment_target': 0.0,
    'generator_upsampling': 'plain',
}  # fmt: skip
CASES = {
    'usual': Case((verdicts.HEALTHY,)),
    'hinge': Case((verdicts.HEALTHY,), hparams={'loss': 'hinge'}),
    'another seed': Case((verdicts.HEALTHY,), hparams={'seed': 7}),
    'smoothed labels': Case((verdicts.HEALTHY,), hparams={'label_smoothing': 0.1}),
    'least squares': Case((verdicts.HEALTHY,), hparams={'loss': 'least_squares'}),
    '16 images for long': Case((verdicts.COPYING, verdicts.OVERFITS), 16, 4, hparams={'train_batch_size': 8}),
    '40 images': Case((verdicts.COPYING, verdicts.OVERFITS), images=40, hparams={'train_batch_size': 16}),
    '200 images': Case((verdicts.COPYING, verdicts.OVERFITS), images=200),
    '500 images': Case((verdicts.COPYING, verdicts.OVERFITS), images=500),
    'learning rate 0.01': Case((verdicts.HEALTHY,), hparams={'learning_rate': 0.01}),  # Batch norm tolerates it.
    'learning rate 0.3': Case((verdicts.DIVERGED, verdicts.COLLAPSING), hparams={'learning_rate': 0.3}),
    'G starved': Case((verdicts.DIVERGED,), hparams={'g_learning_rate': 2e-6}),
    'D starved': Case((verdicts.DIVERGED,), hparams={'d_learning_rate': 2e-6}),
    'noise of 1 number': Case((verdicts.COLLAPSING,), hparams={'noise_dim': 1}),
    'spoiled half way': Case((verdicts.DIVERGED, verdicts.COLLAPSING), later={'learning_rate': 0.3}),
    'wasserstein with little penalty': Case(  # Tolerates it too.
        (verdicts.HEALTHY,), hparams={'loss': 'wasserstein', 'gradient_penalty': 0.001, 'learning_rate': 2e-3}
    ),
}


def train(case: Case, data: str, folder: pathlib.Path, steps: int) -> None:
    """Trains one case in `folder`."""
    if case.images:
        data = _subset(data, folder / 'data', case.images)
    hparams = HParams(**{**_USUAL, 'train_steps': steps * case.longer, **case.hparams})
    every = steps // 8
    options = RunOptions(
        str(folder), sample_steps=every // 2, save_steps=every, eval_steps=every, log_steps=50, keep_checkpoints=2,
        stop_after_evals_without_best=0,
    )  # fmt: skip
    if case.later:
        first = dataclasses.replace(hparams, train_steps=steps // 2)
        experiment.run(first, DataOptions(train_data=data), options, MachineOptions())
        hparams = dataclasses.replace(hparams, **case.later)
    experiment.run(hparams, DataOptions(train_data=data), options, MachineOptions())


def _subset(data: str, folder: pathlib.Path, count: int) -> str:
    """A data set of the first `count` training images, with the hold-out of `data`."""
    folder.mkdir(parents=True, exist_ok=True)
    splits = {}
    for images in image_set.open_both(data):
        split = manifest.TRAIN if not splits else manifest.HOLDOUT
        pixels = images.pixels(count if split == manifest.TRAIN else None)
        serialized = [records.encode_example(picture, -1, '') for picture in pixels]
        splits[split] = (write_shard(folder / f'{split}-00000-of-00001.tfrecord', serialized),)
    manifest.write(str(folder), manifest.Manifest(pixels.shape[1], pixels.shape[3], records.HWC, splits))
    return str(folder)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--data', required=True)
    parser.add_argument('--output_dir', type=pathlib.Path, required=True)
    parser.add_argument('--steps', type=int, default=2400)
    parser.add_argument('--cases', default=','.join(CASES))
    parser.add_argument('--judge_only', action='store_true')
    options = parser.parse_args()
    quieten_tensorflow()
    confusion: collections.Counter[tuple[str, str]] = collections.Counter()
    for name in options.cases.split(','):
        folder = options.output_dir / name.replace(' ', '_')
        if not options.judge_only:
            try:
                train(CASES[name], options.data, folder, options.steps)
            except errors.TrainingDiverged as error:
                print(f'{name}: {error}')
        history = History(str(folder), options.steps * CASES[name].longer).points
        said = [verdicts.judge(history[: i + 1]).word for i in range(len(history))]
        right = 'right' if said and said[-1] in CASES[name].expected else 'WRONG'
        confusion['/'.join(CASES[name].expected), said[-1] if said else '-'] += 1
        reason = verdicts.judge(history).reason if history else ''
        print(f'{right}  {name}: {" > ".join(_runs(said))}; {reason}')
    for (expected, found), count in sorted(confusion.items()):
        print(f'expected {expected:30} said {found:12} {count}')


def _runs(words: list[str]) -> list[str]:
    starts = np.flatnonzero([i == 0 or words[i] != words[i - 1] for i in range(len(words))])
    return [words[i] for i in starts]


if __name__ == '__main__':
    main()
