"""The manifest of a data set, from what was counted while it was made."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from absl import logging

from convert.options import ConvertOptions
from convert.output.moments import Moments
from convert.pictures.depth import Levels
from trainer import errors
from trainer.data import manifest, records


@dataclasses.dataclass(frozen=True)
class Written:
    """What was counted.

    Attributes:
      splits: the shards of each split.
      moments: of the training split.
      rejected: how many files were left out, by reason.
      synthetic: how many images are pictures of trainer.generate.
      white: the value of white that was taken in 16-bit files that do not state it.
    """

    splits: dict[str, tuple[manifest.Shard, ...]]
    moments: Moments
    rejected: dict[str, int]
    synthetic: int
    white: int


def describe(written: Written, labels: Sequence[str], options: ConvertOptions) -> manifest.Manifest:
    """The manifest, the same for the same data; `labels` as in the listing."""
    white = {} if written.white == Levels().white else {'white_level': written.white}
    synthetic = {manifest.SYNTHETIC: written.synthetic} if written.synthetic else {}
    return manifest.Manifest(
        image_size=options.image_size,
        channels=options.channels,
        layout=records.HWC,
        splits=written.splits,
        labels=tuple(map(errors.spelled_out, labels)),
        mean=written.moments.mean(),
        std=written.moments.std(),
        rejected=written.rejected,
        options={**options.shaping(), **white, **synthetic},
        source=errors.spelled_out(options.input_dir),
    )


def say_white(white: int) -> None:
    """Says that all images are decoded again, because `white` is the value of white in the whole set."""
    logging.warning('no 16-bit image has a value above %d: taking this as white, and decoding all images again', white)
