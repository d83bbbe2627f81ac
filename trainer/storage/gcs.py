"""Cloud Storage outside TensorFlow's own file system: paths, and Google's client."""

from __future__ import annotations

import functools

import requests.adapters
from google.cloud import storage

from trainer import errors

SCHEME = 'gs://'
# Connections that the client keeps open; each transfer beyond them would open its own.
CONNECTIONS = 32


def is_remote(path: str) -> bool:
    """Whether the path is gs://bucket/name, rather than local."""
    return path.startswith(SCHEME)


def split(path: str) -> tuple[str, str]:
    """'gs://bucket/some/name' -> ('bucket', 'some/name').

    Raises:
      errors.UserError: no bucket is named.
    """
    bucket, _, name = path[len(SCHEME) :].partition('/')
    if not is_remote(path) or not bucket:
        raise errors.UserError(f'{path!r} names no bucket: write gs://BUCKET/FOLDER')
    return bucket, name


@functools.cache
def client() -> storage.Client:
    """The client of this process, with the machine's own credentials; threads may share it.

    Raises:
      google.auth.exceptions.DefaultCredentialsError: there are none; `refusals.explained` says it in one line.
    """
    made = storage.Client(project=None)  # No request of ours needs a project.
    # The default pool of 10 would drop and reopen connections, with a warning each time.
    adapter = requests.adapters.HTTPAdapter(pool_connections=CONNECTIONS, pool_maxsize=CONNECTIONS)
    for scheme in ('https://', 'http://'):
        made._http.mount(scheme, adapter)
    return made


def blob(path: str) -> storage.Blob:
    """The object at gs://bucket/name, which need not exist."""
    bucket, name = split(path)
    return client().bucket(bucket).blob(name)
