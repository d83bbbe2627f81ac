"""Pictures of iLink: they lie encrypted on WeChat's CDN, and messages carry their keys.

Source: Tencent/openclaw-weixin, docs/protocol.md, "CDN media flow", and src/cdn. That the client expects mid_size, and
the key as base64 of its hexadecimal digits, is from Lingtai-AI/lingtai#82.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import secrets
import time
import urllib.parse
from collections.abc import Mapping
from typing import Any

from trainer.chatting import http_client, wechat_crypto
from trainer.chatting.http_client import Failed
from trainer.chatting.ilink import Ilink
from trainer.chatting.ilink_messages import IMAGE, Incoming

CDN_URL = 'https://novac2c.cdn.weixin.qq.com/c2c'
ORIGINS = ('https://*.qq.com', 'https://*.qpic.cn')
MOST_BYTES = 20 << 20
_IMAGE_MEDIA, _KEY_BYTES, _TIMEOUT_S, _TRIES, _PAUSE_S = 1, 16, 30, 3, 0.5
_HEX_KEY = re.compile('[0-9a-fA-F]{32}')


class Pictures:
    """Sends pictures to the CDN and fetches them from there; for one thread."""

    def __init__(self, client: Ilink, cdn_url: str = CDN_URL, origins: tuple[str, ...] = ORIGINS):
        """Takes the client, the CDN, and where the server may have pictures."""
        self._client, self._cdn_url, self._origins = client, cdn_url, origins

    def item(self, to: Incoming, picture: bytes) -> dict[str, Any]:
        """Uploads a picture for the answer to a message; returns the item to send.

        Raises:
          ilink.Refused, Failed: the server or the CDN does not take it.
        """
        key, name = secrets.token_bytes(_KEY_BYTES), secrets.token_hex(16)
        encrypted = wechat_crypto.encrypt_file(picture, key)
        checksum = hashlib.md5(picture, usedforsecurity=False).hexdigest()
        file = {
            'filekey': name, 'media_type': _IMAGE_MEDIA, 'rawsize': len(picture), 'rawfilemd5': checksum,
            'filesize': len(encrypted), 'no_need_thumb': True, 'aeskey': key.hex(),
        }  # fmt: skip
        place = self._client.upload_place(to, file)
        address, parameter = place.get('upload_full_url'), place.get('upload_param')
        if not address and parameter:
            query = urllib.parse.urlencode({'encrypted_query_param': parameter, 'filekey': name})
            address = f'{self._cdn_url}/upload?{query}'
        media = {
            'encrypt_query_param': self._sent(str(address or ''), encrypted),
            'aes_key': base64.b64encode(key.hex().encode()).decode(),
            'encrypt_type': 1,
        }
        return {'type': IMAGE, 'image_item': {'media': media, 'mid_size': len(encrypted)}}

    def picture(self, image: Mapping[str, Any]) -> bytes:
        """The file that an image_item is about.

        Raises:
          Failed: the CDN does not give it, or it is too large.
          wechat_crypto.Tampered: it cannot be decrypted with the key of the item.
        """
        media = image.get('media')
        media = media if isinstance(media, dict) else {}
        address, parameter = media.get('full_url'), media.get('encrypt_query_param')
        if not address and parameter:
            address = f'{self._cdn_url}/download?{urllib.parse.urlencode({"encrypted_query_param": parameter})}'
        data, _ = http_client.fetch(self._allowed(str(address or '')), timeout_s=_TIMEOUT_S, most_bytes=MOST_BYTES)
        key = _key(image.get('aeskey'), media.get('aes_key'))
        return wechat_crypto.decrypt_file(data, key) if key else data

    def _sent(self, address: str, encrypted: bytes) -> str:
        """Sends a file to the CDN, up to three times; returns by what it is found there."""
        headers = {'Content-Type': 'application/octet-stream'}
        for left in reversed(range(_TRIES)):
            try:
                _, found = http_client.fetch(
                    self._allowed(address), encrypted, headers, timeout_s=_TIMEOUT_S, most_bytes=MOST_BYTES
                )
                if parameter := found.get('x-encrypted-param'):
                    return parameter
                raise Failed('the CDN does not say where it has the picture')
            except Failed as error:
                if not left or error.status < 500:
                    raise
                time.sleep(_PAUSE_S)
        raise AssertionError('not reached')

    def _allowed(self, address: str) -> str:
        if not http_client.is_of(address, self._origins):
            raise Failed('no place of WeChat for the picture')
        return address


def _key(as_digits: object, as_base64: object) -> bytes:
    """The key of a received picture in one of its three forms; b'' for a picture that is not encrypted."""
    if isinstance(as_digits, str) and _HEX_KEY.fullmatch(as_digits):
        return bytes.fromhex(as_digits)
    if not isinstance(as_base64, str) or not as_base64:
        return b''
    try:
        key = base64.b64decode(as_base64)
    except (binascii.Error, ValueError):
        key = b''
    if _HEX_KEY.fullmatch(key.decode('latin-1')):
        return bytes.fromhex(key.decode())
    if len(key) != _KEY_BYTES:
        raise wechat_crypto.Tampered('the key has another length')
    return key
