"""The API of an official account: an access token, pictures up and down, and messages outside of replies.

Sources: developers.weixin.qq.com/doc/service/en/api, getStableAccessToken, uploadTempMedia, getMedia,
sendCustomMessage. The stable token is used because fetching it does not invalidate that of another process, and
because its request carries the secret in its body and not in its URL.
"""

from __future__ import annotations

import json
import secrets
import threading
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from trainer.chatting import http_client
from trainer.chatting.http_client import Failed

BASE_URL = 'https://api.weixin.qq.com'
MOST_PICTURE_BYTES = 10 << 20
_MOST_ANSWER = 1 << 20
_STALE = (40001, 40014, 42001)  # The token is wrong, malformed or expired; a new one helps.
_BUSY = -1  # "System busy", which WeChat says to repeat.
_EARLY_S = 300  # WeChat renews a token that long before its end.
_PAUSE_S = 0.2
_MEANINGS = {
    40164: "this server's address is not in the list of IP addresses of the account",
    45009: 'the daily limit of the account is used up',
    45015: 'the person has not written for 48 hours',
    45047: 'too many messages in a row',
    48001: 'the account may not do this; it needs to be verified',
}


class ApiError(Exception):
    """The API refuses or does not answer. The message has no secrets.

    Attributes:
      code: WeChat's errcode; 0 if there is none.
    """

    def __init__(self, reason: str, code: int = 0):
        super().__init__(reason)
        self.code = code


class OfficialApi:
    """The calls of one account; for several threads."""

    def __init__(self, app_id: str, secret: str, base_url: str = BASE_URL, timeout_s: float = 10):
        self._app_id, self._secret, self._base, self._timeout_s = app_id, secret, base_url, timeout_s
        self._lock, self._token, self._until = threading.Lock(), '', 0.0

    def upload(self, picture: bytes) -> str:
        """Uploads a PNG file, which WeChat keeps for 3 days; returns its media id.

        Raises:
          ApiError: it is not accepted.
        """
        boundary = secrets.token_hex(16)
        body = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="media"; filename="picture.png"\r\n'
            'Content-Type: image/png\r\n\r\n'
        ).encode()
        body += picture + f'\r\n--{boundary}--\r\n'.encode()
        headers = {'Content-Type': f'multipart/form-data; boundary={boundary}'}
        media_id = self._object('media/upload', {'type': 'image'}, body, headers).get('media_id')
        if not isinstance(media_id, str) or not media_id:
            raise ApiError('an answer without a media id')
        return media_id

    def picture(self, media_id: str) -> bytes:
        """Downloads a picture that a person sent.

        Raises:
          ApiError: it cannot be had.
        """
        return self._call('media/get', {'media_id': media_id})

    def send(self, person: str, kind: str, content: Mapping[str, str]) -> None:
        """Sends a customer-service message: `kind` 'text' with 'content', or 'image' with 'media_id'.

        Raises:
          ApiError: the account may not, the person has not written lately, or it is not accepted.
        """
        message = {'touser': person, 'msgtype': kind, kind: dict(content)}
        body = json.dumps(message, ensure_ascii=False).encode(
            'utf-8', 'replace'
        )  # WeChat would show \u escapes as they are.
        self._object('message/custom/send', {}, body, {'Content-Type': 'application/json'})

    def _object(self, path: str, query: Mapping[str, str], body: bytes, headers: Mapping[str, str]) -> dict[str, Any]:
        found = _as_object(self._call(path, query, body, headers))
        if found is None:
            raise ApiError('an answer that is not JSON')
        return found

    def _call(
        self, path: str, query: Mapping[str, str], body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> bytes:
        """One call with a token; once more with a new one if it is stale, or if the API asks to."""
        failed = ApiError('')
        for last in (False, True):
            token = ''
            try:
                token = self._access_token()
                asked = urllib.parse.urlencode({'access_token': token, **query})
                return self._answer(f'{self._base}/cgi-bin/{path}?{asked}', body, headers)
            except ApiError as error:
                failed = error
                if last or not (error.code in (*_STALE, _BUSY) or 500 <= error.code < 600):
                    break
                if error.code in _STALE:
                    self._forget(token)
                else:
                    time.sleep(_PAUSE_S)
        raise failed

    def _answer(self, address: str, body: bytes | None, headers: Mapping[str, str] | None = None) -> bytes:
        try:
            data, _ = http_client.fetch(
                address, body, headers, timeout_s=self._timeout_s,
                most_bytes=MOST_PICTURE_BYTES if body is None else _MOST_ANSWER,
            )  # fmt: skip
        except Failed as error:
            raise ApiError(str(error), error.status) from None
        code = (_as_object(data) or {}).get('errcode', 0)
        if isinstance(code, int) and code:
            raise ApiError(f'errcode {code}' + (f', {_MEANINGS[code]}' if code in _MEANINGS else ''), code)
        return data

    def _access_token(self) -> str:
        with self._lock:  # One thread fetches it, the others wait.
            if time.monotonic() >= self._until:
                asked = {'grant_type': 'client_credential', 'appid': self._app_id, 'secret': self._secret}
                answer = self._answer(f'{self._base}/cgi-bin/stable_token', json.dumps(asked).encode())
                found = _as_object(answer) or {}
                token, seconds = found.get('access_token'), found.get('expires_in')
                if not isinstance(token, str) or not token or not isinstance(seconds, int):
                    raise ApiError('an answer without a token')
                self._token, self._until = token, time.monotonic() + max(seconds - _EARLY_S, 1)
            return self._token

    def _forget(self, token: str) -> None:
        with self._lock:
            if self._token == token:  # Another thread may have a new one already.
                self._until = 0.0


def _as_object(data: bytes) -> dict[str, Any] | None:
    """JSON with an object at its top, as a dict; None for everything else, such as a picture."""
    if data[:1] != b'{':
        return None
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) else None
