"""Keeps the best checkpoint beside the last: a DCGAN that trains for too long gets worse again."""

from __future__ import annotations

import dataclasses
import json
import math
import os

import tensorflow as tf
from absl import logging

from trainer import errors
from trainer.filesystem import files, state_file
from trainer.model_dir import checkpoints

_FILE_NAME = 'best.json'


@dataclasses.dataclass(frozen=True)
class Best:
    """The content of `best.json`.

    Attributes:
      step, kid: of the checkpoint that is kept.
      extractor: the extractor of the KID.
      data: checksum of the data of the KID (`run_data.checksum`).
    """

    step: int
    kid: float
    extractor: str
    data: str = ''

    def __post_init__(self) -> None:
        if self.step < 0 or not math.isfinite(self.kid):
            raise ValueError(f'step {self.step} is negative, or its KID {self.kid} is NaN or infinite')


class Keeper:
    """Copies a checkpoint to `model_dir/best/` whenever its KID is the lowest so far.

    Attributes:
      step, kid: of the best so far; 0 and infinity if there is none.
    """

    def __init__(self, model_dir: str, extractor: str, data: str = ''):
        """Reads which checkpoint is kept already.

        A KID by another extractor, or on data of another checksum, is not comparable and does not count.
        """
        self._model_dir, self._extractor, self._data = model_dir, extractor, data
        self._folder = checkpoints.best_folder(model_dir)
        kept = _read(os.path.join(self._folder, _FILE_NAME))
        self.step, self.kid = 0, math.inf
        if kept and kept.extractor == extractor and kept.data == data:
            self.step, self.kid = kept.step, kept.kid

    def offer(self, step: int, kid: float) -> bool:
        """Keeps the checkpoint of `step` if `kid` is the lowest so far; returns whether it is."""
        if not kid < self.kid:
            return False
        self._copy(step)
        content = Best(step, kid, self._extractor, self._data)
        text = json.dumps(dataclasses.asdict(content), indent=2) + '\n'
        files.write_bytes(os.path.join(self._folder, _FILE_NAME), text.encode())
        kept = set(checkpoints.parts(self._folder, step))
        for path in checkpoints.parts(self._folder):
            if path not in kept:
                tf.io.gfile.remove(path)
        self.step, self.kid = step, kid
        logging.info('best so far: step %d, KID %.4f, kept in %s', step, kid, self._folder)
        return True

    def _copy(self, step: int) -> None:
        """Copies the files of a checkpoint, the index last, because only with it do they form a checkpoint."""
        files.make_folder(self._folder)
        for path in checkpoints.parts(self._model_dir, step):
            copy = os.path.join(self._folder, os.path.basename(path))
            if path.endswith('.index'):
                with tf.io.gfile.GFile(path, 'rb') as file:
                    files.write_bytes(copy, file.read())
            else:
                tf.io.gfile.copy(path, copy, overwrite=True)


def read(model_dir: str) -> Best | None:
    """Which checkpoint of a run is kept as the best; None if there is none, or the file is damaged."""
    return _read(os.path.join(checkpoints.best_folder(model_dir), _FILE_NAME))


def set_aside(model_dir: str, data: str) -> str:
    """Moves a best checkpoint away that was measured on other data than `data`.

    Returns:
      The folder that it is in now, '' if there was nothing to move.
    """
    folder = checkpoints.best_folder(model_dir)
    kept = _read(os.path.join(folder, _FILE_NAME))
    if not kept or kept.data == data:
        return ''
    aside = f'{folder}_of_{kept.data or "before"}_step_{kept.step}'
    number = 0
    while tf.io.gfile.exists(target := f'{aside}.{number}' if number else aside):
        number += 1
    tf.io.gfile.rename(folder, target)
    return target


def _read(path: str) -> Best | None:
    try:
        return state_file.read(path, Best, fix='the next evaluation writes a new one')
    except errors.UserError as error:
        logging.warning('%s', error)
        return None
