"""Fixtures of a Cloud Storage on loopback; the root conftest imports them."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.fakes.cloud.gcs import GcsServer, why_unavailable

LEAVES_CONNECTIONS = pytest.mark.filterwarnings(
    # google-cloud-storage drops a failed download without closing its connection.
    'ignore:unclosed <ssl.SSLSocket:ResourceWarning'
)


@dataclasses.dataclass(frozen=True)
class Gcs:
    """A server, and a bucket for one test, such as 'gs://test-4f1d'."""

    server: GcsServer
    bucket: str


@pytest.fixture(scope='session')
def gcs_server() -> Iterator[GcsServer]:
    """One Cloud Storage for all tests."""
    reason = why_unavailable()
    if reason:
        pytest.skip(reason)
    with GcsServer() as server:
        yield server


@pytest.fixture
def gcs(gcs_server: GcsServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Gcs]:
    """An empty bucket, no faults, no requests yet, and an environment in which gs:// is this server."""
    gcs_server.clear_faults()
    for name, value in gcs_server.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv('STORAGE_EMULATOR_HOST', raising=False)
    name = f'test-{uuid.uuid4().hex[:12]}'
    gcs_server.create_bucket(name)
    gcs_server.clear_requests()
    yield Gcs(gcs_server, f'gs://{name}')
    gcs_server.clear_faults()


@contextlib.contextmanager
def storage_client() -> Iterator[Any]:
    """google-cloud-storage as in a real program: default credentials, the real address. See LEAVES_CONNECTIONS."""
    from google.cloud import storage

    made = storage.Client()
    yield made
    made.close()
    gc.collect()  # Collects what it left open while the warning is still ignored.
