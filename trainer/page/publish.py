"""Writes the files of a page with the content types that a browser needs."""

from __future__ import annotations

import os

from trainer.filesystem import files
from trainer.storage import gcs
from trainer.storage.refusals import ADMIN, explained

CONTENT_TYPES = {
    '.html': 'text/html; charset=utf-8',
    '.css': 'text/css; charset=utf-8',
    '.js': 'text/javascript; charset=utf-8',
    '.webp': 'image/webp',
    '.jpg': 'image/jpeg',
}
_TIMEOUT_S = 60


def publish(folder: str, name: str, data: bytes) -> None:
    """Writes one file of a page.

    Args:
      folder: local or gs://.
      name: of the file in it, with '/' between folders.
      data: its bytes.

    Raises:
      errors.UserError: Cloud Storage refuses it.
    """
    path = os.path.join(folder, name)
    if not gcs.is_remote(path):
        files.write_bytes(path, data)
        return
    # TensorFlow's gs:// gives no type to what it writes, and a browser would offer the page for download.
    with explained(path, ADMIN):
        blob = gcs.blob(path)
        blob.cache_control = 'no-cache'  # Else a rewritten page would show old pictures beside new data for an hour.
        blob.upload_from_string(data, CONTENT_TYPES[os.path.splitext(name)[1]], timeout=_TIMEOUT_S)


def remove(folder: str, name: str) -> None:
    """Removes one file of a page; a folder of this name stays.

    Args:
      folder: local or gs://.
      name: of the file in it, with '/' between folders.

    Raises:
      errors.UserError: Cloud Storage refuses it.
    """
    path = os.path.join(folder, name)
    if gcs.is_remote(path):
        with explained(path, ADMIN):
            gcs.blob(path).delete(timeout=_TIMEOUT_S)
    elif files.is_regular(path):
        os.remove(path)
