"""Examines a data set before training: duplicates, outliers, labels, sizes, colours and symmetry, with advice.

python -m convert.audit --data=data/photos64
    prints a table, and writes audit.json, audit.csv (a line for each image) and a page to data/photos64/audit.
python -m convert.audit --data=data/photos64 --keep=90% --output_dir=data/photos64_kept
    also writes a data set without a tenth of the images, duplicates and the least typical; dropped.csv lists them.
    With --marks=marks.csv, which labels some images good and some bad, those most like the bad ones go instead.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Callable

import tensorflow as tf
from absl import flags

from convert import rejection
from convert.auditing import advice, examination, filtering, report
from convert.auditing.examination import Audit
from trainer import cli, errors, terminal
from trainer.data import dataset, image_set, manifest
from trainer.data.image_set import ImageSet
from trainer.features import registry
from trainer.filesystem import disk_errors, outputs, paths
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.quiet import quieten_tensorflow

_MADE_BY = 'convert.audit'
_MIN_IMAGES = 2
_FOLDER = 'audit'


@dataclasses.dataclass(frozen=True)
class AuditOptions(Options):
    """What to examine, and what to keep."""

    data: str = option(
        '', 'A data-set folder, or a glob pattern of other TFRecords, local or gs://.', unit='folder', path=ANYWHERE
    )
    split: str = option(manifest.TRAIN, 'Which split of a data-set folder.', choices=manifest.SPLITS)
    extractor: str = option(
        registry.DEFAULT, 'Which features images are compared by.', choices=tuple(registry.EXTRACTORS)
    )
    feature_weights: str = option(
        '', 'Weights for vgg16 or inception; empty downloads them.', unit='file', path=ANYWHERE
    )
    within_labels: bool = option(False, 'Judge how typical an image is within its own label, so that rare labels stay.')
    neighbours: int = option(
        24, 'Nearest images shown for each on the page.', unit='images', lower=1, upper=1000, why='it holds all of them'
    )
    report_dir: str = option(
        '',
        f'Where the report goes, local or gs://; empty for {_FOLDER} in the data-set folder.',
        unit='folder',
        path=ANYWHERE,
    )
    keep: str = option('', 'Share of the images to keep in a new data set; empty writes none.', unit='percent')
    marks: str = option(
        '',
        'CSV with the columns name and label, in which some images are good and some bad: --keep then drops the images '
        'that are most like the bad ones, not the least typical.',
        unit='file',
        path=ANYWHERE,
    )
    output_dir: str = option('', 'Where the new data set of --keep goes, local or gs://.', unit='folder', path=ANYWHERE)
    overwrite: bool = option(False, 'Replace the data set that --output_dir holds.')

    def __post_init__(self) -> None:
        """Checks what the flags cannot."""
        super().__post_init__()
        if not self.data:
            raise errors.UserError('--data is missing: name a data-set folder with --data=FOLDER')
        if bool(self.keep) != bool(self.output_dir):
            raise errors.UserError('--keep=90% and --output_dir=FOLDER belong together: give both, or neither')
        if self.marks and not self.keep:
            raise errors.UserError(f'--marks={self.marks} says which images to keep: add --keep=90%')
        if self.keep:
            filtering.parse_keep(self.keep)
            self._check_filter()

    def _check_filter(self) -> None:
        if self.split != manifest.TRAIN:
            raise errors.UserError(f'--keep filters the images to train on, not --split={self.split}: leave one out')
        if paths.same(self.output_dir, self.data):
            raise errors.UserError(f'--output_dir={self.output_dir} is also the --data: choose another folder')


def audit(options: AuditOptions, say: Callable[[str], None] = lambda _: None) -> str:
    """Examines a data set, writes what the options ask for, and returns the report as text.

    `say` gets each part of the report as soon as it is known.

    Raises:
      errors.UserError: there are no data, too few images are left, or a folder cannot be written or holds something
        else. All that can be checked before the work is checked first.
    """
    images = _open(options)
    if options.keep:  # Fails now, not after minutes of work.
        filtering.count_left(len(images), filtering.parse_keep(options.keep))
        filtering.check_output(options.output_dir, options.overwrite)
    marked = filtering.read_marks(options.marks, images.entries()) if options.marks else {}
    folder = options.report_dir or os.path.join(images.folder, _FOLDER)
    extractor = registry.make(options.extractor, options.feature_weights)
    title = f'The data set {paths.name_of(images.folder)}'
    with outputs.claimed('--report_dir', folder, _MADE_BY, report.NAMES, environ=os.environ):
        found = examination.examine(images, extractor, options.within_labels)
        scores = filtering.wanted(found, marked) if marked else None
        dropped = filtering.choose(found, filtering.parse_keep(options.keep), scores) if options.keep else []
        counsel = advice.give(found)
        parts = [report.table(title, found, counsel)]
        say(parts[0])
        with disk_errors.explained(f'--report_dir={folder}'):
            written = report.write(folder, title, found, counsel, options.neighbours)
    parts.append('\nsee ' + ', '.join(written))
    say(parts[1])
    if options.keep:
        parts.append('\n' + _filter(found, dropped, options))
        say(parts[2])
    return '\n'.join(parts)


def _open(options: AuditOptions) -> ImageSet:
    verify = dataset.FULL if options.keep else dataset.QUICK  # Damaged records must not be copied.
    images = image_set.open_split(options.data, options.split, verify=verify)
    if images is None:
        raise errors.DataError(f'{options.data} has no {options.split} images: choose another --split')
    if len(images) < _MIN_IMAGES:
        raise errors.DataError(f'{options.data} has {len(images)} image: an audit compares at least {_MIN_IMAGES}')
    if not options.report_dir and not tf.io.gfile.isdir(options.data):
        raise errors.UserError(f'--data={options.data} is not a folder to write to: add --report_dir=FOLDER')
    if options.keep and not tf.io.gfile.isdir(options.data):
        raise errors.UserError(f'--keep needs a data-set folder, and --data={options.data} is not one: convert it')
    return images


def _filter(found: Audit, dropped: list[filtering.Dropped], options: AuditOptions) -> str:
    """Writes the filtered data set and says what it left out."""
    share = filtering.parse_keep(options.keep)
    written = filtering.write(found, dropped, share, options.output_dir, options.overwrite)
    reasons = collections.Counter(one.reason.partition(' of ')[0].partition(':')[0] for one in dropped)
    lines = [
        f'kept {written.records(manifest.TRAIN):,} of {len(found.images):,} training images in {options.output_dir}; '
        f'the hold-out of {written.records(manifest.HOLDOUT):,} images is unchanged',
        *(f'{count:8,} dropped: {reason}' for reason, count in sorted(reasons.items())),
    ]
    left = len(found.superfluous) - reasons['duplicate']
    if left > 0:
        lines.append(f'{left:8,} duplicates are still in: drop them with a lower --keep')
    lines.append(f'{os.path.join(options.output_dir, rejection.DROPPED_FILE_NAME)} lists each dropped image')
    return '\n'.join(lines)


def main() -> None:
    """Audits as the flags say."""
    options = cli.from_flags(AuditOptions, flags.FLAGS)
    quieten_tensorflow()
    audit(options, terminal.say)


if __name__ == '__main__':
    cli.run(main, __doc__, [AuditOptions])
