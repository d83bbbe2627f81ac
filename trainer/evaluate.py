"""Measures what a trained generator has learned: how real its images are, how varied, and whether they are copies.

  python -m trainer.evaluate --model_dir=runs/photos64 --data=data/photos64
      writes runs/photos64/evaluation/evaluation_step_NNNNNN.json and .png, and prints a table.
  python -m trainer.evaluate --samples=made_elsewhere --data=data/photos64
      does the same for the pictures of any other tool, in a folder or an .npz file.

Each number is shown beside the value that real images get. Compare numbers between runs on the same data with the same
--extractor, not with published ones.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from absl import flags

from trainer import cli, errors, terminal
from trainer.data import images
from trainer.data.image_set import ImageSet
from trainer.evaluation import by_label, measurement, report
from trainer.evaluation.by_label import OfLabel
from trainer.evaluation.measurement import Measure, Settings
from trainer.evaluation.pictures import MOST, Generated, Pictures, check_geometry, read
from trainer.features import registry
from trainer.features.extractor import Extractor
from trainer.filesystem import disk_errors, files, outputs
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.generator import loading
from trainer.model_dir import run_data
from trainer.quiet import quieten_tensorflow

_MADE_BY = 'trainer.evaluate'
_SHOWN = 100
_FID_EXTRACTOR = 'inception'


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(Options):
    """What to measure, and how."""

    model_dir: str = option('', 'A training run.', unit='folder', path=ANYWHERE)
    samples: str = option(
        '',
        'Pictures of any tool, instead of a run: a folder of image files, or an .npz of one uint8 array [N, H, W, C].',
        unit='folder',
        path=ANYWHERE,
    )
    data: str = option(
        '', 'The data set to compare with; empty is that of the training run.', unit='folder', path=ANYWHERE
    )
    checkpoint: str = option('', loading.HELP, choices=loading.CHOICES)
    extractor: str = option(
        registry.DEFAULT, 'The features by which images are compared.', choices=tuple(registry.EXTRACTORS)
    )
    feature_weights: str = option(
        '', 'Weights for vgg16 or inception; empty downloads them.', unit='file', path=ANYWHERE
    )
    count: int = option(
        0,
        'Images to generate, from the seeds 0, 1, 2 ...; 0 takes as many as there are training images, but 1,000 to '
        '10,000, or all of --samples.',
        unit='images', lower=0, upper=MOST, why='all of their features are kept in memory',
    )  # fmt: skip
    k: int = option(
        5, 'Nearest neighbours (k) for precision, recall, density and coverage.',
        lower=1, upper=1000, why='a neighbourhood is a small part of the images',
    )  # fmt: skip
    subsets: int = option(
        100, 'Subsets that KID is averaged over.', lower=1, upper=10_000, why='their spread is known by then'
    )
    seed: int = option(0, 'Decides the random subsets and halves.', lower=0, upper=2**32 - 1, why='numpy takes 32 bits')
    fid_keras: bool = option(False, "Measure the Frechet distance by Keras's Inception too; downloads its weights.")
    output_dir: str = option(
        '', 'Where the results go, local or gs://; empty is evaluation in --model_dir or, for --samples, in the '
        'current folder.',
        unit='folder', path=ANYWHERE,
    )  # fmt: skip

    def __post_init__(self) -> None:
        super().__post_init__()
        if bool(self.model_dir) == bool(self.samples):
            raise errors.UserError(
                'give one of --model_dir=FOLDER, a training run of python -m trainer.task, and --samples=FOLDER'
            )
        if self.samples and (self.checkpoint or not self.data):
            raise errors.UserError(
                '--checkpoint chooses from a --model_dir: leave it out' if self.checkpoint
                else f'--samples={self.samples} needs a data set to compare with: give --data=FOLDER'
            )  # fmt: skip

    @property
    def folder(self) -> str:
        """Where the results go."""
        return self.output_dir or os.path.join(self.model_dir, 'evaluation')


class Made(NamedTuple):
    """The source of the pictures, for the report and the file names, and the pictures once the data are known."""

    facts: dict[str, Any]
    stem: str
    pictures: Callable[[ImageSet], Pictures]


def evaluate(options: EvaluateOptions, say: Callable[[str], None] = lambda _: None) -> str:
    """Measures, writes JSON and sample grid, and returns the report for people; `say` gets each part when it is known.

    Raises:
      errors.UserError: there is no run or no data, they do not belong together, there are too few images, or the
        results cannot be written. The last is checked before the work if possible.
    """
    made = _of_samples(options) if options.samples else _of_run(options)
    names = [f'{made.stem}.json', f'{made.stem}.png']
    with outputs.claimed('--output_dir', options.folder, _MADE_BY, names, environ=os.environ):
        facts, measures, pictures = _measured(options, made)
        paths = [os.path.join(options.folder, name) for name in names]
        text = _report(facts, measures)
        say(text)
        shown = pictures.part(0, min(len(pictures), _SHOWN))
        with disk_errors.explained(f'--output_dir={options.folder}'):
            files.write_bytes(paths[0], report.to_json(facts, measures))
            images.write_png(paths[1], images.tile_grid(shown))
        say('\n'.join(['', *paths]))
    return '\n'.join([text, '', *paths])


def _of_run(options: EvaluateOptions) -> Made:
    run = loading.load(options.model_dir, options.checkpoint)

    def pictures(train: ImageSet) -> Pictures:
        check_geometry(train, run.hparams.image_size, run.hparams.channels, options.model_dir)
        return Generated(run.generator, options.count or measurement.default_count(len(train)))

    facts = {'model_dir': options.model_dir, 'checkpoint': run.which, 'step': run.step}
    return Made(facts, f'evaluation_step_{run.step:06d}', pictures)


def _of_samples(options: EvaluateOptions) -> Made:
    def pictures(train: ImageSet) -> Pictures:
        return read(options.samples, train.image_size, train.channels, options.count)

    name = os.path.splitext(os.path.basename(os.path.normpath(options.samples)))[0]
    return Made({'samples': options.samples}, f'evaluation_of_{re.sub("[^A-Za-z0-9_.-]", "_", name)}', pictures)


def _measured(options: EvaluateOptions, made: Made) -> tuple[dict[str, Any], list[Measure], Pictures]:
    """The facts of the report, its measures, and the pictures."""
    data = run_data.options_of(options.model_dir, options.data)
    train, holdout = run_data.open_both(data)
    pictures = made.pictures(train)
    if options.model_dir:
        run_data.warn_of_change(options.model_dir, train, holdout)
    measurement.check_size(len(train), len(pictures), options.k)
    extractor = registry.make(options.extractor, options.feature_weights)
    inception = _inception(options, extractor)
    settings = Settings(options.k, options.subsets, options.seed)
    vectors = measurement.embed(train, holdout, pictures, extractor)
    measures = measurement.measure(vectors, settings)
    if inception:
        measures.append(_fid(inception, train, pictures, settings))
    about_data: dict[str, Any] = {
        'data': data.train_data,
        'data_checksum': train.checksum,
        'image_size': train.image_size,
        'channels': train.channels,
        'extractor': {
            'name': extractor.name,
            'version': extractor.version,
            'title': extractor.title,
            'layer': extractor.late,
        },
        'images': {'generated': len(pictures), 'training': len(train), 'holdout': len(holdout) if holdout else 0},
        'seed': options.seed,
    }
    if isinstance(pictures, Generated) and pictures.classes:
        of_each = by_label.measure(vectors, pictures.labels, train, pictures.classes, settings)
        if of_each:
            about_data['labels'] = [dataclasses.asdict(found) for found in of_each]
    return {**made.facts, **about_data}, measures, pictures


def _inception(options: EvaluateOptions, extractor: Extractor) -> Extractor | None:
    """The extractor for fid_keras, None without --fid_keras; made before the long work, because it may be refused."""
    if not options.fid_keras:
        return None
    return extractor if extractor.name == _FID_EXTRACTOR else registry.make(_FID_EXTRACTOR)


def _fid(inception: Extractor, train: ImageSet, pictures: Pictures, settings: Settings) -> Measure:
    real = measurement.raw_features(train, inception, 'training')
    return measurement.measure_fid(real, measurement.generated_features(pictures, inception), settings)


def _report(facts: dict[str, Any], measures: list[Measure]) -> str:
    what = facts.get('samples') or f'{facts["model_dir"]}, {facts["checkpoint"]} checkpoint, step {facts["step"]:,}'
    title = f'{what}, on {facts["data"]}\nby {facts["extractor"]["title"]}, layer {facts["extractor"]["layer"]}'
    remarks = by_label.table([OfLabel(**found) for found in facts['labels']]) if 'labels' in facts else []
    if not any(measure.name == 'copying_z' for measure in measures):
        found = facts['images']['holdout']
        lack = f'{found} hold-out images, fewer than {measurement.MIN_HOLDOUT}' if found else 'no hold-out'
        remarks += ['', f'copying was not tested: {lack}; convert with a larger --holdout_percent']
    return report.table(title, measures, remarks)


def main() -> int:
    """Evaluates what the flags name; returns the exit code."""
    options = cli.from_flags(EvaluateOptions, flags.FLAGS)
    quieten_tensorflow()
    evaluate(options, terminal.say)
    return 0


if __name__ == '__main__':
    cli.run(main, __doc__, [EvaluateOptions])
