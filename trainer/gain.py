"""Says what the pictures of a conditional run gain for a classifier, measured on held-out real images.

  python -m trainer.gain --model_dir=runs/clothes
      trains classifiers on real images, on shifted ones, on generated ones only, and on real and filtered generated
      ones; writes gain.json, gain.csv and gain.png into runs/clothes/gain, and prints a table and one sentence.
  python -m trainer.gain --model_dir=runs/clothes --marks_per_label=20
      the same for classifiers that have 20 real images of each label: generated ones help most where few are labelled.

Only images of the hold-out whose label is known are tested on; a label that convert.label has guessed does not count.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from absl import flags

from trainer import cli, errors, terminal
from trainer.data import manifest
from trainer.dcgan import architecture
from trainer.evaluation import agreement, gain_report, gain_rows, known_images, pictures
from trainer.features import registry
from trainer.filesystem import disk_errors, files, outputs
from trainer.flags import shares
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading
from trainer.generator.loading import TrainedGenerator
from trainer.model_dir import run_data
from trainer.quiet import quieten_tensorflow

_MADE_BY = 'trainer.gain'
_NAMES = ('gain.json', 'gain.csv', 'gain.png')


@dataclasses.dataclass(frozen=True)
class GainOptions(Options):
    """What to measure, and how."""

    model_dir: str = option('', 'A training run with --condition=labels.', unit='folder', path=ANYWHERE)
    data: str = option('', 'The real images; empty is the data set of the training run.', unit='folder', path=ANYWHERE)
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    agree: str = option(
        '95%',
        'The filter: keep only pictures that a labeller of the real images gives their label, with a confidence that '
        'is right about such a share of the real ones, and that are no near copies.',
        empty=False,
    )
    seeds: int = option(
        3, 'How often to measure, each time with other weights, shifts and generated images.',
        lower=2, upper=gain_report.MOST_SEEDS, why='the spread is known by then',
    )  # fmt: skip
    marks_per_label: int = option(
        0, 'Real images of each label to train the classifiers on, drawn by seed; 0 takes all. The generator and the '
        'filter have seen all labels, so the gain is then an upper bound.',
        unit='images', lower=0,
    )  # fmt: skip
    cnn_steps: int = option(
        600, 'Training steps of the small network, 64 images each, the same for all rows.',
        unit='steps', lower=1, upper=100_000, why='the network is small',
    )  # fmt: skip
    extractor: str = option(
        registry.DEFAULT, 'The features of the filter and of the ridge regression.', choices=tuple(registry.EXTRACTORS)
    )
    output_dir: str = option(
        '', 'Where the results go, local or gs://; empty is gain in --model_dir.', unit='folder', path=ANYWHERE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_dir:
            raise errors.UserError('give --model_dir=FOLDER, a training run with --condition=labels')
        _ = self.share  # Raises if it cannot be read.

    @property
    def share(self) -> float:
        """--agree in (0, 1]."""
        return shares.parse('--agree', self.agree, 'the labels of real images')

    @property
    def folder(self) -> str:
        """Where the results go."""
        return self.output_dir or os.path.join(self.model_dir, 'gain')


def load(options: GainOptions) -> TrainedGenerator:
    """Loads the generator of the run.

    Raises:
      errors.UserError: there is none, or its classes are not labels.
    """
    run = loading.load(options.model_dir, options.checkpoint)
    if run.hparams.condition != architecture.LABELS:
        raise errors.UserError(
            f'{options.model_dir} is a run with --condition={run.hparams.condition}, and only pictures with labels can '
            'teach a classifier: train with --condition=labels'
        )
    return run


def gain(options: GainOptions, loaded: Callable[[GainOptions], TrainedGenerator] = load) -> str:
    """Measures, writes all files, and returns the report for people.

    Args:
      options: what to measure.
      loaded: loads the generator.

    Raises:
      errors.UserError: there is no run with labels; the data are absent, not those of the run, or have no labels or no
        hold-out to measure with; or the results cannot be written, which is checked before the work if possible.
    """
    with outputs.claimed('--output_dir', options.folder, _MADE_BY, _NAMES, environ=os.environ):
        run = loaded(options)
        facts, found, names = _measured(run, options)
        title = (
            f'{options.model_dir}, {run.which} checkpoint, step {run.step:,}, on {facts["data"]}: '
            f'{facts["images"]["training"]:,} training and {facts["images"]["holdout"]:,} hold-out images with known '
            f'labels, {options.seeds} seeds'
        )
        contents = gain_report.to_json(facts, found, names), gain_report.to_csv(found), gain_report.chart(found)
        paths = [os.path.join(options.folder, name) for name in _NAMES]
        with disk_errors.explained(f'--output_dir={options.folder}'):
            for path, content in zip(paths, contents):
                files.write_bytes(path, content)
    return '\n'.join([gain_report.table(title, found, names), '', *paths])


def _measured(run: TrainedGenerator, options: GainOptions) -> tuple[dict[str, Any], gain_rows.Gain, tuple[str, ...]]:
    """The facts of the report, what was measured, and the names of the labels."""
    assert run.generator.classes
    names = run.generator.classes.names
    data = run_data.options_of(options.model_dir, options.data)
    train, holdout = run_data.open_both(data)
    pictures.check_geometry(train, run.hparams.image_size, run.hparams.channels, options.model_dir)
    run_data.warn_of_change(options.model_dir, train, holdout)
    if holdout is None:
        raise errors.UserError(
            f'{train.folder} has no hold-out to measure an accuracy on: convert it with --holdout_percent above 0'
        )
    for folder in filter(None, (data.train_data, data.holdout_data)):
        _check_real(folder)
    extractor = registry.make(options.extractor)
    known, known_holdout = (known_images.of_set(images, names, extractor) for images in (train, holdout))
    known_images.check(known, known_holdout, names, train.folder)
    judge = agreement.judge(train, holdout, names, extractor, options.share)
    settings = gain_rows.Settings(options.seeds, options.marks_per_label, options.cnn_steps)
    found = gain_rows.measure(known, known_holdout, run.generator, judge, settings)
    facts = {
        'model_dir': options.model_dir,
        'checkpoint': run.which,
        'step': run.step,
        'data': data.train_data,
        'data_checksum': train.checksum,
        'extractor': {'name': extractor.name, 'version': extractor.version},
        'agree': options.share,
        'seeds': options.seeds,
        'marks_per_label': options.marks_per_label,
        'cnn_steps': options.cnn_steps,
        'images': {'training': len(known), 'holdout': len(known_holdout)},
    }
    return facts, found, names


def _check_real(folder: str) -> None:
    """Raises errors.UserError if the converter has found generated pictures among the images of a data set."""
    count = manifest.read(folder).options.get(manifest.SYNTHETIC) if manifest.is_in(folder) else 0
    if count:
        raise errors.UserError(
            f'{count} images of {folder} are pictures of trainer.generate, which must not count as real: give a data '
            'set without them with --data'
        )


def main() -> int:
    """Measures what the flags name; returns the exit code."""
    options = cli.from_flags(GainOptions, flags.FLAGS)
    quieten_tensorflow()
    terminal.say(gain(options))
    return 0


if __name__ == '__main__':
    cli.run(main, __doc__, [GainOptions])
