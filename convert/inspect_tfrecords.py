"""Shows what a set of TFRecords holds, so that nobody trains on records that are read the wrong way round.

  python -m convert.inspect_tfrecords data/roses64
  python -m convert.inspect_tfrecords 'old/*.tfrecord' --preview=old.png

PATTERN is a data-set folder, a TFRecord file or a pattern, local or gs://; there may be several. Prints schema, counts,
geometry, value range, the mean of each channel and what the pixels say about their layout, and writes a contact sheet;
where raw records could be read in two ways, one sheet for each.
"""

from __future__ import annotations

import collections
import dataclasses
import os
from collections.abc import Iterable, Sequence

import numpy as np
from absl import flags

from convert.options import check_location
from trainer import cli, dataset, errors, images, manifest, records, shard_file
from trainer.cli import option
from trainer.records import Record

_TILES = 100


@dataclasses.dataclass(frozen=True)
class InspectOptions:
    """Flags."""

    split: str = option(manifest.TRAIN, 'Which part of a data-set folder.', choices=manifest.SPLITS)
    preview: str = option('inspected.png', 'Where the contact sheet goes, local or gs://.', unit='file')


def inspect(patterns: Sequence[str], options: InspectOptions) -> str:
    """Writes the contact sheets and returns the report.

    Raises:
      errors.DataError: nothing matches, or a shard is damaged.
      errors.UserError: a path is neither local nor gs://.
    """
    for name, path in (*(('PATTERN', pattern) for pattern in patterns), ('--preview', options.preview)):
        check_location(name, path)
    shards = [shard for pattern in patterns for shard in dataset.find(pattern, options.split)]
    if not shards:
        raise errors.DataError(f'{patterns[0]} has no {options.split} shards: choose another --split')
    paths = [shard.path for shard in shards]
    counts = [shard_file.count_records(path) for path in paths]
    sample = [record for records_of_one in dataset.sample_shards(paths) for record in records_of_one]
    report = [
        f'{patterns[0]}: {sum(counts):,} records in {len(paths)} shards of {min(counts):,} to {max(counts):,}',
        f'schema    {_schema(sample[0])}; {"described by" if shards[0].expected else "without"} {manifest.FILE_NAME}',
        f'geometry  {_tally(f"{r.height}x{r.width}x{r.channels}" for r in sample)} (of {len(sample)} looked at)',
        f'labels    {_tally(str(r.label) for r in sample)}',
    ]
    return '\n'.join(report + _pixels(dataset.of_one_geometry(sample), options.preview))


def _pixels(sample: list[Record], preview: str) -> list[str]:
    """The part of the report that needs pixels; writes the contact sheets."""
    layouts, lines = [records.HWC], []
    if sample[0].encoding == records.RAW and sample[0].channels > 1:
        evidence = dataset.examine_layout(sample)
        layouts = [evidence.verdict] if evidence.verdict else [records.HWC, records.CHW]
        lines.append(f'layout    the records say {sample[0].layout or "nothing"}, the pixels say: {evidence}')
    for name in layouts:
        pixels = np.stack([record.pixels(name) for record in sample[:_TILES]])
        path = preview if len(layouts) == 1 else f'_{name}'.join(os.path.splitext(preview))
        means = ', '.join(f'{mean:.1f}' for mean in pixels.mean(axis=(0, 1, 2)))
        lines.append(f'as {name}    values {pixels.min()} to {pixels.max()}, mean of each channel {means}; see {path}')
        images.write_png(path, images.tile_grid(pixels))
    return lines


def _schema(record: Record) -> str:
    if record.encoding == records.ENCODED:
        return 'encoded images (image/encoded)'
    return 'raw pixels (image) with geometry' if record.layout else 'raw pixels (image) and label, geometry worked out'


def _tally(values: Iterable[str]) -> str:
    return ', '.join(f'{value} ({count})' for value, count in collections.Counter(values).most_common(8))


def main(*patterns: str) -> None:
    """Prints the report on the records that match the patterns."""
    print(inspect(patterns, cli.from_flags(InspectOptions, flags.FLAGS)))


if __name__ == '__main__':
    cli.run(main, __doc__, [InspectOptions], argument='PATTERN')
