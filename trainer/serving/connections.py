"""waitress with our limits: errors in JSON, bodies that are too large drained, slow clients cut off."""

from __future__ import annotations

import socket
import time
from typing import Any

from waitress.adjustments import Adjustments
from waitress.buffers import OverflowableBuffer
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser
from waitress.server import TcpWSGIServer
from waitress.task import ErrorTask, WSGITask
from waitress.utilities import RequestEntityTooLarge

from trainer.serving import application, http, limits
from trainer.serving.application import Application

_TOO_LARGE = f'the body is larger than {limits.BODY_BYTES:,} bytes: send less, or a smaller picture'
_MESSAGES = {
    413: _TOO_LARGE,
    431: f'the headers are larger than {limits.HEADER_BYTES:,} bytes',
    501: 'the transfer encoding is not known: send the body with Content-Length, or chunked',
}


class _Buffer(OverflowableBuffer):
    """Keeps a body up to the limit, and only counts the rest."""

    dropped = False

    def append(self, s: bytes) -> None:
        if self.dropped or len(self) + len(s) > limits.BODY_BYTES:
            self.dropped = True
            return
        super().append(s)


class _Parser(HTTPRequestParser):
    """Refuses a body that is too large after reading it, so that a client that is still sending gets the answer."""

    def parse_header(self, header_plus: bytes) -> None:
        super().parse_header(header_plus)
        if self.body_rcv is not None:
            self.body_rcv.buf = _Buffer(self.adj.inbuf_overflow)

    error: Any

    def received(self, data: bytes) -> int:
        consumed = super().received(data)
        if self.completed and not self.error and self.body_rcv is not None and self.body_rcv.buf.dropped:
            self.error = RequestEntityTooLarge('')
        return consumed


class _ErrorTask(ErrorTask):
    """Answers what never reaches the application: garbage, and what is too large."""

    def execute(self) -> None:
        error = self.request.error
        text = _MESSAGES.get(error.code, f'the request is not HTTP that this server takes: {error.body}')
        response = http.refusal(error.code, text)
        self.status, self.content_length = response.line, len(response.body)
        self.response_headers += [('Content-Type', response.content_type), ('Cache-Control', 'no-store')]
        self.set_close_on_finish()
        method, path = getattr(self.request, 'command', '-'), getattr(self.request, 'path', '-')
        application.log(method, path, response.status, len(response.body), self.channel.began)
        self.write(response.body)


class _Task(WSGITask):
    """Tells clients to come with a new connection, which another server gets, while this one stops."""

    def build_response_header(self) -> bytes:
        if self.channel.server.draining:
            self.set_close_on_finish()
        return super().build_response_header()


class _Channel(HTTPChannel):
    """A connection.

    Attributes:
      began: when the first byte of the latest request came, as of `time.monotonic`.
    """

    parser_class, task_class, error_task_class = _Parser, _Task, _ErrorTask
    began = 0.0

    def received(self, data: bytes) -> bool:
        if self.request is None:
            self.began = time.monotonic()
        return super().received(data)

    @property
    def busy(self) -> bool:
        """Whether a request is arriving, being answered, or its answer is not sent yet."""
        return bool(self.connected and (self.requests or self.request is not None or self.total_outbufs_len))


class Connections(TcpWSGIServer):
    """Accepts connections, and gives their requests to threads.

    Attributes:
      draining: whether answers close their connection.
    """

    channel_class = _Channel
    draining = False

    def __init__(self, app: Application, listening: socket.socket, threads: int, sockets: dict[int, Any]):
        """Takes a bound socket, the number of threads, and the map of all sockets, which it fills."""
        settings = Adjustments(
            sockets=[listening],
            threads=threads,
            ident='',
            connection_limit=limits.CONNECTIONS,
            channel_timeout=limits.IDLE_S,
            cleanup_interval=1,
            max_request_header_size=limits.HEADER_BYTES,
            max_request_body_size=limits.DRAINED_BYTES,
            log_socket_errors=False,
        )
        info = (listening.family, listening.type, listening.proto, listening.getsockname())
        super().__init__(app, sockets, True, listening, adj=settings, sockinfo=info, bind_socket=False)

    def maintenance(self, now: float) -> None:
        """Also closes connections whose request does not come to an end."""
        super().maintenance(now)
        oldest = time.monotonic() - limits.REQUEST_S
        for channel in self.active_channels.values():
            if channel.request is not None and not channel.requests and channel.began < oldest:
                channel.will_close = True

    @property
    def busy(self) -> int:
        """How many connections have a request in progress."""
        return sum(channel.busy for channel in list(self.active_channels.values()))
