"""HTTP requests to the platforms: bounded in time and size, never redirected, and silent about their URLs.

The URLs of WeChat carry access tokens. `requests` would name them in its errors and log them at DEBUG.
"""

from __future__ import annotations

import http.client
import re
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from email.message import Message

from trainer import errors

_PIECE = 1 << 16
_LOOPBACK = ('127.0.0.1', 'localhost')
_HOST = re.compile(r'[a-z0-9.-]+(:[0-9]+)?')


class Failed(Exception):
    """A request without the answer that it needs. The message names neither the URL nor what was sent.

    Attributes:
      status: of HTTP; 0 if there is none.
      timed_out: whether no answer came in time, so that nobody knows what the other side did.
    """

    def __init__(self, reason: str, status: int = 0, timed_out: bool = False):
        super().__init__(reason)
        self.status, self.timed_out = status, timed_out


class _Stay(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it could lead to an address inside this network."""

    def redirect_request(self, *_: object) -> None:
        return None


_opener = urllib.request.build_opener(_Stay)


def fetch(
    url: str, data: bytes | None = None, headers: Mapping[str, str] | None = None, *, timeout_s: float, most_bytes: int
) -> tuple[bytes, Message]:
    """Sends GET, or POST if there are data; returns the body and the headers of a 200.

    Args:
      url: of http or https.
      data: the body of a POST.
      headers: more headers.
      timeout_s: until the whole answer is there.
      most_bytes: of the answer.

    Raises:
      Failed: another status, a redirect, no answer in time, or a longer one.
    """
    end = time.monotonic() + timeout_s
    try:
        if not url.startswith(('http://', 'https://')):  # urllib reads files, too.
            raise ValueError
        request = urllib.request.Request(url, data, dict(headers or {}))
        with _opener.open(request, timeout=timeout_s) as answer:
            if answer.status != 200:
                raise Failed(f'HTTP {answer.status}', answer.status)
            body = bytearray()
            while piece := answer.read1(_PIECE):
                body += piece
                if len(body) > most_bytes:
                    raise Failed(f'an answer of more than {most_bytes:,} bytes')
                if time.monotonic() > end:
                    raise TimeoutError
            if len(body) < int(answer.headers.get('Content-Length') or 0):
                raise Failed('an answer that was cut short')
            return bytes(body), answer.headers
    except urllib.error.HTTPError as error:
        error.close()
        raise Failed(f'HTTP {error.code}', error.code) from None
    except (OSError, http.client.HTTPException, ValueError) as error:
        cause = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(cause, (TimeoutError, socket.timeout)):  # Two types in Python 3.9.
            raise Failed(f'no answer within {timeout_s:g} s', timed_out=True) from None
        raise Failed(type(cause).__name__) from None


def is_of(url: str, origins: Sequence[str]) -> bool:
    """Whether a URL is of one of these origins, such as 'https://api.weixin.qq.com' or 'https://*.qpic.cn'."""
    try:
        parts = urllib.parse.urlsplit(url)
    except ValueError:
        return False
    host = parts.netloc.lower()
    if not _HOST.fullmatch(host):
        return False
    for origin in origins:
        scheme, _, allowed = origin.partition('://')
        below = allowed.startswith('*') and host.endswith(allowed[1:])
        if parts.scheme == scheme and (host == allowed or below):
            return True
    return False


def base_url(name: str, value: str) -> str:
    """An address of a platform as a variable of the environment gives it, without a slash at its end.

    Raises:
      errors.UserError: it is not https, which secrets need on any network but loopback.
    """
    parts = urllib.parse.urlsplit(value)
    if parts.scheme == 'https' and parts.hostname or parts.scheme == 'http' and parts.hostname in _LOOPBACK:
        return value.rstrip('/')
    raise errors.UserError(f'{name}={value} must begin with https://, or with http://127.0.0.1: for tests')
