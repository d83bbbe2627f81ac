"""Writes a page: a folder of static files that opens from disk or from a bucket."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping

from trainer.filesystem import files as filesystem
from trainer.page.content import Page
from trainer.page.packer import INDEX, Form, Packer
from trainer.page.publish import publish, remove
from trainer.storage.refusals import ADMIN, explained

NAMES = (INDEX, 'code', 'data', 'sprites')  # The names at the top of a page's folder.
# Only a page has files of these names, in a folder that belongs to one.
_OURS = re.compile(
    r'data/(start|dataset|neighbours|live|finder)\.js|sprites/(images-\d{3,}\.webp|samples-\d{3,}\.(webp|jpg))'
)


def write_page(output_dir: str, page: Page) -> None:
    """Writes all of `page`, however large, to a local or gs:// folder; its index.html is the one to open.

    Args:
      output_dir: see `write`.
      page: what to show.

    Raises:
      errors.UserError: Cloud Storage refuses the files.
      OSError: the local folder cannot be written.
    """
    write(output_dir, Packer(page).files(Form(), len(page.dataset.images) if page.dataset else 0))


def write(output_dir: str, files: Mapping[str, bytes]) -> None:
    """Writes the files of a page, and removes those that an earlier, larger page has left.

    Args:
      output_dir: created if it is missing; files of an earlier page in it are replaced. The caller has claimed it
        (`outputs.claimed`) or made it.
      files: by their names in the folder.

    Raises:
      errors.UserError: Cloud Storage refuses the files.
      OSError: the local folder cannot be written.
    """
    for name, data in files.items():
        publish(output_dir, name, data)
    for name in _left_behind(output_dir):
        if name not in files:
            remove(output_dir, name)


def _left_behind(output_dir: str) -> Iterator[str]:
    """Yields the names of a page's files in its folder; none that lie behind a link."""
    for folder in NAMES[1:]:
        path = os.path.join(output_dir, folder)
        if os.path.islink(path):
            continue
        with explained(path, ADMIN):
            names = filesystem.names_in(path)
        yield from (f'{folder}/{name}' for name in names if _OURS.fullmatch(f'{folder}/{name}'))
