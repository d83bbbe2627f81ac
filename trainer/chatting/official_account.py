"""The webhook of a WeChat official account: signed XML in, a reply out within WeChat's 5 seconds.

Sources: developers.weixin.qq.com/doc/service/en/guide, "Access guide" and "Passive user reply message". In plain mode
a signature covers neither the message nor its sender, so whoever reads one request can send others for as long as its
timestamp is fresh; with an EncodingAESKey every message is signed and encrypted, and plain ones are refused.
"""

from __future__ import annotations

import concurrent.futures
import re
import secrets
import threading
import time
from collections.abc import Callable, Mapping

from absl import logging

from trainer import errors
from trainer.chatting import http_client, wechat_api, wechat_crypto, wechat_xml
from trainer.chatting.answered_once import AnsweredOnce, Work
from trainer.chatting.wechat_api import ApiError, OfficialApi
from trainer.chatting.wechat_crypto import Envelope
from trainer.chatting.wechat_replies import NOTHING, ORIGINS, Replies, Reply
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser

Response = tuple[int, str, bytes]  # Status, content type, body.

FRESH_S = 300  # A timestamp may differ by so much: clocks differ, and retries take 15 s.
_IN_TIME_S = 4.2  # Of the 5 s; the rest is for the network.
_REMEMBERED, _REMEMBERED_S = 10_000, 2 * FRESH_S  # Messages; for as long as their timestamps could be fresh.
_WORKERS, _MOST_WAITING = 4, 64
_TEXT, _XML = 'text/plain; charset=utf-8', 'application/xml; charset=utf-8'
_SUCCESS = (200, _TEXT, b'success')  # WeChat then expects no reply, and does not repeat the message.
_BUSY = 'I have too much to do. Please try again in a minute.'
_NEEDED = ('WECHAT_TOKEN', 'WECHAT_APP_ID', 'WECHAT_APP_SECRET')
_AES_KEY, _API_URL = 'WECHAT_ENCODING_AES_KEY', 'WECHAT_API_URL'
_FORMS = {
    'WECHAT_TOKEN': (re.compile('[A-Za-z0-9]{3,32}'), '3 to 32 letters and digits'),
    'WECHAT_APP_ID': (re.compile('wx[A-Za-z0-9]{4,62}'), 'the appID of the account, which begins with wx'),
    'WECHAT_APP_SECRET': (re.compile('[A-Za-z0-9]{16,128}'), 'the appsecret of the account, letters and digits'),
}


class OfficialAccount:
    """Answers the requests that WeChat sends for one account; for several threads."""

    def __init__(
        self,
        token: str,
        envelope: Envelope | None,
        api: OfficialApi,
        replies: Replies,
        *,
        in_time_s: float = _IN_TIME_S,
        clock: Callable[[], float] = time.time,
    ):
        """Takes the account: its token, its key if it encrypts, its API, and what replies."""
        self._token, self._envelope, self._api, self._replies = token, envelope, api, replies
        self._in_time_s, self._clock = in_time_s, clock
        self._works: AnsweredOnce[Reply] = AnsweredOnce(_REMEMBERED, _REMEMBERED_S)
        self._pool = concurrent.futures.ThreadPoolExecutor(_WORKERS, thread_name_prefix='wechat')
        self._waiting = threading.BoundedSemaphore(_MOST_WAITING)

    def __call__(self, method: str, query: Mapping[str, str], body: bytes) -> Response:
        """Answers one request; never raises, and never later than WeChat waits.

        Args:
          method: GET, which is the handshake, or POST, which is a message.
          query: of the URL.
          body: of the request.

        Returns:
          The status, the content type, and the body.
        """
        stamp, nonce = query.get('timestamp', ''), query.get('nonce', '')
        if not re.fullmatch('[0-9]{1,12}', stamp) or abs(self._clock() - int(stamp)) > FRESH_S:
            return _refused(403, 'the timestamp is too old, or there is none')
        if method == 'GET':
            if not wechat_crypto.signed(query.get('signature', ''), self._token, stamp, nonce):
                return _refused(403, 'the signature is wrong')
            echo = query.get('echostr', '')
            fits = re.fullmatch(r'[\w-]{1,128}', echo, re.ASCII)
            return (200, _TEXT, echo.encode()) if fits else _refused(400, 'echostr is missing, or no word')
        if method != 'POST':
            return _refused(405, 'GET or POST')
        if len(body) > wechat_xml.MOST_BYTES:
            return _refused(413, f'at most {wechat_xml.MOST_BYTES:,} bytes')
        try:
            fields = self._opened(query, body)
        except wechat_crypto.Tampered as error:
            return _refused(403, str(error))
        except wechat_xml.Malformed as error:
            return _refused(400, f'this is no message ({error})')
        return self._answered(fields)

    def close(self) -> None:
        """Waits for the answers that are being made, and takes no more."""
        self._pool.shutdown()

    def _opened(self, query: Mapping[str, str], body: bytes) -> dict[str, str]:
        """The fields of a message whose signature is right."""
        stamp, nonce = query['timestamp'], query.get('nonce', '')
        if not self._envelope:
            if not wechat_crypto.signed(query.get('signature', ''), self._token, stamp, nonce):
                raise wechat_crypto.Tampered('the signature is wrong')
            fields = wechat_xml.parse(body)
            if 'Encrypt' in fields and 'MsgType' not in fields:
                logging.error('WeChat encrypts the messages of this account: set %s', _AES_KEY)
        else:
            encrypted = wechat_xml.parse(body).get('Encrypt', '')
            if not wechat_crypto.signed(query.get('msg_signature', ''), self._token, stamp, nonce, encrypted):
                raise wechat_crypto.Tampered('the signature is wrong, or the message is not encrypted')
            fields = wechat_xml.parse(self._envelope.decrypt(encrypted))
        if not all(0 < len(fields.get(name, '')) <= 128 for name in ('FromUserName', 'ToUserName', 'MsgType')):
            raise wechat_xml.Malformed('without sender, receiver or type')
        return fields

    def _answered(self, fields: Mapping[str, str]) -> Response:
        known_by = fields.get('MsgId') or (fields.get('CreateTime'), fields.get('Event'))
        work, is_new = self._works.work((fields['FromUserName'], known_by))
        if is_new:
            self._begin(work, fields)
        if not work.wait(self._in_time_s) or not work.result or not work.result.content:
            return _SUCCESS
        return 200, _XML, self._sealed(fields, work.result)

    def _begin(self, work: Work[Reply], fields: Mapping[str, str]) -> None:
        if not self._waiting.acquire(blocking=False):
            work.finish(Reply('text', _BUSY))
            return
        try:
            self._pool.submit(self._work, work, fields).add_done_callback(lambda _: self._waiting.release())
        except RuntimeError:  # After `close`.
            self._waiting.release()
            work.finish(NOTHING)

    def _work(self, work: Work[Reply], fields: Mapping[str, str]) -> None:
        try:
            reply = self._replies.to(fields)
        except Exception:  # A bug; the person must not wait for ever.
            logging.exception('WeChat: no answer')
            reply = NOTHING
        if work.finish(reply) and reply.content:
            try:
                self._api.send(fields['FromUserName'], reply.kind, reply.body)
            except ApiError as error:
                logging.warning('WeChat: an answer took longer than WeChat waits, and was not delivered: %s', error)

    def _sealed(self, fields: Mapping[str, str], reply: Reply) -> bytes:
        """The reply as XML, encrypted where the account encrypts."""
        now = int(self._clock())
        content = {'Content': reply.content} if reply.kind == 'text' else {'Image': {'MediaId': reply.content}}
        head = {'ToUserName': fields['FromUserName'], 'FromUserName': fields['ToUserName']}
        message = wechat_xml.render({**head, 'CreateTime': now, 'MsgType': reply.kind, **content})
        if not self._envelope:
            return message
        encrypted, nonce = self._envelope.encrypt(message), secrets.token_hex(8)
        proof = wechat_crypto.signature(self._token, str(now), nonce, encrypted)
        return wechat_xml.render({'Encrypt': encrypted, 'MsgSignature': proof, 'TimeStamp': now, 'Nonce': nonce})


def from_environment(environ: Mapping[str, str], model: Model, recogniser: Recogniser | None) -> OfficialAccount | None:
    """The account that the variables WECHAT_* describe; None if there are none.

    Raises:
      errors.UserError: some are missing or malformed, or cryptography is not installed. No message shows a value.
    """
    given = [name for name in (*_NEEDED, _AES_KEY, _API_URL) if environ.get(name)]
    if not given:
        return None
    missing = [name for name in _NEEDED if name not in given]
    if missing:
        raise errors.UserError(f'{", ".join(given)} is set but {", ".join(missing)} is not: set all, or none')
    for name, (form, rule) in _FORMS.items():
        if not form.fullmatch(environ[name]):
            raise errors.UserError(f'{name} has {len(environ[name])} characters; it must be {rule}')
    token, app_id, secret = (environ[name] for name in _NEEDED)
    base = http_client.base_url(_API_URL, environ.get(_API_URL) or wechat_api.BASE_URL)
    envelope = Envelope(environ[_AES_KEY], app_id) if environ.get(_AES_KEY) else None
    own = (base,) if base.startswith('http://') else ()  # A stand-in on loopback has pictures too.
    api = OfficialApi(app_id, secret, base)
    return OfficialAccount(token, envelope, api, Replies(api, model, recogniser, (*ORIGINS, *own)))


def _refused(status: int, reason: str) -> Response:
    return status, _TEXT, f'{reason}\n'.encode()
