"""Signatures and encryption of WeChat: the envelope of an official account, and the files of iLink.

An official account signs and encrypts as its guide says
(https://developers.weixin.qq.com/doc/service/en/guide/dev/push/encryption.html): AES-256-CBC, whose first block is the
initial vector too, over 16 random bytes, the length in network order, the message and the app id, padded as PKCS #7
(RFC 5652, 6.3) with blocks of 32. iLink has AES-128-ECB (Tencent/openclaw-weixin, docs/protocol.md).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
import secrets
import struct
from typing import TYPE_CHECKING

from trainer import errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers import Cipher

_AES_KEY = re.compile('[A-Za-z0-9]{43}')
_RANDOM, _LENGTH, _CBC_BLOCK, _ECB_BLOCK = 16, 4, 32, 16  # Bytes.


class Tampered(Exception):
    """A message that does not come from the holder of the key, or not for this account."""


def signature(*parts: str) -> str:
    """The SHA-1 of the parts, sorted and joined, in hexadecimal digits."""
    return hashlib.sha1(''.join(sorted(parts)).encode('utf-8', 'replace')).hexdigest()


def signed(given: str, *parts: str) -> bool:
    """Whether `given` is the signature of the parts; takes the same time wherever it differs."""
    return hmac.compare_digest(given.encode('utf-8', 'replace'), signature(*parts).encode())


class Envelope:
    """Encrypts and decrypts the messages of one official account."""

    def __init__(self, encoding_aes_key: str, app_id: str):
        """Takes the EncodingAESKey and the app id.

        Raises:
          errors.UserError: the key is not one, or cryptography is not installed. The message does not show the key.
        """
        if not _AES_KEY.fullmatch(encoding_aes_key):
            raise errors.UserError(
                f'WECHAT_ENCODING_AES_KEY has {len(encoding_aes_key)} characters, or others than letters and digits: '
                'give the 43 letters and digits of the EncodingAESKey on the page of the account'
            )
        self._key, self._app_id = base64.b64decode(encoding_aes_key + '='), app_id.encode()
        self._cipher()

    def encrypt(self, message: bytes) -> str:
        """The content of the element Encrypt."""
        plain = secrets.token_bytes(_RANDOM) + struct.pack('>I', len(message)) + message + self._app_id
        work = self._cipher().encryptor()
        return base64.b64encode(work.update(padded(plain, _CBC_BLOCK)) + work.finalize()).decode()

    def decrypt(self, encrypted: str) -> bytes:
        """The message in the element Encrypt, whose signature the caller has checked before.

        Raises:
          Tampered: it is not base64, not whole, padded wrongly, or for another account.
        """
        try:
            work = self._cipher().decryptor()
            plain = unpadded(work.update(base64.b64decode(encrypted, validate=True)) + work.finalize(), _CBC_BLOCK)
        except (binascii.Error, ValueError) as error:
            raise Tampered(f'not encrypted with this key ({type(error).__name__})') from None
        (length,) = struct.unpack('>I', plain[_RANDOM : _RANDOM + _LENGTH].rjust(_LENGTH, b'\0'))
        message, app_id = plain[_RANDOM + _LENGTH :][:length], plain[_RANDOM + _LENGTH :][length:]
        if not hmac.compare_digest(app_id, self._app_id):
            raise Tampered('for another account')
        return message

    def _cipher(self) -> Cipher:
        return _aes(self._key, self._key[:16])


def encrypt_file(data: bytes, key: bytes) -> bytes:
    """A file for iLink: AES-128-ECB with 16 bytes of key."""
    work = _aes(key).encryptor()
    return work.update(padded(data, _ECB_BLOCK)) + work.finalize()


def decrypt_file(data: bytes, key: bytes) -> bytes:
    """A file from iLink.

    Raises:
      Tampered: it is not whole, or not encrypted with this key.
    """
    try:
        work = _aes(key).decryptor()
        return unpadded(work.update(data) + work.finalize(), _ECB_BLOCK)
    except ValueError:
        raise Tampered('not encrypted with this key') from None


def padded(data: bytes, block: int) -> bytes:
    """PKCS #7: a whole number of blocks, whose last bytes say how many there are of them."""
    count = block - len(data) % block
    return data + bytes([count]) * count


def unpadded(data: bytes, block: int) -> bytes:
    """Undoes `padded`.

    Raises:
      ValueError: the last bytes are no padding.
    """
    count = data[-1] if data else 0
    if not 1 <= count <= block or data[-count:] != bytes([count]) * count:
        raise ValueError('no padding')
    return data[:-count]


def _aes(key: bytes, vector: bytes = b'') -> Cipher:
    """AES in CBC mode if there is an initial vector, else in ECB mode."""
    try:
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
    except ImportError:
        raise errors.UserError(
            "this chat encrypts, and cryptography is not installed: run pip install 'tpu-dcgan[chat]'"
        ) from None
    return Cipher(algorithms.AES(key), modes.CBC(vector) if vector else modes.ECB())
