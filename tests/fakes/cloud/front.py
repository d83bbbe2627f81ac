"""The front end of the emulator: an HTTPS proxy for *.googleapis.com, and plain HTTP, on one port, with faults."""

from __future__ import annotations

import dataclasses
import http.server
import json
import os
import re
import select
import socket
import ssl
import struct
import sys
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.fakes.cloud.emulator import Answer, Emulator, failure
from tests.fakes.cloud.faults import Fault, Faults, is_json_api

CONTROL = '/-/'
PAST_FAULTS = 'X-Past-Faults'  # A header of the tests' own requests, which get no faults and are not counted.
_STORAGE_HOSTS = ('www.googleapis.com', 'storage.googleapis.com')
_TOKEN_URLS = (
    'oauth2.googleapis.com/token',
    'www.googleapis.com/oauth2/v3/token',
    'www.googleapis.com/oauth2/v4/token',
)
_OF_ONE_HOP = ('connection', 'proxy-connection', 'transfer-encoding', 'content-length', 'expect', 'date')


@dataclasses.dataclass(frozen=True)
class Request:
    """One request and its answer; status 0 means no answer."""

    method: str
    host: str
    path: str  # with its query, percent signs decoded
    status: int
    request_bytes: int
    response_bytes: int


class Front(http.server.ThreadingHTTPServer):
    """Answers from `emulator`, unless one of `faults` applies."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, emulator: Emulator, tls: ssl.SSLContext) -> None:
        super().__init__(('127.0.0.1', 0), _Handler)
        self.url = f'http://127.0.0.1:{self.server_port}'
        self.emulator, self.tls = emulator, tls
        self.faults = Faults()
        self.requests: list[Request] = []

    def control(self, action: str, arguments: dict) -> Any:
        """Performs the tests' commands for the server itself."""
        if action == 'fault':
            return self.faults.add(Fault(**arguments))
        if action == 'hits':
            return self.faults.hits(arguments['number'])
        if action == 'requests':
            return [dataclasses.asdict(request) for request in list(self.requests)]
        if action == 'clear_requests':
            return self.requests.clear()
        if action == 'clear_faults':
            return self.faults.clear()
        raise ValueError(f'no such action: {action}')

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exc_info()[1], OSError):  # A client may hang up at any time.
            super().handle_error(request, client_address)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = 'HTTP/1.1'
    disable_nagle_algorithm = True
    server: Front
    tunnel = ''  # The host that CONNECT named, after its TLS has begun.

    def do_CONNECT(self) -> None:
        host = self.path.rpartition(':')[0]
        if not host.endswith('.googleapis.com'):
            self.server.requests.append(Request('CONNECT', host, '', 403, 0, 0))
            self.send_error(403, f'{host} is not emulated')
            return
        self.send_response_only(200, 'Connection established')
        self.end_headers()
        self.request = self.server.tls.wrap_socket(self.connection, server_side=True)
        self.setup()  # From here on, reads and writes inside TLS.
        self.tunnel, self.close_connection = host, False

    def do_GET(self) -> None:
        body = self._body()
        if not self.tunnel and self.path.startswith(CONTROL):
            self._answer(_json(self.server.control(self.path[len(CONTROL) :], json.loads(body or '{}'))))
        elif PAST_FAULTS in self.headers:
            self._answer(self._forward(body))
        else:
            host = self.tunnel or self.headers['Host']
            refusal = self._refuse(host)
            if refusal:
                self._send(host, body, refusal)
            else:
                self._serve(host, body)

    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET  # noqa: N815  http.server's names.

    def _serve(self, host: str, body: bytes) -> None:
        """Answers a storage request, with or without a fault."""
        cleared = self.server.faults.cleared
        fault = self.server.faults.next(self.command, self.path)
        kind = fault.kind if fault else ''
        if isinstance(kind, int):
            self._send(host, body, failure(kind, self.command, self.path))
        elif kind in ('reset', 'stall'):
            self._note(host, body, 0, 0)
            self._reset() if kind == 'reset' else self._stall(cleared)
        else:
            answer = self._forward(body)
            if kind == 'lost':
                self._note(host, body, 0, 0)
                self.close_connection = True
            else:
                self._send(host, body, answer, truncated=kind == 'truncate')

    def finish(self) -> None:
        super().finish()
        self.request.close()  # The server closes only the accepted socket, not the TLS around it.

    def log_message(self, *_: object) -> None:
        pass

    def _body(self) -> bytes:
        if self.headers.get('Transfer-Encoding') != 'chunked':  # TensorFlow sends 'identity' with an empty body.
            return self._read(int(self.headers.get('Content-Length') or 0))
        chunks = []
        while True:
            size = int(self.rfile.readline().split(b';')[0] or b'0', 16)
            chunks.append(self._read(size + 2)[:-2])
            if not size:
                return b''.join(chunks)

    def _read(self, size: int) -> bytes:
        content = self.rfile.read(size)
        if len(content) < size:
            raise ConnectionAbortedError('the client has gone in the middle of a request')
        return content

    def _refuse(self, host: str) -> Answer | None:
        """Answers a request that is not for storage."""
        url = self.tunnel + urlsplit(self.path).path
        if url in _TOKEN_URLS:
            return _json({'access_token': 'dummy-token', 'expires_in': 3600, 'token_type': 'Bearer'})
        if host == 'iamcredentials.googleapis.com' and url.endswith('/allowedLocations'):
            return _json({'locations': [], 'encodedLocations': '0x0'})  # google-auth asks for it; this means anywhere.
        if (self.tunnel and host not in _STORAGE_HOSTS) or not self.path.startswith('/'):
            return failure(501, self.command, self.path, f'{host} is not emulated')
        return None

    def _forward(self, body: bytes) -> Answer:
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _OF_ONE_HOP}
        answer = self.server.emulator.exchange(self.command, self.path, headers, body)
        if not self.tunnel:
            return answer
        # The emulator's links have the requested host or its own, but never https.
        links = re.compile(f'http://{re.escape(self.tunnel)}/|{self.server.url}/')
        there = f'https://{self.tunnel}/'
        if 'Location' in answer.headers:
            answer.headers['Location'] = links.sub(there, answer.headers['Location'])
        is_metadata = is_json_api(self.path) and 'alt=media' not in self.path
        if is_metadata:
            answer.body = links.sub(there, answer.body.decode()).encode()
        return answer

    def _send(self, host: str, body: bytes, answer: Answer, truncated: bool = False) -> None:
        content = answer.body[: len(answer.body) // 2] if truncated else answer.body
        self._note(host, body, answer.status, len(content))
        self._answer(answer, content)
        self.close_connection = self.close_connection or truncated

    def _answer(self, answer: Answer, content: bytes | None = None) -> None:
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name.lower() not in _OF_ONE_HOP:
                self.send_header(name, value)
        if answer.status != 204:
            length = answer.headers.get('Content-Length', '0') if self.command == 'HEAD' else str(len(answer.body))
            self.send_header('Content-Length', length)
        self.end_headers()
        self.wfile.write(answer.body if content is None else content)

    def _note(self, host: str, body: bytes, status: int, sent: int) -> None:
        """Counts a request before its answer is sent, so that a client that has the answer finds it counted."""
        self.server.requests.append(Request(self.command, host, unquote(self.path), status, len(body), sent))

    def _reset(self) -> None:
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0))
        os.close(self.connection.detach())  # close() alone waits for the file objects of the socket.

    def _stall(self, cleared: Any) -> None:
        self.close_connection = True
        while not cleared.wait(0.05):
            if select.select([self.connection], [], [], 0)[0]:
                return  # The client has given up.


def _json(content: Any) -> Answer:
    return Answer(200, {'Content-Type': 'application/json; charset=UTF-8'}, json.dumps(content).encode())
