"""A chat in WeChat by the iLink protocol: logs in by a QR code, polls for messages, answers each once."""

from __future__ import annotations

import collections
import contextlib
import dataclasses
import secrets
import time
from collections.abc import Callable, Mapping
from typing import Any

from absl import logging

from trainer import errors
from trainer.chatting import answer, credentials, login, wechat_crypto
from trainer.chatting.answer import Answer, Message
from trainer.chatting.credentials import Credentials
from trainer.chatting.http_client import Failed
from trainer.chatting.ilink import Expired, Ilink, Refused
from trainer.chatting.ilink_messages import TEXT, Incoming
from trainer.chatting.ilink_pictures import Pictures
from trainer.chatting.patience import Patience
from trainer.chatting.wechat_crypto import Tampered

_LEAST_S = 1.0  # Between two polls without a message, and between two sent items: WeChat throttles bursts.
_THROTTLED, _RESEND_PAUSES_S = -2, (2.0, 5.0, 10.0)
_REMEMBERED = 1000  # Messages: the server repeats some.


def check(path: str) -> None:
    """Checks what can be known before the model is loaded.

    Raises:
      errors.UserError: the file is not one of credentials, or segno or cryptography is not installed.
    """
    wechat_crypto.encrypt_file(b'', bytes(16))
    if not credentials.read(path).token:
        login.drawn('a code')


class WeixinChat:
    """One bot and the people who write to it."""

    def __init__(
        self,
        client: Ilink,
        pictures: Pictures,
        answering: Callable[[Message], Answer],
        path: str,
        say: Callable[[str], None],
        sleep: Callable[[float], None] = time.sleep,
    ):
        """Takes the protocol, what answers, the file of credentials ('' for none), and what shows a text to the owner.

        Raises:
          errors.UserError: as `check`, or the file names a server of somebody else.
        """
        check(path)
        self._client, self._pictures, self._answer = client, pictures, answering
        self._path, self._say, self._sleep, self._patience = path, say, sleep, Patience(sleep)
        self._first_url, self._last_sent = client.base_url, 0.0
        self._seen: collections.OrderedDict[str, None] = collections.OrderedDict()
        self._kept = credentials.read(path)
        if self._kept.token:
            try:
                client.token, client.base_url = self._kept.token, client.allowed(self._kept.base_url)
            except Failed as error:
                raise errors.UserError(f'--credentials={path} names {error}: remove it, and scan a new code') from None

    def run(self) -> None:
        """Answers until a signal ends the process.

        Raises:
          errors.Transient: nobody scans the QR code, or the server cannot be reached for it.
        """
        if not self._client.token:
            self._log_in()
        self._announce('notifystart')
        try:
            while True:
                self.poll()
        finally:
            self._announce('notifystop')

    def poll(self) -> None:
        """Waits for messages once, and answers them; logs in again if the session is lost, pauses if a poll fails."""
        began = time.monotonic()
        try:
            messages, cursor = self._client.updates(self._kept.cursor)
        except Expired:
            logging.warning('WeChat has ended the session')
            self._log_in()
            return
        except (Failed, Refused) as error:
            self._patience.wait(error)
            return
        self._patience.reset()
        if cursor != self._kept.cursor:  # Before answering, so that no crash makes it answer a message twice.
            self._keep(dataclasses.replace(self._kept, cursor=cursor))
        for message in messages:
            if self._is_new(message):
                self._reply(message)
        if not messages and time.monotonic() - began < _LEAST_S:
            self._sleep(_LEAST_S)

    def _is_new(self, message: Incoming) -> bool:
        if message.id and message.id in self._seen:
            return False
        self._seen[message.id] = None
        if len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return True

    def _reply(self, message: Incoming) -> None:
        try:
            made = self._answered(message)
            text = made.text
            picture: Mapping[str, Any] = {}
            if made.picture:
                try:
                    picture = self._pictures.item(message, made.picture)
                except (Failed, Refused) as error:
                    logging.warning('WeChat: a picture was not sent: %s', error)
                    text = answer.without_picture(made, error)
            for item in ({'type': TEXT, 'text_item': {'text': text}}, picture):
                if item:
                    self._send(message, item)
        except (Failed, Refused) as error:
            logging.warning('WeChat: an answer was not delivered: %s', error)
        except Exception:  # A bug must not end the chat of everybody; what was sent is not logged.
            logging.exception('WeChat: no answer')

    def _answered(self, message: Incoming) -> Answer:
        if not message.image:
            return self._answer(Message(message.text, id=message.id))
        try:
            return self._answer(Message(picture=self._pictures.picture(message.image), id=message.id))
        except (Failed, Tampered) as error:
            return Answer(f'Your picture did not arrive here ({error}). Please send it again.')

    def _send(self, message: Incoming, item: Mapping[str, Any]) -> None:
        """Sends one item; again, by the same id, where the server is throttled or does not answer."""
        client_id = f'tpu-dcgan-{secrets.token_hex(8)}'
        for pause in (*_RESEND_PAUSES_S, None):
            self._sleep(max(self._last_sent + _LEAST_S - time.monotonic(), 0))
            self._last_sent = time.monotonic()
            try:
                return self._client.send(message, item, client_id)
            except (Failed, Refused) as error:
                again = isinstance(error, Failed) or error.code == _THROTTLED
                if pause is None or not again:
                    raise
            self._sleep(pause)
        return None

    def _log_in(self) -> None:
        scan = login.log_in(self._client, self._first_url, self._say, self._patience)
        self._client.token, self._client.base_url = scan.token, scan.base_url
        self._keep(Credentials(scan.token, scan.base_url))

    def _keep(self, content: Credentials) -> None:
        self._kept = content
        credentials.write(self._path, content)

    def _announce(self, event: str) -> None:
        with contextlib.suppress(Failed, Refused):
            self._client.announce(event)
