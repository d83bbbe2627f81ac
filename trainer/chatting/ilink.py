"""The requests of WeChat's iLink bot protocol: a QR code to log in, a long poll for messages, no public server.

Source: Tencent/openclaw-weixin (MIT), docs/protocol.md and src/api, version 2.4.8, and what issues of other clients
found beyond it: without the two iLink-App headers getupdates answers -14 (QwenLM/qwen-code#2908), and without the
context token getuploadurl answers -2 (NousResearch/hermes-agent#83761).
"""

from __future__ import annotations

import base64
import dataclasses
import json
import secrets
import urllib.parse
from collections.abc import Mapping
from typing import Any

from trainer.chatting import http_client
from trainer.chatting.http_client import Failed
from trainer.chatting.ilink_messages import Incoming, dicts, incoming

BASE_URL = 'https://ilinkai.weixin.qq.com'
ORIGINS = ('https://*.weixin.qq.com',)  # The token is sent nowhere else.
_VERSION = (2, 4, 8)  # Of the protocol.
_AGENT = 'tpu-dcgan/0.1.0'
_FROM_BOT, _FINISHED, _BOT_TYPE = 2, 2, 3
_STALE = -14
_USUAL_S, _POLL_S, _MOST_POLL_S, _SLACK_S = 15, 35, 60, 5
_MOST_BYTES = 4 << 20


class Refused(Exception):
    """The server answers with an error. The message has no secrets.

    Attributes:
      code: its ret or errcode.
    """

    def __init__(self, code: int):
        super().__init__(f'error {code}')
        self.code = code


class Expired(Refused):
    """The bot token is no longer valid: somebody has to scan a new QR code."""


@dataclasses.dataclass(frozen=True)
class Scan:
    """How far a QR code is: its status in the words of the protocol, and what comes with 'confirmed'."""

    status: str
    token: str = ''
    base_url: str = ''


class Ilink:
    """The requests of one bot; for one thread."""

    def __init__(self, token: str = '', base_url: str = BASE_URL, origins: tuple[str, ...] = ORIGINS):
        """Takes the bot token, the server, and where the server may send the client."""
        self.token, self.base_url, self._origins = token, base_url, origins
        self._poll_s = float(_POLL_S)

    def qr_code(self) -> tuple[str, str]:
        """A new QR code: its id, and what it shows."""
        found = self._post(f'get_bot_qrcode?bot_type={_BOT_TYPE}', {'local_token_list': []}, plain=True)
        return _text(found, 'qrcode'), _text(found, 'qrcode_img_content')

    def scan(self, code: str, verification: str = '') -> Scan:
        """Waits for the next step of a QR code; 'wait' if there is none for a while.

        Args:
          code: its id.
          verification: the number that the phone showed.
        """
        query = {'qrcode': code, **({'verify_code': verification} if verification else {})}
        try:
            found = self._get(f'get_qrcode_status?{urllib.parse.urlencode(query)}')
        except Failed as error:
            if error.timed_out:
                return Scan('wait')
            raise
        status = _text(found, 'status')
        if status == 'scaned_but_redirect':
            scheme = urllib.parse.urlsplit(self.base_url).scheme
            self.base_url = self.allowed(f'{scheme}://{_text(found, "redirect_host")}')
        if status != 'confirmed':
            return Scan(status)
        base_url = found.get('baseurl') or self.base_url
        return Scan(status, _text(found, 'bot_token'), self.allowed(str(base_url)))

    def updates(self, cursor: str) -> tuple[list[Incoming], str]:
        """Waits for messages; returns them and the next cursor. No message for half a minute is usual.

        Raises:
          Expired: the token is no longer valid.
        """
        try:
            found = self._post('getupdates', {'get_updates_buf': cursor}, self._poll_s + _SLACK_S)
        except Failed as error:
            if error.timed_out:
                return [], cursor
            raise
        suggested = found.get('longpolling_timeout_ms')
        if isinstance(suggested, (int, float)):
            self._poll_s = min(max(suggested / 1000, 1), _MOST_POLL_S)
        next_cursor = found.get('get_updates_buf')
        read = [incoming(message) for message in dicts(found.get('msgs'))]
        return [message for message in read if message], next_cursor if isinstance(next_cursor, str) else cursor

    def send(self, to: Incoming, item: Mapping[str, Any], client_id: str) -> None:
        """Answers a message by one item. A repeated call has the same client id.

        Raises:
          Refused: too fast, or the context is too old.
        """
        message = {
            'from_user_id': '', 'to_user_id': to.person, 'client_id': client_id, 'message_type': _FROM_BOT,
            'message_state': _FINISHED, 'context_token': to.context, 'item_list': [dict(item)],
        }  # fmt: skip
        self._post('sendmessage', {'msg': message})

    def upload_place(self, to: Incoming, file: Mapping[str, Any]) -> dict[str, Any]:
        """Where a picture for this person is to be sent: upload_full_url, or upload_param."""
        return self._post('getuploadurl', {'to_user_id': to.person, 'context_token': to.context, **file})

    def announce(self, event: str) -> None:
        """Says that the client starts ('notifystart') or stops ('notifystop'), as far as the server listens."""
        self._post(f'msg/{event}', {}, timeout_s=3)

    def _get(self, path: str) -> dict[str, Any]:
        data, _ = http_client.fetch(
            f'{self.base_url}/ilink/bot/{path}', None, _app(), timeout_s=_POLL_S + _SLACK_S, most_bytes=_MOST_BYTES
        )
        return _checked(data)

    def _post(
        self, path: str, content: Mapping[str, Any], timeout_s: float = _USUAL_S, plain: bool = False
    ) -> dict[str, Any]:
        """One POST with the token and, unless it is `plain`, with base_info."""
        info = {} if plain else {'base_info': {'channel_version': '.'.join(map(str, _VERSION)), 'bot_agent': _AGENT}}
        headers = {
            'Content-Type': 'application/json',
            'AuthorizationType': 'ilink_bot_token',
            'X-WECHAT-UIN': base64.b64encode(str(secrets.randbits(32)).encode()).decode(),
            **({'Authorization': f'Bearer {self.token}'} if self.token and not plain else {}),
            **_app(),
        }
        body = json.dumps({**content, **info}, ensure_ascii=False).encode('utf-8', 'replace')
        data, _ = http_client.fetch(
            f'{self.base_url}/ilink/bot/{path}', body, headers, timeout_s=timeout_s, most_bytes=_MOST_BYTES
        )
        return _checked(data)

    def allowed(self, url: str) -> str:
        """The address of a server, if the token may be sent there; else raises Failed."""
        url = url.rstrip('/')
        if not http_client.is_of(url, self._origins):
            raise Failed('a server of somebody else')
        return url


def _app() -> dict[str, str]:
    major, minor, patch = _VERSION
    return {'iLink-App-Id': 'bot', 'iLink-App-ClientVersion': str(major << 16 | minor << 8 | patch)}


def _checked(data: bytes) -> dict[str, Any]:
    """The answer as a dict without error; Failed if it is something else, Expired or Refused for an error."""
    try:
        found = json.loads(data)
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise Failed('an answer that is no JSON object')
    for code in (found.get('errcode'), found.get('ret')):
        if isinstance(code, int) and code:
            raise Expired(code) if code == _STALE else Refused(code)
    return found


def _text(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if not isinstance(value, str) or not value:
        raise Failed(f'an answer without {name}')
    return value
