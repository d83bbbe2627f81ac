"""The webhook of a WeChat official account: signed XML in, a reply out within WeChat's 5 seconds.

Sources: developers.weixin.qq.com/doc/service/en/guide, "Access guide" and "Passive user reply message". In plain mode
a signature covers neither the message nor its sender, so whoever reads one request can send others for as long as its
timestamp is fresh; with an EncodingAESKey every message is signed and encrypted, and plain ones are refused.
"""

from __future__ import annotations

import functools
import re
import secrets
import threading
import time
from collections.abc import Hashable, Mapping
from concurrent import futures

from absl import logging

from trainer import errors
from trainer.chatting import http_client, wechat_api, wechat_crypto, wechat_xml
from trainer.chatting.answer import Answer, Answering, Message, exchange
from trainer.chatting.http_client import Failed
from trainer.chatting.wechat_api import OfficialApi
from trainer.chatting.wechat_crypto import Envelope

Response = tuple[int, str, bytes]  # Status, content type, body.
Reply = tuple[str, str]  # 'text' and the words, or 'image' and its media id.

_FRESH_S = 300  # A timestamp may differ by so much: clocks differ, and retries take 15 s.
_IN_TIME_S = 4.2  # Of the 5 s; the rest is for the network.
_REMEMBERED = 10_000  # Messages.
_WORKERS, _MOST_WAITING = 4, 64
_MOST_TEXT = 2000  # Bytes; WeChat takes 2,048.
_TEXT, _XML = 'text/plain; charset=utf-8', 'application/xml; charset=utf-8'
_NOTHING, _BUSY = ('text', ''), ('text', 'I have too much to do. Please try again in a minute.')
_AES_KEY, _API_URL = 'WECHAT_ENCODING_AES_KEY', 'WECHAT_API_URL'
_FORMS = {
    'WECHAT_TOKEN': ('[A-Za-z0-9]{3,32}', '3 to 32 letters and digits'),
    'WECHAT_APP_ID': ('wx[A-Za-z0-9]{4,62}', 'the appID of the account, which begins with wx'),
    'WECHAT_APP_SECRET': ('[A-Za-z0-9]{16,128}', 'the appsecret of the account, letters and digits'),
    _AES_KEY: ('([A-Za-z0-9]{43})?', 'the 43 letters and digits of the EncodingAESKey on the page of the account'),
}


class OfficialAccount:
    """Answers the requests that WeChat sends for one account; for several threads.

    Attributes:
      in_time_s: how long WeChat may wait.
      clock: tells the time, s since 1970.
    """

    in_time_s, clock = _IN_TIME_S, staticmethod(time.time)

    def __init__(self, token: str, envelope: Envelope | None, api: OfficialApi, answer: Answering):
        """Takes the account: its token, its key if it encrypts, its API, and what answers."""
        self._token, self._envelope, self._api, self._answer = token, envelope, api, answer
        self._lock = threading.Lock()
        self._promises: dict[Hashable, futures.Future[Reply]] = {}  # By message: WeChat sends some of them again.
        self._pool = futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix='wechat')
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def __call__(self, method: str, query: Mapping[str, str], body: bytes) -> Response:
        """Answers one request; never raises, and never later than WeChat waits.

        Args:
          method: POST for a message, GET for the handshake.
          query: of the URL.
          body: of the request.

        Returns:
          The status, the content type, and the body.
        """
        stamp, echo = query.get('timestamp', ''), query.get('echostr', '')
        try:
            if not re.fullmatch('[0-9]{1,12}', stamp) or abs(self.clock() - int(stamp)) > _FRESH_S:
                raise Failed('the timestamp is too old, or there is none')
            if method == 'POST':
                return self._answered(self._opened(query, body))
            self._check(query, 'signature')
            if not re.fullmatch(r'[\w-]{1,128}', echo, re.ASCII):
                raise Failed('echostr is missing, or no word', 400)
            return 200, _TEXT, echo.encode()
        except Failed as error:
            return error.status or 403, _TEXT, f'{error}\n'.encode()

    def close(self) -> None:
        """Waits for the answers that are being made, and takes no more."""
        self._pool.shutdown()

    def _check(self, query: Mapping[str, str], name: str, *more: str) -> None:
        """Raises Failed unless the parameter `name` is the signature of the request and of `more`."""
        parts = self._token, query['timestamp'], query.get('nonce', ''), *more
        if not wechat_crypto.signed(query.get(name, ''), *parts):
            raise Failed('the signature is wrong, or the message is not encrypted')

    def _opened(self, query: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The fields of a message whose signature is right."""
        if self._envelope:
            encrypted = wechat_xml.parse(body).get('Encrypt', '')
            self._check(query, 'msg_signature', encrypted)
            fields = wechat_xml.parse(self._envelope.decrypt(encrypted))
        else:
            self._check(query, 'signature')
            fields = wechat_xml.parse(body)
            if 'Encrypt' in fields and 'MsgType' not in fields:
                logging.error('WeChat encrypts the messages of this account: set %s', _AES_KEY)
        if not all(0 < len(fields.get(name, '')) <= 128 for name in ('FromUserName', 'ToUserName', 'MsgType')):
            raise Failed('a message without sender, receiver or type', 400)
        return fields

    def _answered(self, fields: Mapping[str, str]) -> Response:
        """The reply, once it is made; b'success' if it takes too long, so that WeChat does not repeat the message."""
        key = fields['FromUserName'], fields.get('MsgId') or (fields.get('CreateTime'), fields.get('Event'))
        with self._lock:
            if key not in self._promises:
                self._promises[key] = self._promised(fields)
                if len(self._promises) > _REMEMBERED:
                    del self._promises[next(iter(self._promises))]
            promise = self._promises[key]
        try:
            reply = promise.result(self.in_time_s)
        except (futures.TimeoutError, futures.CancelledError):  # The latter if it was late for an earlier request.
            reply = _NOTHING if promise.cancel() else promise.result()  # It may have come just now.
        return (200, _XML, self._sealed(fields, reply)) if reply[1] else (200, _TEXT, b'success')

    def _promised(self, fields: Mapping[str, str]) -> futures.Future[Reply]:
        """The reply to come; whoever cancels it in time gets it as a message of its own."""
        promise: futures.Future[Reply] = futures.Future()
        try:
            if self._waiting.acquire(blocking=False):
                self._pool.submit(self._work, promise, fields).add_done_callback(lambda _: self._waiting.release())
            else:
                promise.set_result(_BUSY)
        except RuntimeError:  # After `close`.
            promise.set_result(_NOTHING)
        return promise

    def _work(self, promise: futures.Future[Reply], fields: Mapping[str, str]) -> None:
        try:
            reply = self._reply(fields)
        except Exception:  # A bug; the person must not wait for ever.
            logging.exception('WeChat: no answer')
            reply = _NOTHING
        if promise.set_running_or_notify_cancel():
            promise.set_result(reply)
        elif reply[1]:
            try:
                self._api.send(fields['FromUserName'], *reply)
            except Failed as error:
                logging.warning('WeChat: an answer took longer than WeChat waits, and was not delivered: %s', error)

    def _reply(self, fields: Mapping[str, str]) -> Reply:
        """The common answer, with its picture uploaded to WeChat; nothing for an event that wants none."""
        if fields['MsgType'] == 'event' and fields.get('Event') != 'subscribe':
            return _NOTHING
        message = Message(fields.get('Content') or fields.get('Recognition', ''), id=fields.get('MsgId', ''))
        fetch = functools.partial(self._api.picture, fields.get('PicUrl', ''), fields.get('MediaId', ''))
        upload = functools.partial(self._uploaded, fields['FromUserName'])
        made, media_id = exchange(self._answer, message, fetch if fields['MsgType'] == 'image' else None, upload)
        if media_id and made.picture_says_all:
            return 'image', media_id
        return 'text', made.text.encode()[:_MOST_TEXT].decode('utf-8', 'ignore')

    def _uploaded(self, person: str, made: Answer) -> str:
        """The media id of a picture, which is sent at once where a text follows: a reply carries only one of both."""
        media_id = self._api.upload(made.picture)
        if not made.picture_says_all:
            self._api.send(person, 'image', media_id)
        return media_id

    def _sealed(self, fields: Mapping[str, str], reply: Reply) -> bytes:
        """The reply as XML, encrypted where the account encrypts."""
        now, (kind, what) = int(self.clock()), reply
        head = {'ToUserName': fields['FromUserName'], 'FromUserName': fields['ToUserName'], 'CreateTime': now}
        content = {'Content': what} if kind == 'text' else {'Image': {'MediaId': what}}
        message = wechat_xml.render({**head, 'MsgType': kind, **content})
        if not self._envelope:
            return message
        encrypted, nonce = self._envelope.encrypt(message), secrets.token_hex(8)
        proof = wechat_crypto.signature(self._token, str(now), nonce, encrypted)
        return wechat_xml.render({'Encrypt': encrypted, 'MsgSignature': proof, 'TimeStamp': now, 'Nonce': nonce})


def from_environment(environ: Mapping[str, str], answering: Answering) -> OfficialAccount | None:
    """The account that the variables WECHAT_* describe; None if there are none.

    Raises:
      errors.UserError: some are missing or malformed, or cryptography is not installed. No message shows a value.
    """
    given = [name for name in (*_FORMS, _API_URL) if environ.get(name)]
    if not given:
        return None
    if missing := [name for name in _FORMS if name not in (*given, _AES_KEY)]:
        raise errors.UserError(f'{", ".join(given)} is set but {", ".join(missing)} is not: set all, or none')
    for name, (form, rule) in _FORMS.items():
        if not re.fullmatch(form, environ.get(name, '')):
            raise errors.UserError(f'{name} has {len(environ[name])} characters; it must be {rule}')
    token, app_id, secret, key = (environ.get(name, '') for name in _FORMS)
    base = http_client.base_url(_API_URL, environ.get(_API_URL) or wechat_api.BASE_URL)
    return OfficialAccount(token, Envelope(key, app_id) if key else None, OfficialApi(app_id, secret, base), answering)
