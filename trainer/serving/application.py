"""The WSGI application: finds the route of a request, answers it or refuses it in one line, and writes the log."""

from __future__ import annotations

import time
import urllib.parse
from collections.abc import Iterable, Mapping
from typing import Any, Callable

from absl import logging

from trainer import errors
from trainer.serving import http, limits
from trainer.serving.http import Refused, Request, Response, Route

_LONGEST_PATH = 200  # In the log.
_ALWAYS = (('X-Content-Type-Options', 'nosniff'),)
_NOT_STORED = (('Cache-Control', 'no-store'),)
_STOPPING = 'the server is stopping: send the request to another one'


class Application:
    """Answers requests by their routes; every answer is whole before its first byte is sent.

    Attributes:
      draining: refuses what is not in progress yet.
    """

    def __init__(self, routes: Mapping[str, Route], hosts: frozenset[str] = frozenset()):
        """Takes what it answers.

        Args:
          routes: by path.
          hosts: names by which clients may call the server, without ports; empty allows any. For a server on loopback
            they keep pages of other sites from reading its answers under a name that they have pointed to it.
        """
        self.routes, self._hosts = dict(routes), hosts
        self.draining = False

    def __call__(self, environ: dict[str, Any], start_response: Callable) -> Iterable[bytes]:
        """See PEP 3333."""
        begun = time.monotonic()
        method, path = environ['REQUEST_METHOD'], _path(environ)
        response = self._answer(method, path, environ)
        start_response(response.line, _headers(response))
        log(method, path, response.status, len(response.body), begun)
        return [] if method == 'HEAD' else [response.body]

    def _answer(self, method: str, path: str, environ: dict[str, Any]) -> Response:
        try:
            answer = self._found(method, path, environ)
            return answer(Request(method, path, environ['QUERY_STRING'], _named(environ), _body(environ)))
        except Refused as error:
            return http.refusal(error.status, str(error), error.headers)
        except errors.UserError as error:
            return http.refusal(400, str(error))
        except limits.Busy as error:
            return http.refusal(503, str(error), [('Retry-After', str(limits.RETRY_S))])
        except Exception:
            logging.exception('%s %s has failed', method, shown(path))
            return http.refusal(500, 'the server has failed on this request; its log says why')

    def _found(self, method: str, path: str, environ: dict[str, Any]) -> Callable[[Request], Response]:
        name = _name(environ.get('HTTP_HOST', ''))
        if self._hosts and name and name not in self._hosts:
            raise Refused(421, f'this server is not called {shown(name)}: --host=0.0.0.0 lets it answer to any name')
        route = self.routes.get(path)
        if route is None:
            raise Refused(404, f'there is nothing at {shown(path)}')
        answer = route.answers.get('GET' if method == 'HEAD' else method)
        if answer is None:
            raise Refused(405, f'{shown(path)} takes {route.allowed}, not {shown(method)}', ('Allow', route.allowed))
        if self.draining and route.takes:
            raise Refused(503, _STOPPING, ('Retry-After', str(limits.RETRY_S)))
        kind = environ.get('CONTENT_TYPE', '').partition(';')[0].strip().lower()
        if route.takes and kind != route.takes:
            raise Refused(415, f'the body is {shown(kind) or "of no type"}: send Content-Type: {route.takes}')
        return answer


def log(method: str, path: str, status: int, size: int, begun: float) -> None:
    """Writes the line of a request, without anything that it holds."""
    took = 1000 * (time.monotonic() - begun)
    logging.info('%s %s %d %d bytes %.0f ms', shown(method), shown(path), status, size, took)


def shown(text: str) -> str:
    """What a client sent, for the log or for its own answer."""
    return errors.spelled_out(text[:_LONGEST_PATH])


def _headers(response: Response) -> list[tuple[str, str]]:
    given = {pair[0] for pair in response.headers}
    missing = [pair for pair in (*_ALWAYS, *_NOT_STORED) if pair[0] not in given]
    length = ('Content-Length', str(len(response.body)))
    return [('Content-Type', response.content_type), length, *response.headers, *missing]


def _name(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urllib.parse.urlsplit(f'//{host}').hostname or ''
    except ValueError:
        return host


def _path(environ: dict[str, Any]) -> str:
    return environ['PATH_INFO'].encode('latin-1').decode('utf-8', 'replace')


def _named(environ: dict[str, Any]) -> dict[str, str]:
    found = {name[5:].replace('_', '-').lower(): value for name, value in environ.items() if name.startswith('HTTP_')}
    return {**found, 'content-type': environ.get('CONTENT_TYPE', '')}


def _body(environ: dict[str, Any]) -> bytes:
    return environ['wsgi.input'].read()
