"""Recognises folders that this project has made, so that they are not taken for folders of photographs."""

from __future__ import annotations

import re
from collections.abc import Sequence

from trainer import errors
from trainer.data import manifest
from trainer.filesystem import outputs
from trainer.generator import saved_model
from trainer.model_dir import hparams_file, run_data

_CHECKPOINT = re.compile(r'model\.ckpt-[0-9]+\.index')
_SHARD = '.tfrecord'
_PAGE = {'index.html', 'code', 'sprites'}


def made_here(folder: str, names: Sequence[str]) -> str:
    """Names what a local or gs:// folder with these files is, if this project has made it; '' if not.

    A file `dataset.json` or `hparams.json` alone proves nothing, because other programs write such files too.
    """
    present = set(names)
    if outputs.MARK in present and (mark := outputs.read_mark(folder)):
        return f'an output of python -m {mark.made_by}'
    if manifest.FILE_NAME in present and (_is_data_set(folder) or any(name.endswith(_SHARD) for name in names)):
        return 'a data set'
    if any(_CHECKPOINT.fullmatch(name) for name in names) or _is_run(folder, present):
        return 'a training run'
    if present >= _PAGE:
        return 'a page of trainer.explore or convert.audit'
    return 'an exported generator' if 'saved_model.pb' in present and saved_model.is_ours(folder) else ''


def _is_data_set(folder: str) -> bool:
    try:
        return bool(manifest.read(folder))
    except errors.DataError:
        return False


def _is_run(folder: str, names: set[str]) -> bool:
    if not names & {hparams_file.FILE_NAME, run_data.FILE_NAME}:
        return False
    try:
        return bool(hparams_file.read(folder) or run_data.read(folder))
    except errors.UserError:  # Damaged, or of another program.
        return {'metrics.csv', 'samples'} <= names
