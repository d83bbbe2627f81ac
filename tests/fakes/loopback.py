"""An HTTP server on loopback that speaks JSON: the common base of the fakes of Google's APIs."""

from __future__ import annotations

import abc
import http.server
import json
import threading
from typing import Any, TypeVar

Self = TypeVar('Self', bound='JsonApi')
Request = http.server.BaseHTTPRequestHandler


class JsonApi(abc.ABC):
    """Answers requests while the context lasts."""

    def __enter__(self: Self) -> Self:
        api = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                api.answer(self, None)

            def do_POST(self) -> None:
                api.answer(self, json.loads(self.rfile.read(int(self.headers.get('Content-Length') or 0)) or '{}'))

            do_DELETE, do_PUT = do_GET, do_POST  # noqa: N815  http.server's names.

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens, with a slash at its end."""
        return f'http://127.0.0.1:{self._server.server_port}/'

    @abc.abstractmethod
    def answer(self, request: Request, body: Any) -> None:
        """Answers, with `send`, a GET or DELETE (body is None), a POST or a PUT."""


def send(request: Request, status: int, content: Any) -> None:
    """Sends JSON."""
    data = json.dumps(content).encode()
    request.send_response(status)
    request.send_header('Content-Type', 'application/json')
    request.send_header('Content-Length', str(len(data)))
    request.end_headers()
    request.wfile.write(data)
