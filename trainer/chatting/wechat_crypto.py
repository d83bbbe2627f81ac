"""Signatures and encryption of WeChat: the envelope of an official account, and the files of iLink.

An official account signs and encrypts as its guide says
(https://developers.weixin.qq.com/doc/service/en/guide/dev/push/encryption.html): AES-256-CBC, whose first block is the
initial vector too, over 16 random bytes, the length in network order, the message and the app id, padded as PKCS #7
(RFC 5652, 6.3) with blocks of 32. iLink has AES-128-ECB (Tencent/openclaw-weixin, docs/protocol.md).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import importlib.util
import secrets
import struct
from typing import Any

from trainer import errors
from trainer.chatting.http_client import Failed

_RANDOM, _HEAD, _ACCOUNT_KEY = 16, 20, 32  # Bytes.


def check_installed(*packages: str) -> None:
    """Checks for packages of the extra `chat`.

    Raises:
      errors.UserError: one of them is not installed.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise errors.UserError(f"{package} is not installed: run pip install 'tpu-dcgan[chat]', which chats need")


def signature(*parts: str) -> str:
    """The SHA-1 of the parts, sorted and joined, in hexadecimal digits."""
    return hashlib.sha1(''.join(sorted(parts)).encode('utf-8', 'replace')).hexdigest()


def signed(given: str, *parts: str) -> bool:
    """Whether `given` is the signature of the parts; takes the same time wherever it differs."""
    return hmac.compare_digest(given.encode('utf-8', 'replace'), signature(*parts).encode())


def encrypted(data: bytes, key: bytes) -> bytes:
    """The data as AES and PKCS #7 make them: in CBC mode by the 32 bytes of an account's key, in ECB mode by 16."""
    cipher, padding = _aes(key)
    work, pad = cipher.encryptor(), padding.padder()
    return work.update(pad.update(data) + pad.finalize()) + work.finalize()


def decrypted(data: bytes, key: bytes) -> bytes:
    """Undoes `encrypted`.

    Raises:
      Failed: the data are not whole, or not encrypted with this key.
    """
    try:
        cipher, padding = _aes(key)
        work, pad = cipher.decryptor(), padding.unpadder()
        return pad.update(work.update(data) + work.finalize()) + pad.finalize()
    except ValueError:
        raise Failed('not encrypted with this key') from None


def _aes(key: bytes) -> tuple[Any, Any]:
    """The cipher of a key, and its padding."""
    from cryptography.hazmat.primitives import padding
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    mode = modes.CBC(key[:16]) if len(key) == _ACCOUNT_KEY else modes.ECB()
    return Cipher(algorithms.AES(key), mode), padding.PKCS7(8 * len(key))


class Envelope:
    """Encrypts and decrypts the messages of one official account."""

    def __init__(self, encoding_aes_key: str, app_id: str):
        """Takes the EncodingAESKey, of 43 letters and digits, and the app id.

        Raises:
          errors.UserError: cryptography is not installed.
        """
        check_installed('cryptography')
        self._key, self._app_id = base64.b64decode(encoding_aes_key + '='), app_id.encode()

    def encrypt(self, message: bytes) -> str:
        """The content of the element Encrypt."""
        head = secrets.token_bytes(_RANDOM) + struct.pack('>I', len(message))
        return base64.b64encode(encrypted(head + message + self._app_id, self._key)).decode()

    def decrypt(self, sealed: str) -> bytes:
        """The message in the element Encrypt, whose signature the caller has checked before.

        Raises:
          Failed: it is not base64, not whole, padded wrongly, or for another account.
        """
        try:
            plain = decrypted(base64.b64decode(sealed, validate=True), self._key)
            end = _HEAD + struct.unpack_from('>I', plain, _RANDOM)[0]
        except (ValueError, struct.error):
            raise Failed('not an encrypted message') from None
        if not hmac.compare_digest(plain[end:], self._app_id):
            raise Failed('for another account')
        return plain[_HEAD:end]
