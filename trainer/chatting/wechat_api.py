"""The API of an official account: an access token, pictures up and down, and messages outside of replies.

Sources: developers.weixin.qq.com/doc/service/en/api, getStableAccessToken, uploadTempMedia, getMedia,
sendCustomMessage. The stable token is used because fetching it does not invalidate that of another process, and
because its request carries the secret in its body and not in its URL.
"""

from __future__ import annotations

import json
import re
import threading
import time
from typing import Any, Callable

from absl import logging

from trainer.chatting import http_client
from trainer.chatting.http_client import Failed

BASE_URL = 'https://api.weixin.qq.com'
_PICTURES = 'https://*.qpic.cn'  # Where WeChat keeps what people send.
_MOST_BYTES = 10 << 20
_PICTURE_S, _PAUSE_S = 5, 0.2
_STALE = (40001, 40014, 42001)  # The token is wrong, malformed or expired; a new one helps.
_BUSY = -1  # "System busy", which WeChat says to repeat.
_EARLY_S = 300  # WeChat renews a token that long before its end.
_FIELDS = {'text': 'content', 'image': 'media_id'}  # What the content of each kind of message is called.


class OfficialApi:
    """The calls of one account; for several threads. Each raises http_client.Failed if it does not succeed."""

    def __init__(self, app_id: str, secret: str, base_url: str = BASE_URL, timeout_s: float = 10):
        self._app_id, self._secret, self._base, self._timeout_s = app_id, secret, base_url, timeout_s
        self._lock, self._token, self._until = threading.Lock(), '', 0.0

    def upload(self, picture: bytes) -> str:
        """Uploads a PNG file, which WeChat keeps for 3 days; returns its media id."""
        files = {'media': ('picture.png', picture, 'image/png')}
        found = self._call('media/upload', http_client.read, {'type': 'image'}, files=files)
        return http_client.text(found, 'media_id', 'a media id')

    def picture(self, url: str, media_id: str) -> bytes:
        """Downloads a picture that a person sent: by its URL, which needs no rights, or else by its id."""
        own = (self._base,) if self._base.startswith('http:') else ()  # A stand-in on loopback has pictures too.
        for candidate in dict.fromkeys((url, re.sub('^http:', 'https:', url))):  # WeChat names it with http.
            if http_client.is_of(candidate, (_PICTURES, *own)):
                try:
                    return http_client.fetch(candidate, timeout_s=_PICTURE_S, most_bytes=_MOST_BYTES)[0]
                except Failed as error:
                    logging.info('WeChat: a picture did not come from its URL: %s', error)
        return self._call('media/get', _file, {'media_id': media_id})

    def send(self, person: str, kind: str, content: str) -> None:
        """Sends a customer-service message: `kind` is 'text', or 'image' with a media id as its content."""
        message = {'touser': person, 'msgtype': kind, kind: {_FIELDS[kind]: content}}
        body = json.dumps(message, ensure_ascii=False).encode(
            'utf-8', 'replace'
        )  # WeChat shows \u escapes as they are.
        self._call('message/custom/send', http_client.read, {}, data=body)

    def _call(self, path: str, read: Callable[[bytes], Any], query: dict[str, str], **content: Any) -> Any:
        """One call with a token; once more, with a new one if it is stale, if the failure is one that passes."""

        def ask() -> Any:
            token = self._access_token()
            try:
                return self._answer(path, read, params={'access_token': token, **query}, **content)
            except Failed as error:
                with self._lock:
                    if error.code in _STALE and self._token == token:  # Another thread may have a new one already.
                        self._until = 0.0
                raise

        return http_client.retried(ask, [_PAUSE_S], lambda error: error.code in (*_STALE, _BUSY) or error.status >= 500)

    def _answer(self, path: str, read: Callable[[bytes], Any], **content: Any) -> Any:
        address = f'{self._base}/cgi-bin/{path}'
        return read(http_client.fetch(address, timeout_s=self._timeout_s, most_bytes=_MOST_BYTES, **content)[0])

    def _access_token(self) -> str:
        with self._lock:  # One thread fetches it, the others wait.
            if time.monotonic() >= self._until:
                asked = {'grant_type': 'client_credential', 'appid': self._app_id, 'secret': self._secret}
                found = self._answer('stable_token', http_client.read, data=json.dumps(asked))
                self._token = http_client.text(found, 'access_token', 'a token')
                self._until = time.monotonic() + max(http_client.at(found, 'expires_in', kind=int) - _EARLY_S, 1)
            return self._token


def _file(data: bytes) -> bytes:
    """A picture as it is; an object is an error instead of one."""
    if data.startswith(b'{'):
        http_client.read(data)
    return data
