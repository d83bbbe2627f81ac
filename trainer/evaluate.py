"""Measures what a trained generator has learned: how real its images are, how varied, and whether they are copies.

  python -m trainer.evaluate --model_dir=runs/photos64 --data=data/photos64
      writes runs/photos64/evaluation/evaluation_step_NNNNNN.json and .png, and prints a table.

Beside each number stands what real images get in the place of generated ones. Numbers can be compared between runs on
the same data by the same --extractor, and not with those of papers.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable
from typing import Any

from absl import flags

from trainer import (
    cli,
    disk_errors,
    errors,
    evaluation,
    evaluation_report,
    files,
    images,
    outputs,
    run_data,
    terminal,
    trained,
)
from trainer.declaration import ANYWHERE, Options, option
from trainer.evaluation import Measure, Settings
from trainer.features import registry
from trainer.features.extractor import Extractor
from trainer.image_set import ImageSet
from trainer.quiet import quieten_tensorflow
from trainer.sampler import noise_for
from trainer.trained import Trained

_MADE_BY = 'trainer.evaluate'
_SHOWN = 100
_FID_EXTRACTOR = 'inception'


@dataclasses.dataclass(frozen=True)
class EvaluateOptions(Options):
    """What to measure, and how."""

    model_dir: str = option('', 'A training run.', unit='folder', path=ANYWHERE)
    data: str = option(
        '', 'The data set to compare with; empty is what it was trained on.', unit='folder', path=ANYWHERE
    )
    checkpoint: str = option('', trained.HELP, choices=trained.CHOICES)
    extractor: str = option(registry.DEFAULT, 'What images are compared by.', choices=tuple(registry.EXTRACTORS))
    feature_weights: str = option(
        '', 'Weights for vgg16 or inception; empty downloads them.', unit='file', path=ANYWHERE
    )
    count: int = option(
        0, 'Images to generate, of seeds 0, 1, 2 ...; 0 for as many as training images, but 1,000 to 10,000.',
        unit='images', lower=0, upper=100_000, why='all of their features are kept in memory',
    )  # fmt: skip
    k: int = option(
        5, 'Neighbours that bound the space about an image: precision to coverage.',
        lower=1, upper=1000, why='a neighbourhood is a small part of the images',
    )  # fmt: skip
    subsets: int = option(
        100, 'Subsets that KID is averaged over.', lower=1, upper=10_000, why='their spread is known by then'
    )
    seed: int = option(0, 'Decides the subsets and halves.', lower=0, upper=2**32 - 1, why='numpy takes 32 bits')
    fid_keras: bool = option(False, "Also the Frechet distance by Keras's Inception, which it downloads.")
    output_dir: str = option(
        '', 'Where the results go, local or gs://; empty for model_dir/evaluation.', unit='folder', path=ANYWHERE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.model_dir:
            raise errors.UserError('give --model_dir=FOLDER, a training run of python -m trainer.task')

    @property
    def folder(self) -> str:
        """Where the results go."""
        return self.output_dir or os.path.join(self.model_dir, 'evaluation')


def evaluate(options: EvaluateOptions, say: Callable[[str], None] = lambda _: None) -> str:
    """Measures, writes JSON and sample grid, and returns the report for people, handed to `say` as it is known.

    Raises:
      errors.UserError: there is no run, no data, or the two do not belong together; too few images; or the results
        cannot be written, which is found out before the work where it can be.
    """
    run = trained.load(options.model_dir, options.checkpoint)
    stem = f'evaluation_step_{run.step:06d}'
    names = [f'{stem}.json', f'{stem}.png']
    with outputs.claimed('--output_dir', options.folder, _MADE_BY, names, environ=os.environ):
        facts, measures, count = _measured(options, run)
        paths = [os.path.join(options.folder, name) for name in names]
        report = _report(facts, measures)
        say(report)
        pictures = run.generator.images(noise_for(range(min(count, _SHOWN)), run.generator.noise_dim))
        with disk_errors.explained(f'--output_dir={options.folder}'):
            files.write_bytes(paths[0], evaluation_report.to_json(facts, measures))
            images.write_png(paths[1], images.tile_grid(pictures))
        say('\n'.join(['', *paths]))
    return '\n'.join([report, '', *paths])


def _measured(options: EvaluateOptions, run: Trained) -> tuple[dict[str, Any], list[Measure], int]:
    """What the report says besides numbers, the numbers, and of how many pictures."""
    data = run_data.options_of(options.model_dir, options.data)
    train, holdout = run_data.open_both(data)
    _check_geometry(run, options.model_dir, train, data.train_data)
    run_data.warn_of_change(options.model_dir, train, holdout)
    count = options.count or evaluation.default_count(len(train))
    evaluation.check_size(len(train), count, options.k)
    extractor = registry.make(options.extractor, options.feature_weights)
    inception = _inception(options, extractor)
    settings = Settings(options.k, options.subsets, options.seed)
    measures = evaluation.measure(evaluation.embed(train, holdout, run.generator, count, extractor), settings)
    if inception:
        measures.append(_fid(inception, train, run, count, settings))
    return _facts(options, run, data.train_data, train, holdout, extractor, count), measures, count


def _facts(
    options: EvaluateOptions,
    run: Trained,
    data: str,
    train: ImageSet,
    holdout: ImageSet | None,
    extractor: Extractor,
    count: int,
) -> dict[str, Any]:
    return {
        'model_dir': options.model_dir,
        'checkpoint': run.which,
        'step': run.step,
        'data': data,
        'data_checksum': train.checksum,
        'image_size': train.image_size,
        'channels': train.channels,
        'extractor': {
            'name': extractor.name,
            'version': extractor.version,
            'title': extractor.title,
            'layer': extractor.late,
        },
        'images': {'generated': count, 'training': len(train), 'holdout': len(holdout) if holdout else 0},
        'seed': options.seed,
    }


def _check_geometry(run: Trained, model_dir: str, train: ImageSet, data: str) -> None:
    made, found = (f'{x.image_size}x{x.image_size}x{x.channels}' for x in (run.hparams, train))
    if made != found:
        raise errors.UserError(
            f'{data} holds images of {found}, and the generator in {model_dir} makes {made}: '
            'give the --data that it was trained on'
        )


def _inception(options: EvaluateOptions, extractor: Extractor) -> Extractor | None:
    """What fid_keras is measured by, None if it is not asked for; made before the long work, as it may be refused."""
    if not options.fid_keras:
        return None
    return extractor if extractor.name == _FID_EXTRACTOR else registry.make(_FID_EXTRACTOR)


def _fid(inception: Extractor, train: ImageSet, run: Trained, count: int, settings: Settings) -> Measure:
    real = evaluation.raw_features(train, inception, 'training')
    return evaluation.measure_fid(real, evaluation.generated_features(run.generator, count, inception), settings)


def _report(facts: dict[str, Any], measures: list[Measure]) -> str:
    title = (
        f'{facts["model_dir"]}, {facts["checkpoint"]} checkpoint, step {facts["step"]:,}, on {facts["data"]}\n'
        f'by {facts["extractor"]["title"]}, layer {facts["extractor"]["layer"]}'
    )
    remarks = []
    if not any(measure.name == 'copying_z' for measure in measures):
        found = facts['images']['holdout']
        lack = f'{found} hold-out images, fewer than {evaluation.MIN_HOLDOUT}' if found else 'no hold-out'
        remarks = ['', f'copying was not tested: {lack}; convert with a larger --holdout_percent']
    return evaluation_report.table(title, measures, remarks)


def main() -> int:
    """Evaluates what the flags name; returns the exit code."""
    options = cli.from_flags(EvaluateOptions, flags.FLAGS)
    quieten_tensorflow()
    evaluate(options, terminal.say)
    return 0


if __name__ == '__main__':
    cli.run(main, __doc__, [EvaluateOptions])
