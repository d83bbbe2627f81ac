r"""Paths that TensorFlow cannot take for patterns.

TensorFlow's readers and writers of checkpoints and SavedModels look up files by pattern, deep in C++ and without an
escape character. In a folder `run[64]` they find nothing, and in a folder `*` they delete the checkpoints of its
neighbours.
"""

from __future__ import annotations

import atexit
import functools
import hashlib
import os
import shutil
import tempfile

from trainer import errors
from trainer.filesystem import paths
from trainer.storage import gcs


def plain(path: str) -> str:
    r"""A path to the same file or folder without any of [ ] * ? \; usually `path` itself.

    Any other path leads through a link in a temporary folder, which is removed when the process ends.

    Raises:
      errors.UserError: the path is on gs://, which has no links, or the temporary folder has such a character too.
    """
    parts = path.split('/')
    special = [i for i, part in enumerate(parts) if set(part) & set(paths.PATTERN_CHARACTERS)]
    if not special:
        return path
    if gcs.is_remote(path):
        _refuse(path)
    last = special[-1] + 1
    return '/'.join([_link('/'.join(parts[:last])), *parts[last:]])


def _link(folder: str) -> str:
    link = os.path.join(_links(), hashlib.sha256(os.path.abspath(folder).encode()).hexdigest()[:16])
    if not os.path.islink(link):
        os.symlink(os.path.abspath(folder), link)
    return link


@functools.cache
def _links() -> str:
    folder = tempfile.mkdtemp(prefix='plain-')
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    if set(folder) & set(paths.PATTERN_CHARACTERS):
        _refuse(folder)
    return folder


def _refuse(path: str) -> None:
    (found, *_) = (character for character in path if character in paths.PATTERN_CHARACTERS)
    raise errors.UserError(
        f'{path} holds {found}, which TensorFlow takes for a pattern: choose a path without any of '
        f'{" ".join(paths.PATTERN_CHARACTERS)}'
    )
