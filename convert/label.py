"""Labels the images of a data set from a few that you have marked.

python -m convert.label --data=data/crops --suggest=20
    names the images to mark first, in labels/suggested.csv and a contact sheet: fill in its column `label`.
python -m convert.label --data=data/crops --marks=marks.csv --output_dir=data/crops_labelled
    writes a data set with labels for the images of which it is sure, labels.csv, and a contact sheet for each label.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf
from absl import flags, logging

from convert import marks as tables
from convert.labelling import labelled_set, proposal, report, suggestion
from convert.labelling.proposal import UNSURE, Proposal
from convert.marks import Vote
from convert.output import staging
from trainer import cli, errors, terminal
from trainer.data import dataset, image_set, manifest
from trainer.data.image_set import Entry, ImageSet
from trainer.features import extraction, registry
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.filesystem import disk_errors, outputs, paths
from trainer.flags import shares
from trainer.flags.declaration import ANYWHERE, Options, option
from trainer.quiet import quieten_tensorflow

UNLABELLED = 'unlabelled'  # A folder of this name gives no labels.
_MADE_BY = 'convert.label'
_FOLDER = 'labels'


@dataclasses.dataclass(frozen=True)
class LabelOptions(Options):
    """What to label, by what, and where the result goes."""

    data: str = option('', 'A data-set folder, local or gs://.', unit='folder', path=ANYWHERE)
    marks: str = option(
        '',
        'CSV with the columns name and label of some images; empty takes the labels that the data set has from its '
        f'folders, except {UNLABELLED!r}.',
        unit='file',
        path=ANYWHERE,
    )
    votes: str = option(
        '',
        'CSV files by other programs, separated by commas, with the columns name, label and confidence. Two votes must '
        'agree, or one with the model.',
        unit='files',
    )
    precision: str = option(
        '95%', "Share of the model's labels that should be right; images it is less sure of get none.", unit='percent'
    )
    suggest: int = option(
        0, 'Also name so many images whose marks would help most.', unit='images', lower=0, upper=10_000
    )
    extractor: str = option(
        registry.DEFAULT, 'Which features images are compared by.', choices=tuple(registry.EXTRACTORS)
    )
    feature_weights: str = option(
        '', 'Weights for vgg16 or inception; empty downloads them.', unit='file', path=ANYWHERE
    )
    output_dir: str = option('', 'Where the labelled data set goes, local or gs://.', unit='folder', path=ANYWHERE)
    report_dir: str = option(
        '',
        f'Where contact sheets and suggestions go, local or gs://; empty for {_FOLDER} in --output_dir, or else in the '
        'data-set folder.',
        unit='folder',
        path=ANYWHERE,
    )
    overwrite: bool = option(False, 'Replace the data set that --output_dir holds.')

    def __post_init__(self) -> None:
        """Checks what the flags cannot."""
        super().__post_init__()
        if not self.data:
            raise errors.UserError('--data is missing: name a data-set folder with --data=FOLDER')
        if not self.output_dir and not self.suggest:
            raise errors.UserError('there is nothing to write: give --output_dir=FOLDER, --suggest=20, or both')
        if self.output_dir and paths.same(self.output_dir, self.data):
            raise errors.UserError(f'--output_dir={self.output_dir} is also the --data: choose another folder')
        _ = self.share, self.voters  # They raise if they cannot be read.

    @property
    def share(self) -> float:
        """--precision in (0, 1]."""
        return shares.parse('--precision', self.precision, "the model's labels")

    @property
    def voters(self) -> list[str]:
        """The paths of --votes."""
        return [paths.completed('--votes', path.strip()) for path in self.votes.split(',') if path.strip()]

    @property
    def folder(self) -> str:
        """Where contact sheets and suggestions go."""
        return self.report_dir or os.path.join(self.output_dir or self.data, _FOLDER)


def label(options: LabelOptions, say: Callable[[str], None] = lambda _: None) -> str:
    """Labels a data set, writes what the options ask for, and returns the report as text.

    `say` gets each part of the report as soon as it is known.

    Raises:
      errors.UserError: there are no data, a table cannot be used, fewer than two labels are known, or a folder cannot
        be written or holds something else. What can be checked before the work is checked first.
    """
    splits = _open(options.data)
    entries = [entry for images in splits for entry in images.entries()]
    names = tables.Names(entries)
    marks = _marks(options, splits, names)
    votes = [tables.read(path, names) for path in options.voters]
    known = proposal.known(marks, votes)
    labels = {vote.label for vote in known.values()}
    if options.output_dir:
        labelled_set.check_output(options.output_dir, options.overwrite)
        proposal.check(labels)
    outputs.check('--report_dir', options.folder, _MADE_BY, report.NAMES)
    extractor = registry.make(options.extractor, options.feature_weights)
    features = _features(splits, extractor)
    found, parts = None, []
    if len(labels) > 1:
        found = proposal.propose(features, extractor, known, marks, votes, options.share)
        parts.append(report.table(found))
        say(parts[-1])
    if found and options.output_dir:
        parts.append(_write_set(options, splits, found, extractor))
        say(parts[-1])
    parts.append(_write_report(options, splits[0], entries, features[extractor.late], found))
    say(parts[-1])
    return '\n'.join(parts)


def _open(data: str) -> list[ImageSet]:
    """The images to train on and, if there are any, those held out."""
    if not tf.io.gfile.isdir(data):
        raise errors.UserError(f'--data={data} is not a data-set folder: convert the images first')
    train, holdout = image_set.open_both(data, verify=dataset.FULL)  # Damaged records must not be copied.
    return [train, holdout] if holdout else [train]


def _features(splits: Sequence[ImageSet], extractor: Extractor) -> dict[str, np.ndarray]:
    of_each = [extraction.of_set(images, extractor) for images in splits]
    return {layer: np.concatenate([features[layer] for features in of_each]) for layer in extractor.layers}


def _marks(options: LabelOptions, splits: Sequence[ImageSet], names: tables.Names) -> dict[int, Vote]:
    """The marks of the table, and those of the folders; what an earlier run has guessed is no mark.

    Where a table marks some images and folders label all, the folders are not taken: they would leave nothing to label.
    """
    of_folders = _given(splits, known_only=True)
    if not options.marks:
        return of_folders
    marks = tables.read(options.marks, names)
    if len(_given(splits, known_only=False)) == sum(map(len, splits)):
        logging.info('the labels of the folders are not used, because --marks is given and they leave no image open')
        return marks
    return {**of_folders, **marks}


def _given(splits: Sequence[ImageSet], known_only: bool) -> dict[int, Vote]:
    """The labels in the records, by the number of the image; `known_only` leaves out those that a model has guessed."""
    labels = splits[0].labels
    found = [label for images in splits for shard in images.shard_labels(known_only) for label in shard.tolist()]
    return {
        number: Vote(labels[label], 1.0)
        for number, label in enumerate(found)
        if 0 <= label < len(labels) and labels[label].lower() != UNLABELLED
    }


def _write_set(options: LabelOptions, splits: Sequence[ImageSet], found: Proposal, extractor: Extractor) -> str:
    shaped = {'precision': options.share, 'extractor': extractor.name, 'of_data': splits[0].checksum}
    described = manifest.read(options.data)
    labelled_set.write(splits, found, described, shaped, options.output_dir, options.overwrite)
    return f'the labelled data set is in {options.output_dir}, with {staging.LABELS_FILE_NAME}'


def _write_report(
    options: LabelOptions, train: ImageSet, entries: Sequence[Entry], late: np.ndarray, found: Proposal | None
) -> str:
    """Writes contact sheets and suggestions, and says where they are."""
    folder, said = options.folder, []
    claim = outputs.claimed('--report_dir', folder, _MADE_BY, report.NAMES, environ=os.environ)
    with claim, disk_errors.explained(f'--report_dir={folder}'):
        if found:
            report.write_sheets(folder, train, found)
            said.append(f'contact sheets are in {folder}')
        numbers = _to_mark(len(train), late, found, options.suggest) if options.suggest else []
        if numbers:
            report.write_suggestions(folder, train, entries, numbers, found)
            said.append(f'mark the images of {os.path.join(folder, report.SUGGESTED)} next')
        elif options.suggest:
            said.append('there is no image left to mark')
    return '; '.join(said)


def _to_mark(count: int, late: np.ndarray, found: Proposal | None, suggest: int) -> list[int]:
    """The numbers of the images to mark next, of the `count` to train on, which come first."""
    unknown = [number for number in range(count) if not found or found.by[number] == UNSURE]
    embedded = Space.of(late).embed(late)
    return suggestion.suggest(embedded, found.margins if found else None, np.array(unknown, int), suggest).tolist()


def main() -> None:
    """Labels as the flags say."""
    options = cli.from_flags(LabelOptions, flags.FLAGS)
    quieten_tensorflow()
    label(options, terminal.say)


if __name__ == '__main__':
    cli.run(main, __doc__, [LabelOptions])
