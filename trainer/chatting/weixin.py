"""A chat in WeChat by the iLink protocol: logs in by a QR code, polls for messages, answers each once."""

from __future__ import annotations

import collections
import functools
import io
import secrets
import sys
import time
from collections.abc import Callable
from typing import Any

from absl import logging

from trainer import errors
from trainer.chatting import credentials, ilink, wechat_crypto
from trainer.chatting.answer import Answering, Message, exchange
from trainer.chatting.credentials import Credentials
from trainer.chatting.http_client import Failed, Sleep, retried
from trainer.chatting.ilink import Ilink, Incoming

_CODES, _TRIES, _SENDS = 3, 5, 4  # QR codes until the command gives up, requests for each step of one, and for an item.
_OVER = ('expired', 'verify_code_blocked', 'binded_redirect')
_PAUSE_S = 1.0  # Between two polls without a message, and between two sent items: WeChat throttles bursts.
_REMEMBERED = 1000  # Messages: the server repeats some.


class WeixinChat:
    """One bot and the people who write to it.

    Attributes:
      answering: answers their messages.
    """

    answering: Answering

    def __init__(self, client: Ilink, path: str, say: Callable[[str], None], sleep: Sleep = time.sleep):
        """Takes the protocol, the file of credentials ('' for none), and what shows a text to the owner.

        Raises:
          errors.UserError: the file is not one of credentials, or names a server of somebody else; or segno or
            cryptography is not installed.
        """
        wechat_crypto.check_installed('cryptography', 'segno')
        kept = credentials.read(path)
        try:
            if kept.token:
                client.token, client.base_url, client.cursor = kept.token, client.allowed(kept.base_url), kept.cursor
        except Failed as error:
            raise errors.UserError(f'--credentials={path} names {error}: remove it, and scan a new code') from None
        self._client, self._path, self._say, self._sleep = client, path, say, sleep
        self._seen = collections.deque[str](maxlen=_REMEMBERED)

    def run(self, answering: Answering) -> None:
        """Answers by `answering` until a signal ends the process.

        Raises:
          errors.Transient: nobody scans the QR code, or the server cannot be reached for it.
        """
        self.answering = answering
        if not self._client.token:
            self._log_in()
        self._client.announce('notifystart')
        try:
            while True:
                self.poll()
        finally:
            self._client.announce('notifystop')

    def poll(self) -> None:
        """Waits for messages, however long the server is away, and answers them; logs in if the session is lost."""
        before = self._client.cursor
        try:
            messages = retried(self._client.updates, 0, lambda error: error.code != ilink.EXPIRED, self._sleep)
        except Failed:
            logging.warning('WeChat has ended the session')
            self._log_in()
            return
        if self._client.cursor != before:  # Before answering, so that no crash makes it answer a message twice.
            self._keep()
        for message in messages:
            if message.id not in self._seen:
                self._seen.append(message.id)
                self._reply(message)
        if not messages:
            self._sleep(_PAUSE_S)

    def _reply(self, message: Incoming) -> None:
        client, asked = self._client, Message(message.text, id=message.id)
        fetch = functools.partial(client.picture, message.image) if message.image else None
        try:
            made, item = exchange(self.answering, asked, fetch, lambda made: client.uploaded(message, made.picture))
            self._send(message, {'type': ilink.TEXT, 'text_item': {'text': made.text}})
            if item:
                self._send(message, item)
        except Failed as error:
            logging.warning('WeChat: an answer was not delivered: %s', error)
        except Exception:  # A bug must not end the chat of everybody; what was sent is not logged.
            logging.exception('WeChat: no answer')

    def _send(self, message: Incoming, item: dict[str, Any]) -> None:
        """Sends one item; again, by the same id, where the server is throttled or does not answer."""
        send = functools.partial(self._client.send, message, item, f'tpu-dcgan-{secrets.token_hex(8)}')
        retried(send, _SENDS, lambda error: error.code in (0, ilink.THROTTLED), self._sleep)
        self._sleep(_PAUSE_S)

    def _log_in(self) -> None:
        """Shows QR codes until one is confirmed on the phone.

        Raises:
          errors.Transient: nobody confirms one, or the server cannot be reached.
          errors.UserError: WeChat asks for a number, and nobody can type it.
        """
        for _ in range(_CODES):
            code, content = self._patiently(self._client.qr_code)
            self._say(f'{drawn(content)}\nscan this with WeChat, or open {content} on the phone')
            status = number = ''
            while status not in _OVER:
                before, status = status, self._patiently(functools.partial(self._client.scan, code, number))
                if status == 'confirmed':
                    self._keep()
                    return self._say('connected: write to the bot in WeChat; Ctrl-C ends it')
                if status == 'scaned' != before:
                    self._say('scanned: confirm it on the phone')
                number = ''
                if status == 'need_verifycode':
                    self._say('type the number that WeChat shows on the phone:')
                    number = sys.stdin.readline().strip()
                    if not number:
                        raise errors.UserError('WeChat asks for a number: run this command in a terminal, to type it')
                self._sleep(_PAUSE_S)
        raise errors.Transient(f'nobody has confirmed one of {_CODES} QR codes: run the command again')

    def _patiently(self, ask: Callable[[], Any]) -> Any:
        try:
            return retried(ask, _TRIES, lambda _: True, self._sleep)
        except Failed as error:
            raise errors.Transient(f'WeChat does not log this bot in ({error}): try again later') from None

    def _keep(self) -> None:
        client = self._client
        credentials.write(self._path, Credentials(client.token, client.base_url, client.cursor))


def drawn(content: str) -> str:
    """A QR code of half blocks.

    Raises:
      errors.Transient: the content does not fit into a QR code.
    """
    import segno

    lines = io.StringIO()
    try:
        segno.make_qr(content, error='l').terminal(out=lines, compact=True)
    except ValueError as error:
        raise errors.Transient(f'WeChat gives what is no QR code ({error}): try again later') from None
    return lines.getvalue()
