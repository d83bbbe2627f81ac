"""Checks and completes paths, in the same way for every flag that takes one."""

from __future__ import annotations

import os
import re

from trainer import errors
from trainer.storage import gcs

# Characters that TensorFlow's checkpoint and SavedModel readers and Cloud Storage's tools treat as a pattern.
PATTERN_CHARACTERS = '[]*?\\'
_SCHEME = re.compile(r'[A-Za-z][A-Za-z0-9+.-]+:/')


def completed(name: str, path: str, local: bool = False) -> str:
    """The path to use for a path in a flag, with `~` expanded.

    Args:
      name: the user's name for it, such as '--input_dir'.
      path: the value; '' stays ''.
      local: whether gs:// is refused as well.

    Raises:
      errors.UserError: a scheme that is neither local nor gs://, gs:// without a bucket, or characters that a log or
        TensorFlow cannot write.
    """
    if not path:
        return ''
    if not path.isprintable():
        what = 'is not UTF-8' if any('\ud800' <= character <= '\udfff' for character in path) else 'cannot be printed'
        raise errors.UserError(f'{name}={path} holds a character that {what}: rename the folder or file')
    if gcs.is_remote(path) and not local:
        gcs.split(path)
        return path
    if _SCHEME.match(path) or '://' in path:
        where = 'local' if local else f'local or {gcs.SCHEME}BUCKET/FOLDER'
        raise errors.UserError(f'{name}={path}: paths are {where}, nothing else')
    expanded = os.path.expanduser(path)
    if expanded.startswith('~'):
        home, _, _ = expanded.partition('/')
        raise errors.UserError(
            f'{name}={path}: {home} is not a home folder here; write ./{path} for a folder of that name'
        )
    return expanded


def same(one: str, other: str) -> bool:
    """Whether two paths lead to the same folder, also through links."""
    return identity(one) == identity(other)


def within(inner: str, outer: str) -> bool:
    """Whether `inner` is the folder `outer`, or is somewhere inside it."""
    inner, outer = identity(inner), identity(outer)
    return inner == outer or inner.startswith(f'{outer.rstrip("/")}/')


def identity(folder: str) -> str:
    """The canonical path of a folder: without links and '..', or without a '/' at the end of a gs:// path."""
    return folder.rstrip('/') if gcs.is_remote(folder) else os.path.realpath(folder)


def is_plain_name(name: str) -> bool:
    """Whether a name that was read from a file is a plain name, which cannot lead out of its folder."""
    return bool(name) and name not in ('.', '..') and name.isprintable() and not set(name) & {'/', '\\'}


def name_of(path: str) -> str:
    """The name of a folder, or of the folder of a file or pattern: 'photos64' for 'data/photos64/train-*'."""
    path = path if gcs.is_remote(path) else os.path.abspath(path)
    while set(path) & set('*?[') or path.endswith('.tfrecord'):
        path = os.path.dirname(path)
    return os.path.basename(path.rstrip('/'))


def of_trial(folder: str, trial_id: str) -> str:
    """The folder of a tuning trial inside a folder that all trials share; `folder` itself without a trial."""
    folder, own = folder.rstrip('/') or '/', f'trial_{trial_id}'
    # Vertex AI gives each trial folders of its own: <base>/<number>/checkpoints, logs and model.
    of_vertex = re.search(rf'/{re.escape(trial_id)}/(checkpoints|logs|model)$', folder)
    if not trial_id or of_vertex or own in folder.split('/'):
        return folder
    return os.path.join(folder, own)
