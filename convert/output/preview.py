"""The contact sheet, which shows people what the network will see."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence

import tensorflow as tf

from trainer.data import images, manifest, parsing, records

FILE_NAME = 'preview.png'
_COLUMNS, _ROWS = 10, 10


def write_preview(
    folder: str, shards: Sequence[manifest.Shard], image_size: int, channels: int, shards_in: str = ''
) -> None:
    """Writes the first hundred images of the shards in a folder, read back as the trainer reads them.

    Args:
      folder: where the preview goes.
      shards: of the split to show.
      image_size, channels: of the images.
      shards_in: the local or gs:// folder of the shards, if it is another one.
    """
    paths = [posixpath.join(shards_in or folder, shard.name) for shard in shards]
    serialized = next(iter(tf.data.TFRecordDataset(paths).batch(_COLUMNS * _ROWS)))
    pixels = parsing.parse_batch(serialized, records.RecordFormat(), image_size, channels).numpy()
    images.write_png(posixpath.join(folder, FILE_NAME), images.tile_grid(pixels, _COLUMNS))
