"""Writes a data set with its new labels, and `labels.csv`, which says where each label comes from."""

from __future__ import annotations

import dataclasses
import io
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from convert import csv_cells, rejection
from convert.labelling.proposal import UNSURE, Proposal
from convert.output import preview, staging
from convert.output.remote_staging import RemoteStaging
from convert.output.staging import Staging
from trainer.data import manifest, records, shard_file
from trainer.data.image_set import ImageSet
from trainer.data.manifest import Manifest, Shard
from trainer.filesystem import disk_errors
from trainer.storage import gcs


def check_output(output_dir: str, overwrite: bool) -> None:
    """Checks before the work whether a data set may be written.

    Raises:
      errors.UserError: the folder holds one and `overwrite` is off, labels that are not ours, or anything else.
    """
    (RemoteStaging if gcs.is_remote(output_dir) else Staging)(output_dir, overwrite)
    staging.check_labels(output_dir)


def write(
    splits: Sequence[ImageSet],
    proposal: Proposal,
    described: Manifest,
    options: Mapping[str, Any],
    output_dir: str,
    overwrite: bool,
) -> Manifest:
    """Writes the data set, whole or not at all; the same input gives the same bytes.

    Args:
      splits: the images to train on and, perhaps, those held out; the proposal counts through both.
      proposal: the labels.
      described: the manifest of the set.
      options: what shaped the labels, for the manifest.
      output_dir, overwrite: where it goes, and whether a data set there may be replaced.

    Raises:
      errors.UserError: the folder holds a data set and `overwrite` is off, or cannot be written.
    """
    make = RemoteStaging if gcs.is_remote(output_dir) else Staging
    with make(output_dir, overwrite) as stage, disk_errors.explained(f'--output_dir={output_dir}'):
        labels, begin, written = proposal.labels, 0, {}
        listed = os.path.join(stage.folder, staging.LABELS_FILE_NAME)
        with open(listed, 'wb') as file:
            file.write(table(splits, proposal))
        for split, images_ in zip(manifest.SPLITS, splits):
            part = slice(begin, begin + len(images_))
            written[split] = _write_split(images_, labels[part], proposal.by[part], stage.folder)
            begin += len(images_)
        _copy_lists(splits[0].folder, stage.folder)
        preview.write_preview(stage.folder, written[manifest.TRAIN], described.image_size, described.channels)
        result = dataclasses.replace(
            described,
            splits={**described.splits, **written},
            labels=proposal.names,
            options={**described.options, staging.LABELS: {**options, 'crc32c': manifest.file_crc32c(listed)}},
        )
        stage.publish(result)
    return result


def table(splits: Sequence[ImageSet], proposal: Proposal) -> bytes:
    """A row for each image: name, label, confidence, by whom; an image without a label has only a guess."""
    text = io.StringIO()
    rows = csv_cells.writer(text)
    rows.writerow(['name', 'label', 'confidence', 'by', 'guess', 'split'])
    entries = ((split, entry) for split, images_ in zip(manifest.SPLITS, splits) for entry in images_.entries())
    for number, (split, entry) in enumerate(entries):
        guess = csv_cells.text(proposal.names[proposal.guesses[number]])
        by = proposal.by[number]
        label = guess if by != UNSURE else ''
        rows.writerow([csv_cells.text(entry.name), label, f'{proposal.confidences[number]:.4f}', by, guess, split])
    return text.getvalue().encode()


def _write_split(image_set: ImageSet, labels: np.ndarray, by: Sequence[str], folder: str) -> tuple[Shard, ...]:
    """Writes each shard again with other labels, and who gave them; counts, order and names stay."""
    written, number = [], 0
    for path in image_set.source.paths:
        name = os.path.basename(path)
        count = number
        with tf.io.TFRecordWriter(os.path.join(folder, name)) as writer:
            for serialized in shard_file.serialized(path):
                writer.write(records.with_label(serialized, int(labels[number]), str(by[number])))
                number += 1
        local = os.path.join(folder, name)
        size, crc32c = tf.io.gfile.stat(local).length, manifest.file_crc32c(local)
        written.append(Shard(name, number - count, size, crc32c))
    return tuple(written)


def _copy_lists(source: str, folder: str) -> None:
    """Copies what the set says about the files that are not in it."""
    for name in (rejection.FILE_NAME, rejection.DROPPED_FILE_NAME):
        if tf.io.gfile.exists(os.path.join(source, name)):
            tf.io.gfile.copy(os.path.join(source, name), os.path.join(folder, name))
