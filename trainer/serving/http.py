"""A request and a response, apart from any server or framework."""

from __future__ import annotations

import dataclasses
import http
from collections.abc import Mapping, Sequence
from typing import Any, Callable

import msgspec

from trainer import errors

JSON = 'application/json'


@dataclasses.dataclass(frozen=True)
class Request:
    """What a client asks.

    Attributes:
      method: in capitals.
      path: decoded, without the query.
      query: as sent, after the '?'.
      headers: by their names in small letters.
      body: whole.
    """

    method: str
    path: str
    query: str = ''
    headers: Mapping[str, str] = dataclasses.field(default_factory=dict)
    body: bytes = b''


@dataclasses.dataclass(frozen=True)
class Response:
    """What the server answers; its length and the common headers are added to it."""

    status: int
    content_type: str
    body: bytes
    headers: Sequence[tuple[str, str]] = ()

    @property
    def line(self) -> str:
        """The status with its reason, such as '200 OK'."""
        return f'{self.status} {http.HTTPStatus(self.status).phrase}'


@dataclasses.dataclass(frozen=True)
class Route:
    """A path of the application.

    Attributes:
      answers: by method; HEAD is answered as GET, without the body.
      takes: the content type of a POST; '' for any.
    """

    answers: Mapping[str, Callable[[Request], Response]]
    takes: str = ''

    @property
    def allowed(self) -> str:
        """Its methods, for the header Allow."""
        return ', '.join(sorted({*self.answers, *(['HEAD'] if 'GET' in self.answers else [])}))


class Refused(errors.UserError):
    """A request that gets an error as its answer."""

    def __init__(self, status: int, message: str, *headers: tuple[str, str]):
        """Takes the HTTP status, one line for the client, and headers such as Allow."""
        super().__init__(message)
        self.status, self.headers = status, headers


def json(content: Any, status: int = 200) -> Response:
    """A response of JSON."""
    return Response(status, JSON, msgspec.json.encode(content))


def refusal(status: int, message: str, headers: Sequence[tuple[str, str]] = ()) -> Response:
    """The response to a request that is not answered: JSON with one line."""
    return Response(status, JSON, msgspec.json.encode({'error': errors.one_line(message)}), headers)
