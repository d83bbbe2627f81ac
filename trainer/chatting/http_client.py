"""Requests to the platforms and their answers: bounded in time and size, never redirected, silent about their URLs."""

from __future__ import annotations

import fnmatch
import json
import logging as python_logging
import random
import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import requests
import urllib3
from absl import logging

from trainer import errors

T = TypeVar('T')
Sleep = Callable[[float], None]
Answer = tuple[bytes, Mapping[str, str]]  # The body and the headers.
_PIECE = 1 << 16
_FIRST_S, _LONGEST_S = 1.0, 60.0  # Pauses between tries.
_ORIGIN = re.compile(r'https?://[a-z0-9.-]+(:[0-9]+)?(?=[/?#]|\Z)', re.ASCII | re.IGNORECASE)  # Without a user.
_FOR_SECRETS = ('https://*', *(f'http://{host}{port}' for host in ('127.0.0.1', 'localhost') for port in ('', ':*')))
_MEANINGS = {
    40164: ", this server's address is not in the list of IP addresses of the account",
    45009: ', the daily limit of the account is used up',
    45015: ', the person has not written for 48 hours',
    45047: ', too many messages in a row',
    48001: ', the account may not do this; it needs to be verified',
}

# WeChat's URLs carry access tokens. urllib3 logs all of them at DEBUG, and some in warnings.
python_logging.getLogger('urllib3').propagate = False


class Failed(Exception):
    """A request or an answer that is not good. The message names neither the URL nor what was sent.

    Attributes:
      status: of HTTP; 0 if there is none.
      code: of the error that the platform names; 0 for none.
      timed_out: whether no answer came in time, so that nobody knows what the other side did.
    """

    def __init__(self, reason: str, status: int = 0, code: int = 0, timed_out: bool = False):
        super().__init__(reason)
        self.status, self.code, self.timed_out = status, code, timed_out


def fetch(url: str, *, timeout_s: float, most_bytes: int, **content: Any) -> Answer:
    """Sends GET, or POST if there are data or files; returns the body and the headers of a 200.

    Args:
      url: of http or https.
      timeout_s: until the whole answer is there.
      most_bytes: of the answer.
      **content: `headers`, `params`, `data` and `files`, as `requests` takes them.

    Raises:
      Failed: another status, a redirect, no answer in time, or a longer one.
    """
    end, body = time.monotonic() + timeout_s, bytearray()
    content['headers'] = {'Accept-Encoding': 'identity', **content.get('headers', {})}  # So that the limit is exact.
    method = 'POST' if content.get('data') or content.get('files') else 'GET'
    # What takes the place of a password keeps `requests` from sending one of ~/.netrc.
    usual: dict[str, Any] = dict(timeout=timeout_s, allow_redirects=False, stream=True, auth=lambda asked: asked)
    try:
        with requests.request(method, url, **usual, **content) as answer:
            if answer.status_code != 200:
                raise Failed(f'HTTP {answer.status_code}', answer.status_code)
            while piece := answer.raw.read1(_PIECE):
                body += piece
                if len(body) > most_bytes:
                    raise Failed(f'an answer of more than {most_bytes:,} bytes')
                if time.monotonic() > end:
                    raise requests.Timeout
            return bytes(body), answer.headers
    except (requests.Timeout, urllib3.exceptions.ReadTimeoutError):
        raise Failed(f'no answer within {timeout_s:g} s', timed_out=True) from None
    except urllib3.exceptions.HTTPError:  # `requests` translates it only where it reads the body itself.
        raise Failed('an answer that was cut short') from None
    except (OSError, ValueError) as error:
        raise Failed(type(error).__name__) from None


def read(data: bytes) -> dict[str, Any]:
    """The JSON object of an answer of WeChat.

    Raises:
      Failed: it is none, or names an error.
    """
    try:
        found = json.loads(data)  # msgspec would refuse all messages for half a character in one.
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Failed('an answer that is not JSON')
    if code := at(found, 'errcode', kind=int) or at(found, 'ret', kind=int):
        raise Failed(f'errcode {code}{_MEANINGS.get(code, "")}', code=code)
    return found


def at(value: Any, *names: object, kind: type = str) -> Any:
    """What an object has below these names, if it is of this type; else the type's empty value."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, kind) else kind()


def text(found: dict[str, Any], name: str, called: str = '') -> str:
    """A text that an answer must have.

    Raises:
      Failed: it has none.
    """
    if value := at(found, name):
        return value
    raise Failed(f'an answer without {called or name}')


def retried(ask: Callable[[], T], tries: int, passes: Callable[[Failed], bool], sleep: Sleep = time.sleep) -> T:
    """What `ask` returns, which is called again, after longer and longer pauses, if its failure is one that passes.

    Args:
      ask: raises Failed.
      tries: at most; 0 for as many as it takes.
      passes: whether a failure may pass.
      sleep: waits for a number of seconds, at most a minute: at random, so that many clients do not come together.
    """
    done = 0
    while True:
        try:
            return ask()
        except Failed as error:
            done += 1
            if done == tries or not passes(error):
                raise
            pause = min(_FIRST_S * 2 ** min(done - 1, 9), _LONGEST_S) * random.uniform(0.5, 1)
            logging.warning('WeChat does not answer (%s); again in %.1f s', error, pause)
            sleep(pause)


def as_json(content: Mapping[str, Any]) -> bytes:
    """The content for WeChat, without the escapes that it would show as they are."""
    return json.dumps(content, ensure_ascii=False).encode('utf-8', 'replace')


def is_of(url: str, origins: Sequence[str]) -> bool:
    """Whether a URL is of one of these origins, such as 'https://api.weixin.qq.com' or 'https://*.qpic.cn'."""
    origin = _ORIGIN.match(url)
    return origin is not None and any(fnmatch.fnmatchcase(origin[0].lower(), allowed) for allowed in origins)


def base_url(name: str, value: str) -> str:
    """An address of a platform as a variable of the environment gives it, without a slash at its end.

    Raises:
      errors.UserError: it is not https, which secrets need on any network but loopback.
    """
    if not is_of(value, _FOR_SECRETS):
        raise errors.UserError(f'{name}={value} must begin with https://, or with http://127.0.0.1: for tests')
    return value.rstrip('/')
