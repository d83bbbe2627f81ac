"""How the records are spread over splits and shards, by their numbers alone."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from convert import rejection
from convert.options import ConvertOptions
from convert.output import writer
from trainer import errors
from trainer.data import manifest

MIN_IMAGES = 2  # In a data set, and in its training split.
_MIB = 1 << 20
_BYTES_BESIDE_PIXELS = 200  # Names and lengths of the features, and a file name.


@dataclasses.dataclass(frozen=True)
class Plan:
    """Where the kept images go.

    Attributes:
      records: of each split.
      shards: of each split.
      merged: whether the hold-out is trained on, as in a tiny data set, where too few images would be left.
    """

    records: dict[str, int]
    shards: dict[str, int]
    merged: bool

    def split(self, chosen: str) -> str:
        """The split of an image for which `ordering.split_of` has chosen one."""
        return manifest.TRAIN if self.merged else chosen

    def begins(self, split: str) -> list[int]:
        """The position of the first record of each shard in the order of the split."""
        return [begin for begin, _ in writer.ranges(self.records[split], self.shards[split])]


def plan(kept: Mapping[str, int], options: ConvertOptions) -> Plan:
    """Plans a data set of so many images of each split."""
    records = {split: kept.get(split, 0) for split in manifest.SPLITS}
    merged = records[manifest.TRAIN] < MIN_IMAGES
    if merged:
        records = {manifest.TRAIN: sum(records.values()), manifest.HOLDOUT: 0}
    record_bytes = options.image_size**2 * options.channels + _BYTES_BESIDE_PIXELS
    shards = {
        split: writer.shard_count(count, record_bytes, options.shard_mib * _MIB) for split, count in records.items()
    }
    return Plan(records, shards, merged)


def check(planned: Plan, files: int, rejected: dict[str, int], options: ConvertOptions) -> None:
    """Checks that enough images of the `files` listed files are left.

    Raises:
      errors.UserError: they are not.
    """
    left = sum(planned.records.values())
    if left < MIN_IMAGES:
        raise errors.UserError(
            f'{left} images are left of {files} files in {options.input_dir} ({rejection.summary(rejected)}): give at '
            f'least {MIN_IMAGES} different images'
        )
