"""Cloud Storage objects: listed, downloaded, uploaded and deleted, with checksums, retries and errors explained."""

from __future__ import annotations

import base64
import contextlib
import io
import tempfile
from collections.abc import Iterator
from typing import BinaryIO, cast

from google.api_core import exceptions as api
from google.cloud.storage import Blob
from google.cloud.storage import exceptions as transfer
from google.cloud.storage.retry import DEFAULT_RETRY

from convert import rejection
from trainer import errors
from trainer.data import manifest
from trainer.storage import gcs
from trainer.storage.refusals import ADMIN, VIEWER, explained

# An outage ends the retries after two minutes. A request without progress for half a minute is tried again.
RETRY = DEFAULT_RETRY.with_delay(initial=0.5, maximum=20).with_timeout(120)
TIMEOUT_S = 30.0
# A larger object waits on disk to be decoded. With all connections busy, the others take a quarter of a GiB of memory.
MEMORY_BYTES = 8 << 20
_CHUNK_BYTES = 8 << 20  # An upload holds as much in memory.
_PAGE_OBJECTS = 1000  # The most that Cloud Storage lists at a time.


def list_folder(folder: str, role: str, below: bool) -> Iterator[tuple[str, str]]:
    """Yields the names of the objects in a folder, relative to it, and their CRC32C as Cloud Storage writes it.

    Args:
      folder: gs://bucket or gs://bucket/folder.
      role: the role that the user needs for the following work, `VIEWER` or `ADMIN`; an error names it.
      below: whether to list the sub-folders too.

    Raises:
      errors.AccessDenied: there is no such bucket, or we have no access to it.
      errors.Transient: no answer within the time of `RETRY`.
      errors.UserError: Cloud Storage refuses the name.
    """
    bucket, name = gcs.split(folder)
    prefix = f'{name.rstrip("/")}/' if name.strip('/') else ''
    try:
        with explained(folder, role):
            for blob in gcs.client().list_blobs(
                bucket,
                prefix=prefix,
                delimiter=None if below else '/',
                page_size=_PAGE_OBJECTS,
                fields='items(name,crc32c),nextPageToken',
                timeout=TIMEOUT_S,
                retry=RETRY,
            ):
                yield blob.name[len(prefix) :], blob.crc32c or ''
    except (api.ClientError, ValueError) as error:  # ValueError: the client itself refuses some names.
        raise errors.UserError(f'{folder} cannot be listed: {error}') from None


def download(path: str) -> BinaryIO:
    """Downloads an object and checks it against its checksum.

    Raises:
      rejection.Rejected: it is gone, or cannot be read for a reason other than access.
      errors.AccessDenied: we have no access to it.
      errors.Transient: no complete copy within the time of `RETRY`.
    """
    blob = gcs.blob(path)
    with explained(path, VIEWER):
        try:
            return RETRY(_download_once)(blob)
        except api.NotFound:
            raise rejection.Rejected(rejection.UNREADABLE, 'deleted since it was listed') from None
        except (api.Forbidden, api.Unauthorized):
            raise
        except api.ClientError as error:
            raise rejection.Rejected(rejection.UNREADABLE, error.message) from None


def upload(source: str, path: str) -> None:
    """Uploads a local file; Cloud Storage checks its CRC32C. Failed uploads are retried, as repeating one does no harm.

    Raises:
      errors.AccessDenied: there is no such bucket, or we have no access to it.
      errors.Transient: no complete upload within the time of `RETRY`.
      errors.UserError: refused for another reason.
    """
    try:
        with explained(path, ADMIN):
            RETRY(_upload_once)(source, gcs.blob(path))
    except api.ClientError as error:
        raise errors.UserError(f'{path} cannot be written: {error.message}') from error


def copy(source: str, path: str) -> None:
    """Copies an object within Cloud Storage, which moves no bytes within one bucket.

    Raises:
      errors.AccessDenied: there is no such bucket, or we have no access to it.
      errors.Transient: no answer within the time of `RETRY`.
      errors.UserError: refused for another reason.
    """
    token = None
    try:
        with explained(path, ADMIN):
            while True:
                token, _, _ = gcs.blob(path).rewrite(gcs.blob(source), token, timeout=TIMEOUT_S, retry=RETRY)
                if token is None:
                    return
    except api.ClientError as error:
        raise errors.UserError(f'{path} cannot be written: {error.message}') from error


def delete(path: str) -> None:
    """Deletes an object, if it is there.

    Raises:
      errors.AccessDenied: we have no access to it.
      errors.Transient: no answer within the time of `RETRY`.
    """
    # NotFound also follows a deletion whose answer was lost.
    with explained(path, ADMIN), contextlib.suppress(api.NotFound):
        gcs.blob(path).delete(timeout=TIMEOUT_S, retry=RETRY)


def crc32c(path: str) -> str:
    """CRC32C of a local file, as Cloud Storage writes it."""
    return base64.b64encode(bytes.fromhex(manifest.file_crc32c(path))).decode()


def _download_once(blob: Blob) -> BinaryIO:
    """Downloads from the first byte: the library does not verify the checksum of a download that it resumed."""
    file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115  Closed by the caller or below.
    try:
        blob.download_to_file(file, checksum='crc32c', timeout=TIMEOUT_S, retry=None)
    except transfer.DataCorruption as error:
        file.close()
        raise ConnectionError(str(error)) from error  # `RETRY` repeats this, but not DataCorruption.
    except BaseException:
        file.close()
        raise
    size = file.tell()
    file.seek(0)
    if size > MEMORY_BYTES:
        return cast(BinaryIO, file)
    with file:  # The decoders get the same kind of file as for a local image.
        return io.BytesIO(file.read())


def _upload_once(source: str, blob: Blob) -> None:
    blob.chunk_size = _CHUNK_BYTES
    blob.crc32c = wanted = crc32c(source)  # Sent with the file, so that Cloud Storage refuses other content.
    try:
        blob.upload_from_filename(source, checksum='crc32c', timeout=TIMEOUT_S, retry=RETRY)
    except transfer.DataCorruption as error:
        raise ConnectionError(str(error)) from error
    if blob.crc32c != wanted:
        raise ConnectionError(f'CRC32C is {blob.crc32c} after the upload, but {wanted} on disk')
