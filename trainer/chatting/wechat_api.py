"""The API of an official account: an access token, pictures up and down, and messages outside of replies.

Sources: developers.weixin.qq.com/doc/service/en/api, getStableAccessToken, uploadTempMedia, getMedia,
sendCustomMessage. The stable token is used because fetching it does not invalidate that of another process, and
because its request carries the secret in its body and not in its URL.
"""

from __future__ import annotations

import contextlib
import re
from typing import Any

from trainer.chatting import http_client
from trainer.chatting.http_client import Failed

BASE_URL = 'https://api.weixin.qq.com'
_PICTURES = 'https://*.qpic.cn'  # Where WeChat keeps what people send.
_MOST_BYTES = 10 << 20
_PICTURE_S = 5
_STALE = (40001, 40014, 42001)  # The token is wrong, malformed or expired; a new one helps.
_PASSING = (*_STALE, -1)  # The last is "system busy", which WeChat says to repeat.
_FIELDS = {'text': 'content', 'image': 'media_id'}  # What the content of each kind of message is called.


class OfficialApi:
    """The calls of one account; for several threads. Each raises http_client.Failed if it does not succeed."""

    def __init__(self, app_id: str, secret: str, base_url: str = BASE_URL, timeout_s: float = 10):
        self._account = {'grant_type': 'client_credential', 'appid': app_id, 'secret': secret}
        self._base, self._timeout_s, self._token = base_url, timeout_s, ''

    def upload(self, picture: bytes) -> str:
        """Uploads a PNG file, which WeChat keeps for 3 days; returns its media id."""
        answer = self._call('media/upload', {'type': 'image'}, files={'media': ('picture.png', picture, 'image/png')})
        return http_client.text(http_client.read(answer), 'media_id', 'a media id')

    def picture(self, url: str, media_id: str) -> bytes:
        """Downloads a picture that a person sent: by its URL, which needs no rights, or else by its id."""
        own = (self._base,) if self._base.startswith('http:') else ()  # A stand-in on loopback has pictures too.
        for candidate in (url, re.sub('^http:', 'https:', url)):  # WeChat names it with http.
            if http_client.is_of(candidate, (_PICTURES, *own)):
                with contextlib.suppress(Failed):
                    return http_client.fetch(candidate, timeout_s=_PICTURE_S, most_bytes=_MOST_BYTES)[0]
        return self._call('media/get', {'media_id': media_id})

    def send(self, person: str, kind: str, content: str) -> None:
        """Sends a customer-service message: `kind` is 'text', or 'image' with a media id as its content."""
        message = {'touser': person, 'msgtype': kind, kind: {_FIELDS[kind]: content}}
        self._call('message/custom/send', {}, data=http_client.as_json(message))

    def _call(self, path: str, query: dict[str, str], **content: Any) -> bytes:
        """One call with a token, which is kept until WeChat refuses it; once more if the failure is one that passes."""

        def ask() -> bytes:
            token = self._token = self._token or self._new_token()
            try:
                return self._answer(path, params={'access_token': token, **query}, **content)
            except Failed as error:
                if error.code in _STALE:
                    self._token = ''
                raise

        return http_client.retried(ask, 2, lambda error: error.code in _PASSING or error.status >= 500)

    def _new_token(self) -> str:
        answer = self._answer('stable_token', data=http_client.as_json(self._account))
        return http_client.text(http_client.read(answer), 'access_token', 'a token')

    def _answer(self, path: str, **content: Any) -> bytes:
        address = f'{self._base}/cgi-bin/{path}'
        data, _ = http_client.fetch(address, timeout_s=self._timeout_s, most_bytes=_MOST_BYTES, **content)
        if data.startswith(b'{'):  # No picture does.
            http_client.read(data)
        return data
