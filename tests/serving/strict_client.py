"""An HTTP client that takes nothing on trust: what a server sends must be whole and in form, to the last byte."""

from __future__ import annotations

import base64
import dataclasses
import io
import json
import socket
from typing import Any

import numpy as np
from PIL import Image

TIMEOUT_S = 30


@dataclasses.dataclass(frozen=True)
class Answer:
    """A whole response; the names of its headers are in small letters."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers['content-type'] == 'application/json', self
        return json.loads(self.body)

    @property
    def error(self) -> str:
        """The one line of a refusal."""
        (line,) = self.json.values()
        assert set(self.json) == {'error'}
        assert line and '\n' not in line and 'Traceback' not in line, line
        return line

    @property
    def closes(self) -> bool:
        return self.headers.get('connection', '').lower() == 'close'


class CutShort(Exception):
    """The server closed the connection in the middle of a response, or before it."""

    def __init__(self, received: bytes):
        super().__init__(f'{len(received)} bytes, then the end: {received[:200]!r}')
        self.received = received


class Connection:
    """One connection, on which requests follow each other."""

    def __init__(self, port: int):
        self.socket = socket.create_connection(('127.0.0.1', port), TIMEOUT_S)
        self._rest = b''

    def __enter__(self) -> Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def receive(self, method: str = 'GET') -> Answer:
        """Reads one response."""
        head = self._until(b'\r\n\r\n')
        if head.startswith(b'HTTP/1.1 100 '):
            head = self._until(b'\r\n\r\n')
        status, *lines = head.decode('ascii').split('\r\n')
        version, code, reason = status.split(' ', 2)
        assert version in ('HTTP/1.1', 'HTTP/1.0') and reason
        pairs = [line.split(': ', 1) for line in lines if line]
        headers = {name.lower(): value for name, value in pairs}
        assert len(headers) == len(pairs), f'a header comes twice: {lines}'
        length = int(headers['content-length'])
        return Answer(int(code), headers, b'' if method == 'HEAD' else self._exactly(length))

    def ask(self, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
        """Sends a request with a Content-Length, and reads the response."""
        self.send(request(method, path, body, **headers))
        return self.receive(method)

    def at_end(self) -> bool:
        """Whether the server has closed the connection, after nothing more."""
        try:
            return self._rest == b'' and self.socket.recv(1) == b''
        except ConnectionResetError:
            return True

    def _until(self, end: bytes) -> bytes:
        while end not in self._rest:
            self._more()
        found, _, self._rest = self._rest.partition(end)
        return found

    def _exactly(self, length: int) -> bytes:
        while len(self._rest) < length:
            self._more()
        found, self._rest = self._rest[:length], self._rest[length:]
        return found

    def _more(self) -> None:
        try:
            data = self.socket.recv(1 << 16)
        except ConnectionResetError:
            data = b''
        if not data:
            raise CutShort(self._rest)
        self._rest += data


def request(method: str, path: str, body: bytes | None = None, **headers: str) -> bytes:
    """The bytes of a request; the names of headers are given with _ for -."""
    given = {'Host': '127.0.0.1'}
    if body is not None:
        given.update({'Content-Type': 'application/json', 'Content-Length': str(len(body))})
    given.update({name.replace('_', '-').title(): value for name, value in headers.items()})
    lines = [f'{method} {path} HTTP/1.1', *(f'{name}: {value}' for name, value in given.items()), '', '']
    return '\r\n'.join(lines).encode() + (body or b'')


def ask(port: int, method: str, path: str, body: bytes | None = None, **headers: str) -> Answer:
    """One request on a connection of its own."""
    with Connection(port) as connection:
        return connection.ask(method, path, body, **headers)


def predict(port: int, *instances: dict, path: str = '/predict', **parameters: Any) -> Answer:
    """Asks for predictions, as Vertex AI does."""
    body = {'instances': instances, **({'parameters': parameters} if parameters else {})}
    return ask(port, 'POST', path, json.dumps(body).encode())


def pixels(image: dict[str, str]) -> np.ndarray:
    """The pixels of an answer's picture, uint8 [H, W, C]."""
    assert set(image) == {'b64'}
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(image['b64'], validate=True))))
