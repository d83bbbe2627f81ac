"""Writes a data set of the more typical images of another one."""

from __future__ import annotations

import dataclasses
import io
import itertools
import os
import posixpath
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import tensorflow as tf

from convert import csv_cells, marks, rejection
from convert.auditing.examination import Audit
from convert.output import preview, writer
from convert.output.moments import Moments
from convert.output.remote_staging import RemoteStaging
from convert.output.staging import Staging
from trainer import errors
from trainer.data import manifest, records, shard_file
from trainer.data.image_set import Entry
from trainer.data.manifest import Manifest, Shard
from trainer.filesystem import disk_errors
from trainer.flags import shares
from trainer.labelling import labeller
from trainer.storage import gcs

_MIN_IMAGES = 2
_GOOD, _BAD = 'good', 'bad'  # The labels of marks that say what is wanted.
_LOW_DENSITY, _UNWANTED = 'low density', 'unwanted'  # Why an image is dropped.
_MIB = 1 << 20
_DEFAULT_SHARD_MIB = 100


@dataclasses.dataclass(frozen=True)
class Dropped:
    """One image that is left out: its number, and the reason in words."""

    number: int
    reason: str


def parse_keep(text: str) -> float:
    """'90%' or '90' -> 0.9; raises errors.UserError if it is not a number above 0 and at most 100."""
    return shares.parse('--keep', text, 'the images')


def count_left(total: int, keep: float) -> int:
    """How many of `total` images are left by the share `keep`.

    Raises:
      errors.UserError: fewer than 2 are left.
    """
    left = round(keep * total)
    if left < _MIN_IMAGES:
        raise errors.UserError(
            f'--keep={keep * 100:g}% of {total} images leaves {left}: keep at least {_MIN_IMAGES} images, or '
            f'{100 * _MIN_IMAGES / total:.3g}%'
        )
    return left


def check_output(output_dir: str, overwrite: bool) -> None:
    """Checks before the examination whether a data set may be written.

    Raises:
      errors.UserError: the folder holds one and `overwrite` is off, or it holds anything else.
    """
    (RemoteStaging if gcs.is_remote(output_dir) else Staging)(output_dir, overwrite)


def read_marks(path: str, entries: Sequence[Entry]) -> dict[int, bool]:
    """The number of each image that a table marks -> whether it is good.

    Raises:
      errors.UserError: the table cannot be used, or has other labels than good and bad, or only one of the two.
    """
    votes = marks.read(path, marks.Names(entries))
    labels = sorted({vote.label.lower() for vote in votes.values()})
    if labels != [_BAD, _GOOD]:
        raise errors.UserError(
            f'{path} has the labels {", ".join(labels)}: to choose images by marks, label some {_GOOD} and some {_BAD}'
        )
    return {number: vote.label.lower() == _GOOD for number, vote in votes.items()}


def wanted(audit: Audit, marked: Mapping[int, bool]) -> np.ndarray:
    """How likely each image is a good one, by the images that are marked good or bad; float [N] in [0, 1]."""
    numbers = np.array(sorted(marked))
    good = np.array([marked[number] for number in numbers.tolist()])
    model = labeller.fit(audit.features, audit.extractor, numbers, good.astype(int))
    scores = model.probabilities(audit.features)[:, 1]
    scores[numbers] = good
    return scores


def choose(audit: Audit, keep: float, scores: np.ndarray | None = None) -> list[Dropped]:
    """Chooses which images to drop, so that the share `keep` is left: duplicates first, then the lowest of the others.

    The first image of a cluster does not count as a duplicate. Lower duplicates are dropped first.

    Args:
      audit: what was found.
      keep: in (0, 1].
      scores: float [N], from `wanted`; None for the density, by which the least typical images are dropped.

    Raises:
      errors.UserError: fewer than 2 images would be left.
    """
    total = len(audit.images)
    left = count_left(total, keep)
    first = {number: cluster[0] for cluster in audit.clusters for number in cluster[1:]}
    lowest = audit.lowest if scores is None else np.argsort(scores, kind='stable')
    why = _LOW_DENSITY if scores is None else _UNWANTED
    rank = {number: position for position, number in enumerate(lowest.tolist(), start=1)}
    order = sorted(rank, key=lambda number: (number not in first, rank[number]))
    return [Dropped(number, _reason(audit, number, first, why, rank[number])) for number in order[: total - left]]


def write(audit: Audit, dropped: Sequence[Dropped], keep: float, output_dir: str, overwrite: bool) -> Manifest:
    """Writes the data set, whole or not at all; the same input gives the same bytes.

    Copies records byte for byte and in their order, and the hold-out too, so that results stay comparable.

    Raises:
      errors.UserError: the folder holds a data set and `overwrite` is off, or cannot be written.
      errors.DataError: a shard of the hold-out is damaged.
    """
    make = RemoteStaging if gcs.is_remote(output_dir) else Staging
    with make(output_dir, overwrite) as stage, disk_errors.explained(f'--output_dir={output_dir}'):
        written = _write_files(audit, dropped, keep, stage.folder)
        stage.publish(written)
    return written


def dropped_csv(audit: Audit, dropped: Sequence[Dropped]) -> bytes:
    """The dropped images and the reasons, in the order in which they were dropped."""
    text = io.StringIO()
    rows = csv_cells.writer(text)
    rows.writerow(['name', 'label', 'number', 'reason'])
    for one in dropped:
        name, label = audit.entries[one.number].name, audit.label_of(one.number)
        rows.writerow([csv_cells.text(name), csv_cells.text(label), one.number, csv_cells.text(one.reason)])
    return text.getvalue().encode()


def _reason(audit: Audit, number: int, first: dict[int, int], why: str, rank: int) -> str:
    if number in first:
        other = audit.entries[first[number]].name
        return f'duplicate of {other or f"number {first[number]}"}'
    return f'{why}: rank {rank} of {len(audit.images)}'


def _write_files(audit: Audit, dropped: Sequence[Dropped], keep: float, folder: str) -> Manifest:
    """Writes all files except the manifest into the local `folder`, and returns the manifest."""
    described = audit.described
    assert described is not None  # `audit` refuses to filter records without a manifest.
    out = {one.number for one in dropped}
    order = [number for number in range(len(audit.images)) if number not in out]
    moments = Moments(audit.images.channels)
    kept = _kept_records(audit, order, moments)
    size = _shard_mib(described) * _MIB
    bytes_of_one = shard_file.first_record_bytes(audit.images.source.paths[0])
    shards = writer.shard_count(len(order), bytes_of_one, size)
    train = writer.write_shards(folder, manifest.TRAIN, order, shards, lambda number: next(kept))
    holdout = described.splits.get(manifest.HOLDOUT, ())
    for shard in holdout:
        _copy(audit.images.folder, folder, shard)
    with open(os.path.join(folder, rejection.DROPPED_FILE_NAME), 'wb') as file:
        file.write(dropped_csv(audit, dropped))
    listed = posixpath.join(audit.images.folder, rejection.FILE_NAME)
    if tf.io.gfile.exists(listed):
        tf.io.gfile.copy(listed, os.path.join(folder, rejection.FILE_NAME))
    preview.write_preview(folder, train, described.image_size, described.channels)
    filtered = {
        'keep_percent': round(keep * 100, 6),
        'of_images': len(audit.images),
        'of_data': audit.images.checksum,
        'extractor': audit.extractor.name,
        'within_labels': audit.within_labels,
        'duplicates': sum(one.reason.startswith('duplicate') for one in dropped),
        'low_density': sum(one.reason.startswith(_LOW_DENSITY) for one in dropped),
        'unwanted': sum(one.reason.startswith(_UNWANTED) for one in dropped),
    }
    return dataclasses.replace(
        described,
        splits={manifest.TRAIN: train, manifest.HOLDOUT: holdout},
        mean=moments.mean(),
        std=moments.std(),
        options={**described.options, 'filter': filtered},
    )


def _shard_mib(described: Manifest) -> int:
    """The converter's --shard_mib if the manifest has a valid one, else the default: people edit the file."""
    told = described.options.get('shard_mib')
    return told if isinstance(told, int) and told > 0 else _DEFAULT_SHARD_MIB


def _kept_records(audit: Audit, order: Sequence[int], moments: Moments) -> Iterator[bytes]:
    """Yields the serialised records of these rising numbers, and adds their pixels to the moments."""
    source = audit.images.source
    wanted = set(order)
    serialized = (record for path in source.paths for record in shard_file.serialized(path))
    for number, record in zip(itertools.count(), serialized):
        if number in wanted:
            moments.add(records.decode_example(record).pixels(source.format.layout))
            yield record


def _copy(source: str, folder: str, shard: Shard) -> None:
    path = os.path.join(folder, shard.name)
    tf.io.gfile.copy(posixpath.join(source, shard.name), path)
    if manifest.file_crc32c(path) != shard.crc32c:
        raise errors.DataError(
            f'{posixpath.join(source, shard.name)} is not the file that its manifest describes: copy it again, or '
            'convert again with --overwrite'
        )
