"""Listens, answers, and stops without cutting off an answer."""

from __future__ import annotations

import logging as python_logging
import signal
import socket
import time
from types import FrameType
from typing import Any, Callable

from absl import logging
from waitress import wasyncore

from trainer import errors
from trainer.serving import limits
from trainer.serving.application import Application
from trainer.serving.connections import Connections

_SPARE_THREADS = 8  # For pages, health checks and refusals while all others make predictions.
_LAST_CALL = 10  # Rounds in which connections that were made before the stop bring their requests.


def listen(host: str, port: int) -> socket.socket:
    """Opens a socket that takes connections, whose requests wait until a server runs on it.

    Vertex AI restarts a container to which it cannot connect within 40 s, and a model may take longer to load.

    Args:
      host: a name or address of this machine; 0.0.0.0 is all of them.
      port: 0 takes any that is free.

    Raises:
      errors.UserError: the name is not one of this machine, or the port is in use or not allowed.
    """
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        made = socket.socket(family, kind, protocol)
    except (OSError, UnicodeError) as error:
        raise errors.UserError(f'--host={host} is no address of this machine ({_reason(error)})') from None
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.bind(address)
        made.listen(limits.CONNECTIONS)
    except OSError as error:
        made.close()
        raise errors.UserError(
            f'--host={host} --port={port} cannot be listened on ({_reason(error)}): stop the other program, or choose '
            'another port'
        ) from None
    return made


class Server:
    """A server of one application on one socket."""

    def __init__(self, app: Application, listening: socket.socket, at_once: int, on_stop: Callable[[], None]):
        """Takes its parts.

        Args:
          app: the application.
          listening: from `listen`.
          at_once: predictions that may be in progress together; each has a thread.
          on_stop: is called once when the server begins to stop.
        """
        for name in ('waitress', 'waitress.queue'):  # Its warnings are of clients that have gone, and of full queues.
            python_logging.getLogger(name).setLevel(python_logging.ERROR)
        self._app, self._on_stop = app, on_stop
        self._sockets: dict[int, Any] = {}
        self._connections = Connections(app, listening, at_once + _SPARE_THREADS, self._sockets)
        self.port = listening.getsockname()[1]
        self._signum, self._signals, self._ended = 0, 0, False

    def run(self) -> int:
        """Serves until `stop` or a signal, and returns the exit code.

        0 means that every request that had arrived was answered; else it is 128 + the number of the signal.
        """
        while not self._signals:
            self._round(1.0)
        return self._drain()

    def stop(self, signum: int = signal.SIGTERM, _: FrameType | None = None) -> None:
        """Lets `run` return after the requests in progress; called again, at once. Safe in signal handlers."""
        self._signum = signum
        self._signals += 1
        if not self._ended:
            self._connections.pull_trigger()

    def _round(self, timeout_s: float) -> None:
        wasyncore.loop(timeout=timeout_s, use_poll=True, map=self._sockets, count=1)

    def _drain(self) -> int:
        deadline = time.monotonic() + limits.DRAIN_S
        logging.info('stopping: %d requests in progress are answered first', self._connections.busy)
        self._stop_accepting()
        while self._connections.busy and self._signals < 2 and time.monotonic() < deadline:
            self._round(0.05)
        cut = self._connections.busy
        for channel in list(self._connections.active_channels.values()):
            channel.handle_close()
        self._ended = True
        if not cut:
            self._connections.task_dispatcher.shutdown(timeout=1)
            self._connections.trigger.close()
            logging.info('stopped')
            return 0
        logging.warning('stopped with %d requests in progress, which are not answered', cut)
        return 128 + self._signum

    def _stop_accepting(self) -> None:
        """Takes the connections that are made already, lets their requests in, and closes the socket."""
        before = -1
        while before != len(self._sockets):
            before = len(self._sockets)
            self._connections.handle_accept()
        wasyncore.dispatcher.close(self._connections)
        for _ in range(_LAST_CALL):
            self._round(0.0)
        self._app.draining = self._connections.draining = True
        self._on_stop()


def _reason(error: Exception) -> str:
    return getattr(error, 'strerror', None) or str(error)
