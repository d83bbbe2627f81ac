"""WeChat's iLink bot protocol: a QR code to log in, a long poll for messages, pictures on a CDN, no public server.

Source: Tencent/openclaw-weixin (MIT), docs/protocol.md, src/api and src/cdn, version 2.4.8, and what issues of other
clients found beyond it: without the two iLink-App headers getupdates answers -14 (QwenLM/qwen-code#2908), without the
context token getuploadurl answers -2 (NousResearch/hermes-agent#83761), and pictures need mid_size, and their key as
base64 of its hexadecimal digits (Lingtai-AI/lingtai#82).
"""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import secrets
import urllib.parse
from collections.abc import Mapping
from typing import Any, NamedTuple

from trainer.chatting import http_client, wechat_crypto
from trainer.chatting.http_client import Failed, at, read, text

EXPIRED, THROTTLED = -14, -2  # Codes of errors.
TEXT, IMAGE, VOICE = 1, 2, 3  # Types of items.
_URL, _CDN_URL = 'https://ilinkai.weixin.qq.com', 'https://novac2c.cdn.weixin.qq.com/c2c'
_SERVERS = ('https://*.weixin.qq.com',)  # The token is sent nowhere else.
_PICTURES = ('https://*.qq.com', 'https://*.qpic.cn')
_APP = {'iLink-App-Id': 'bot', 'iLink-App-ClientVersion': str(2 << 16 | 4 << 8 | 8)}
_JSON = {'Content-Type': 'application/json', 'AuthorizationType': 'ilink_bot_token'}
_INFO = {'base_info': {'channel_version': '2.4.8', 'bot_agent': 'tpu-dcgan/0.1.0'}}
_FROM_PERSON, _FROM_BOT, _FINISHED, _IMAGE_MEDIA = 1, 2, 2, 1
_USUAL_S, _POLL_S, _PICTURE_S = 15, 40, 30  # WeChat answers a poll after 35 s.
_MOST_BYTES, _MOST_PICTURE_BYTES = 4 << 20, 20 << 20


class Incoming(NamedTuple):
    """A message from a person.

    Attributes:
      id: of the message.
      person: who wrote it.
      context: the token that every answer must carry.
      text: its words.
      image: the image_item; empty for none.
    """

    id: str
    person: str
    context: str
    text: str
    image: dict[str, Any]


class Ilink:
    """The requests of one bot; for one thread. Each raises http_client.Failed if it does not succeed.

    Attributes:
      token: of the bot; '' before somebody has confirmed a QR code.
      base_url: its server.
      cursor: behind the last message that was received.
    """

    def __init__(self, own_url: str = ''):
        """Takes a server to ask instead of WeChat's, which has the pictures too."""
        self._first_url = own_url or _URL
        self.token, self.base_url, self.cursor = '', self._first_url, ''
        self._cdn_url, self._own = f'{own_url}/c2c' if own_url else _CDN_URL, (own_url,) if own_url else ()

    def qr_code(self) -> tuple[str, str]:
        """A new QR code, which ends what was before: its id, and what it shows."""
        self.token, self.base_url, self.cursor = '', self._first_url, ''
        found = self._ask('get_bot_qrcode?bot_type=3', {'local_token_list': []})
        return text(found, 'qrcode'), text(found, 'qrcode_img_content')

    def scan(self, code: str, number: str = '') -> str:
        """Waits for the next status of a QR code, in the words of the protocol; 'wait' if there is none for a while.

        When it is 'confirmed', this client has its token.

        Args:
          code: its id.
          number: that the phone showed.
        """
        query = urllib.parse.urlencode({'qrcode': code, **({'verify_code': number} if number else {})})
        found = self._ask(f'get_qrcode_status?{query}', timeout_s=_POLL_S)
        status = text(found, 'status')
        if status == 'scaned_but_redirect':
            self.base_url = self.allowed(f'{self.base_url.partition(":")[0]}://{text(found, "redirect_host")}')
        elif status == 'confirmed':
            self.base_url = self.allowed(at(found, 'baseurl') or self.base_url)
            self.token = text(found, 'bot_token')
        return status

    def updates(self) -> list[Incoming]:
        """Waits for messages, and moves the cursor behind them. No message for half a minute is usual."""
        found = self._ask('getupdates', {'get_updates_buf': self.cursor, **_INFO}, _POLL_S)
        self.cursor = at(found, 'get_updates_buf') or self.cursor
        return list(filter(None, map(_incoming, at(found, 'msgs', kind=list))))

    def send(self, to: Incoming, item: Mapping[str, Any], client_id: str) -> None:
        """Answers a message by one item. A repeated call has the same client id."""
        message = {
            'from_user_id': '', 'to_user_id': to.person, 'client_id': client_id, 'message_type': _FROM_BOT,
            'message_state': _FINISHED, 'context_token': to.context, 'item_list': [item],
        }  # fmt: skip
        self._ask('sendmessage', {'msg': message, **_INFO})

    def announce(self, event: str) -> None:
        """Says that the client starts ('notifystart') or stops ('notifystop'), as far as the server listens."""
        with contextlib.suppress(Failed):
            self._ask(f'msg/{event}', _INFO, timeout_s=3)

    def uploaded(self, to: Incoming, picture: bytes) -> dict[str, Any]:
        """Uploads a picture for the answer to a message, encrypted; returns the item to send."""
        key, name = secrets.token_bytes(16), secrets.token_hex(16)
        encrypted = wechat_crypto.encrypted(picture, key)
        file = {
            'filekey': name, 'media_type': _IMAGE_MEDIA, 'rawsize': len(picture), 'filesize': len(encrypted),
            'rawfilemd5': hashlib.md5(picture, usedforsecurity=False).hexdigest(), 'no_need_thumb': True,
            'aeskey': key.hex(), 'to_user_id': to.person, 'context_token': to.context, **_INFO,
        }  # fmt: skip
        place = self._ask('getuploadurl', file)
        full, parameter = at(place, 'upload_full_url'), at(place, 'upload_param')
        send = functools.partial(self._cdn, full, 'upload', parameter, encrypted, filekey=name)
        _, headers = http_client.retried(send, 3, lambda error: error.status >= 500)
        if not headers.get('x-encrypted-param'):
            raise Failed('the CDN does not say where it has the picture')
        media = {'encrypt_query_param': headers['x-encrypted-param'], 'encrypt_type': 1}
        media['aes_key'] = base64.b64encode(key.hex().encode()).decode()
        return {'type': IMAGE, 'image_item': {'media': media, 'mid_size': len(encrypted)}}

    def picture(self, image: Mapping[str, Any]) -> bytes:
        """The file that an image_item is about.

        Raises:
          Failed: the CDN does not give it, it is too large, or it cannot be decrypted with the key of the item.
        """
        media = at(image, 'media', kind=dict)
        data, _ = self._cdn(at(media, 'full_url'), 'download', at(media, 'encrypt_query_param'))
        key = _key(at(image, 'aeskey'), at(media, 'aes_key'))
        return wechat_crypto.decrypted(data, key) if key else data

    def allowed(self, url: str) -> str:
        """The address of a server, if the token may be sent there; else raises Failed."""
        if not http_client.is_of(url.rstrip('/'), (*_SERVERS, *self._own)):
            raise Failed('a server of somebody else')
        return url.rstrip('/')

    def _cdn(self, full: str, way: str, parameter: str, data: bytes | None = None, **more: str) -> http_client.Answer:
        """One request to the CDN, whose URLs newer servers give in full, and older ones by a parameter."""
        query = urllib.parse.urlencode({'encrypted_query_param': parameter, **more})
        address = full or (f'{self._cdn_url}/{way}?{query}' if parameter else '')
        if not http_client.is_of(address, (*_PICTURES, *self._own)):
            raise Failed('no place of WeChat for the picture')
        kind = {'Content-Type': 'application/octet-stream'}
        return http_client.fetch(address, timeout_s=_PICTURE_S, most_bytes=_MOST_PICTURE_BYTES, headers=kind, data=data)

    def _ask(self, path: str, asked: Any = None, timeout_s: float = _USUAL_S) -> dict[str, Any]:
        """A POST, or a GET for None; where WeChat may take its time, no answer in time is one that says to wait."""
        headers, body = _APP, None
        if asked is not None:
            uin = base64.b64encode(str(secrets.randbits(32)).encode()).decode()
            signed = {'Authorization': f'Bearer {self.token}'} if self.token else {}
            headers, body = {**_APP, **_JSON, 'X-WECHAT-UIN': uin, **signed}, http_client.as_json(asked)
        url, content = f'{self.base_url}/ilink/bot/{path}', {'headers': headers, 'data': body}
        try:
            return read(http_client.fetch(url, timeout_s=timeout_s, most_bytes=_MOST_BYTES, **content)[0])
        except Failed as error:
            if timeout_s != _POLL_S or not error.timed_out:
                raise
            return {'status': 'wait'}


def _incoming(message: Any) -> Incoming | None:
    """A message of a person, in a chat with the bot alone; None for others."""
    person = at(message, 'from_user_id')
    if not person or at(message, 'message_type', kind=int) != _FROM_PERSON or message.get('group_id'):
        return None
    items = {at(item, 'type', kind=int): item for item in reversed(at(message, 'item_list', kind=list))}
    words = at(items, TEXT, 'text_item', 'text') or at(items, VOICE, 'voice_item', 'text')
    known_by = message.get('message_id') or message.get('client_id') or message.get('seq') or secrets.token_hex(8)
    context, image = at(message, 'context_token'), at(items, IMAGE, 'image_item', kind=dict)
    return Incoming(f'{person} {known_by}', person, context, words, image)


def _key(digits: str, encoded: str) -> bytes:
    """The key of a received picture in one of its three forms; b'' for a picture that is not encrypted."""
    try:
        key = bytes.fromhex(digits) or base64.b64decode(encoded)
        return bytes.fromhex(key.decode()) if len(key) == 32 else key
    except ValueError:
        raise Failed('the key is malformed') from None
