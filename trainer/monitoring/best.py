"""Keeps the best checkpoint beside the last: a DCGAN that trains for too long gets worse again."""

from __future__ import annotations

import json
import math
import os

import tensorflow as tf
from absl import logging

from trainer import checkpoints, images

_FILE_NAME = 'best.json'


class Keeper:
    """Copies a checkpoint to `model_dir/best/` whenever its KID is the lowest so far.

    Attributes:
      step, kid: of the best so far; 0 and infinity if there is none.
    """

    def __init__(self, model_dir: str, extractor: str):
        """Finds what is kept there already; a KID through another extractor cannot be compared and does not count."""
        self._model_dir, self._extractor = model_dir, extractor
        self._folder = checkpoints.best_folder(model_dir)
        kept = _read(os.path.join(self._folder, _FILE_NAME))
        self.step, self.kid = 0, math.inf
        if kept.get('extractor') == extractor:
            self.step, self.kid = int(kept['step']), float(kept['kid'])

    def offer(self, step: int, kid: float) -> bool:
        """Keeps the checkpoint of `step` if `kid` is the lowest so far; says whether it is."""
        if not kid < self.kid:
            return False
        before = checkpoints.newest_first(self._folder)
        source, target = checkpoints.path(self._model_dir, step), checkpoints.path(self._folder, step)
        self._copy(source, target)
        content = {'step': step, 'kid': kid, 'extractor': self._extractor}
        images.write_bytes(os.path.join(self._folder, _FILE_NAME), (json.dumps(content, indent=2) + '\n').encode())
        for older in before:
            if older != target:
                for path in tf.io.gfile.glob(f'{older}.*'):
                    tf.io.gfile.remove(path)
        self.step, self.kid = step, kid
        logging.info('best so far: step %d, KID %.4f, kept in %s', step, kid, self._folder)
        return True

    def _copy(self, source: str, target: str) -> None:
        for path in tf.io.gfile.glob(f'{source}.data-*'):
            copy = target + path[len(source) :]
            images.make_folder(os.path.dirname(copy))
            tf.io.gfile.copy(path, copy, overwrite=True)
        # Last, because it is the index that makes files a checkpoint.
        with tf.io.gfile.GFile(f'{source}.index', 'rb') as file:
            images.write_bytes(f'{target}.index', file.read())


def _read(path: str) -> dict:
    if not tf.io.gfile.exists(path):
        return {}
    with tf.io.gfile.GFile(path) as file:
        try:
            return json.load(file)
        except ValueError as error:
            logging.warning('%s cannot be read (%s): the next evaluation writes it anew', path, error)
            return {}
