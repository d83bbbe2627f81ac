"""Shows what a set of TFRecords holds, to check before training that they are read in the right layout.

  python -m convert.inspect_tfrecords data/roses64
  python -m convert.inspect_tfrecords 'old/*.tfrecord' --preview=old.png

PATTERN is a data-set folder, a TFRecord file or a glob pattern, local or gs://; several may be given. Prints schema,
counts, geometry, value range, the mean of each channel and the layout that the pixels suggest, and writes a contact
sheet. If raw records could be read in two layouts, it writes one sheet for each.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Callable, Iterable, Sequence

import numpy as np
import tensorflow as tf
from absl import flags

from trainer import cli, errors, terminal
from trainer.data import dataset, images, manifest, records, shard_file
from trainer.data.records import Record
from trainer.filesystem import disk_errors, files, paths
from trainer.flags.declaration import ANYWHERE, Options, option

_MADE_BY = 'convert.inspect_tfrecords'
_TILES = 100
_HEAD_BYTES = 4096


@dataclasses.dataclass(frozen=True)
class InspectOptions(Options):
    """The flags."""

    split: str = option(manifest.TRAIN, 'Which split of a data-set folder.', choices=manifest.SPLITS)
    preview: str = option('inspected.png', 'Where the contact sheet goes, local or gs://.', unit='file', path=ANYWHERE)


def inspect(patterns: Sequence[str], options: InspectOptions, say: Callable[[str], None] = lambda _: None) -> str:
    """Writes the contact sheets and returns the report, which `say` gets first.

    Raises:
      errors.DataError: nothing matches, or a shard is damaged.
      errors.UserError: a path is neither local nor gs://, or the sheet would replace another picture.
    """
    patterns = [paths.completed('PATTERN', pattern) for pattern in patterns]
    for path in (options.preview, *(_of_layout(options.preview, name) for name in (records.HWC, records.CHW))):
        _check_free(path)
    shards = [shard for pattern in patterns for shard in dataset.find(pattern, options.split)]
    if not shards:
        raise errors.DataError(f'{patterns[0]} has no {options.split} shards: choose another --split')
    files_ = [shard.path for shard in shards]
    counts = [shard_file.count_records(path) for path in files_]
    sample = [record for records_of_one in dataset.sample_shards(files_) for record in records_of_one]
    lines = [
        f'{patterns[0]}: {sum(counts):,} records in {len(files_)} shards of {min(counts):,} to {max(counts):,}',
        f'schema    {_schema(sample[0])}; {"described by" if shards[0].expected else "without"} {manifest.FILE_NAME}',
        f'geometry  {_tally(f"{r.height}x{r.width}x{r.channels}" for r in sample)} (of {len(sample)} looked at)',
        f'labels    {_tally(str(r.label) for r in sample)}',
    ]
    of_pixels, sheets = _pixels(dataset.of_one_geometry(sample), options.preview)
    report = '\n'.join(lines + of_pixels)
    say(report)
    for path, sheet in sheets.items():
        _write(path, sheet)
    return report


def _pixels(sample: list[Record], preview: str) -> tuple[list[str], dict[str, np.ndarray]]:
    """The part of the report that needs pixels, and the contact sheets by their paths."""
    layouts, lines, sheets = [records.HWC], [], {}
    if sample[0].encoding == records.RAW and sample[0].channels > 1:
        evidence = dataset.examine_layout(sample)
        layouts = [evidence.verdict] if evidence.verdict else [records.HWC, records.CHW]
        lines.append(f'layout    the records say {sample[0].layout or "nothing"}, the pixels say: {evidence}')
    for name in layouts:
        pixels = np.stack([record.pixels(name) for record in sample[:_TILES]])
        path = preview if len(layouts) == 1 else _of_layout(preview, name)
        means = ', '.join(f'{mean:.1f}' for mean in pixels.mean(axis=(0, 1, 2)))
        lines.append(f'as {name}    values {pixels.min()} to {pixels.max()}, mean of each channel {means}; see {path}')
        sheets[path] = images.tile_grid(pixels)
    return lines, sheets


def _of_layout(preview: str, name: str) -> str:
    return f'_{name}'.join(os.path.splitext(preview))


def _check_free(path: str) -> None:
    """Raises UserError if a contact sheet would replace a file that is not one of ours."""
    with disk_errors.explained(f'--preview={path}'):
        if not tf.io.gfile.exists(path):
            return
        with tf.io.gfile.GFile(path, 'rb') as file:
            ours = images.software_of(file.read(_HEAD_BYTES)) == _MADE_BY
    if not ours:
        raise errors.UserError(
            f'--preview={path} exists, but python -m {_MADE_BY} has not made it and will not touch it: choose '
            'another name'
        )


def _write(path: str, sheet: np.ndarray) -> None:
    """Writes a contact sheet, and marks it in its PNG metadata as one of ours."""
    with disk_errors.explained(f'--preview={path}'):
        files.write_bytes(path, images.encode_png(sheet, software=_MADE_BY))


def _schema(record: Record) -> str:
    if record.encoding == records.ENCODED:
        return 'encoded images (image/encoded)'
    return 'raw pixels (image) with geometry' if record.layout else 'raw pixels (image) and label, geometry inferred'


def _tally(values: Iterable[str]) -> str:
    return ', '.join(f'{value} ({count})' for value, count in collections.Counter(values).most_common(8))


def main(*patterns: str) -> None:
    """Prints the report on the records that match the patterns."""
    inspect(patterns, cli.from_flags(InspectOptions, flags.FLAGS), terminal.say)


if __name__ == '__main__':
    cli.run(main, __doc__, [InspectOptions], argument='PATTERN')
