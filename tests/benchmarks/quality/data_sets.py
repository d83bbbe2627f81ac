"""The data sets of the studies, each made at the first request."""

from __future__ import annotations

import csv
import dataclasses
import pathlib
import shutil
from collections.abc import Iterator

import numpy as np
import tensorflow as tf

from convert import rejection
from convert.samples import COUNTRY_FLAGS
from tests.benchmarks.quality import processes
from tests.benchmarks.quality.studies import CLEAN, FILTERED, Data
from tests.conftest import write_shard
from trainer.data import image_set, manifest, records

FOREIGN_SHARE = 0.2
_KEEP = '80%'  # Drops as many images as are foreign.
_FOREIGN_PREFIX = 'foreign/'
_SEED = 0


@dataclasses.dataclass(frozen=True)
class DataSets:
    """Makes and finds data sets.

    Attributes:
      images: folder of photographs.
      folder: where the data sets are.
      cpu: the core that makes them, None for all.
      fit: the converter's --fit; '' for its default.
    """

    images: pathlib.Path
    folder: pathlib.Path
    cpu: int | None = None
    fit: str = ''

    def full(self, size: int) -> pathlib.Path:
        """The folder of all photographs at `size` px, which need not exist yet."""
        return self.folder / f'photos{size}'

    def images_of(self, data: Data, size: int) -> int:
        """How many images `data` has before a filter; 0 if the full set does not exist yet."""
        full = self.full(size)
        return data.images(manifest.read(str(full)).records(manifest.TRAIN)) if _is_made(full) else 0

    def path(self, data: Data, size: int) -> pathlib.Path:
        """The folder of `data` at `size` px, which need not exist yet; the full set must exist."""
        if data == Data():
            return self.full(size)
        variant = f'-{data.variant}' if data.variant else ''
        return self.folder / f'photos{size}-n{self.images_of(data, size)}{variant}'

    def make(self, data: Data, size: int) -> pathlib.Path:
        """The folder of `data` at `size` px, made if it does not exist.

        Raises:
          processes.Failed: there are too few images, or a command failed.
        """
        with processes.held(self.folder / '.lock', wait=True):
            self._convert(self.images, self.full(size), size, *([f'--fit={self.fit}'] if self.fit else []))
            return self._make(data, size)

    def foreign(self, data: Data, size: int) -> dict[str, int]:
        """How many images of `data` are foreign, and how many the filter dropped, for a table."""
        if data.variant == CLEAN:
            return {}
        path = self.path(data, size)
        images = image_set.open_split(str(path))
        assert images is not None
        found = {'foreign': sum(entry.name.startswith(_FOREIGN_PREFIX) for entry in images.entries())}
        if data.variant == FILTERED:
            with (path / rejection.DROPPED_FILE_NAME).open(newline='') as file:
                names = [row['name'] for row in csv.DictReader(file)]
            found['dropped'] = len(names)
            found['dropped_foreign'] = sum(name.startswith(_FOREIGN_PREFIX) for name in names)
        return found

    def _make(self, data: Data, size: int) -> pathlib.Path:
        path = self.path(data, size)
        if _is_made(path):
            return path
        count = self.images_of(data, size)
        if data.variant == FILTERED:
            mixed = self._make(dataclasses.replace(data, variant='foreign'), size)
            flags = [f'--data={mixed}', f'--keep={_KEEP}', f'--output_dir={path}', '--overwrite']
            processes.run('convert.audit', flags, self.folder / 'log.txt', self.cpu)
        elif data.variant == CLEAN:
            self._write(path, size, list(_first(self.full(size), count)))
        else:
            foreign = round(FOREIGN_SHARE * count)
            mixed_records = [*_first(self.full(size), count - foreign), *self._flags(size, foreign)]
            order = np.random.default_rng(_SEED).permutation(count)
            self._write(path, size, [mixed_records[number] for number in order])
        return path

    def _convert(self, images: pathlib.Path, path: pathlib.Path, size: int, *more: str) -> None:
        if _is_made(path):
            return
        flags = [f'--input_dir={images}', f'--output_dir={path}', f'--image_size={size}', *more]
        processes.run('convert.images_to_tfrecords', flags, self.folder / 'log.txt', self.cpu)

    def _flags(self, size: int, count: int) -> Iterator[bytes]:
        """Records of country flags, with names that distinguish them from photographs."""
        path = self.folder / f'flags{size}'
        self._convert(COUNTRY_FLAGS, path, size, '--fit=stretch', '--holdout_percent=0')
        for serialized in _first(path, count):
            record = records.decode_example(serialized)
            name = f'{_FOREIGN_PREFIX}{record.filename}'
            yield records.encode_example(record.pixels(records.HWC), -1, name)

    def _write(self, path: pathlib.Path, size: int, serialized: list[bytes]) -> None:
        """Writes a data set of these training images, with the hold-out of the full set."""
        full = self.full(size)
        described = manifest.read(str(full))
        path.mkdir(parents=True, exist_ok=True)
        holdout = described.splits.get(manifest.HOLDOUT, ())
        for shard in holdout:
            shutil.copy(full / shard.name, path)
        train = write_shard(path / 'train-00000-of-00001.tfrecord', serialized)
        splits = {manifest.TRAIN: (train,), manifest.HOLDOUT: holdout}
        manifest.write(str(path), dataclasses.replace(described, splits=splits, mean=(), std=()))


def _is_made(path: pathlib.Path) -> bool:
    return (path / manifest.FILE_NAME).exists()  # The manifest is written last.


def _first(path: pathlib.Path, count: int) -> Iterator[bytes]:
    """The first training records of a data set, which the converter has shuffled."""
    images = image_set.open_split(str(path))
    found = len(images) if images else 0
    if images is None or found < count:
        raise processes.Failed(f'{path} has {found} training images and {count} are needed: give more --images')
    return tf.data.TFRecordDataset(list(images.source.paths)).take(count).as_numpy_iterator()
