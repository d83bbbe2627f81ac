"""WeChat on loopback: the API of an official account, and the iLink bot protocol with its CDN.

They check what they are sent as the documentation says it must be, and answer by a script where it has one.
"""

from __future__ import annotations

import abc
import base64
import email
import hashlib
import http.server
import json
import threading
import urllib.parse
from typing import Any, TypeVar

from cryptography.hazmat.primitives import padding
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Self = TypeVar('Self', bound='Loopback')
HANG = -1  # A scripted answer: none, until the stand-in ends.
APP_ID, SECRET, TOKEN = 'wx0123456789abcdef', '0123456789abcdef0123456789abcdef', 'aToken'
AES_KEY = 'abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG'
PERSON, ACCOUNT = 'oPerson', 'gh_account'


class Loopback(abc.ABC):
    """Answers requests while the context lasts.

    Attributes:
      script: by path, what to answer next instead: a dict, bytes, an HTTP status, or HANG.
      asked: the paths of the requests, in their order.
    """

    def __init__(self) -> None:
        self.script: dict[str, list[Any]] = {}
        self.asked: list[str] = []
        self._end = threading.Event()
        self._wrong: list[BaseException] = []

    def __enter__(self: Self) -> Self:
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                fake._handle(self, b'')

            def do_POST(self) -> None:
                fake._handle(self, self.rfile.read(int(self.headers['Content-Length'])))

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        assert not self._wrong, self._wrong

    @property
    def url(self) -> str:
        return f'http://127.0.0.1:{self._server.server_port}'

    @abc.abstractmethod
    def answer(self, path: str, query: dict[str, str], headers: Any, body: bytes) -> Any:
        """A dict for JSON, bytes, a status, or a pair of bytes and headers."""

    def count(self, path: str) -> int:
        return self.asked.count(path)

    def _handle(self, request: http.server.BaseHTTPRequestHandler, body: bytes) -> None:
        parts = urllib.parse.urlsplit(request.path)
        self.asked.append(parts.path)
        planned = self.script.get(parts.path)
        if planned:
            found = planned.pop(0)
        else:
            query = dict(urllib.parse.parse_qsl(parts.query))
            try:
                found = self.answer(parts.path, query, request.headers, body)
            except Exception as error:  # What was sent is not as documented; the test shall know.
                self._wrong.append(error)
                found = 599
        if found == HANG:
            self._end.wait(30)
            return
        status, headers = (found, {}) if isinstance(found, int) else (200, {})
        if status == 302:
            headers = {'Location': f'{self.url}/secret'}
        data, more = found if isinstance(found, tuple) else (found, {})
        content = json.dumps(data).encode() if isinstance(data, dict) else data if isinstance(data, bytes) else b'oops'
        request.send_response(status)
        for name, value in {'Content-Length': str(len(content)), **headers, **more}.items():
            request.send_header(name, value)
        request.end_headers()
        request.wfile.write(content)


class FakeOfficialApi(Loopback):
    """The API of one official account.

    Attributes:
      token: the access token that is valid now.
      uploaded: the pictures, by their media ids.
      media: what people sent, by their media ids.
      sent: the customer-service messages.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token, self.expires_in = '', 7200
        self.uploaded: dict[str, bytes] = {}
        self.media: dict[str, bytes] = {}
        self.sent: list[dict] = []
        self._tokens = 0

    def answer(self, path: str, query: dict[str, str], headers: Any, body: bytes) -> Any:
        if path in ('/picture', '/secret'):
            return self.media[path]
        if path == '/cgi-bin/stable_token':
            asked = json.loads(body)
            if asked != {'grant_type': 'client_credential', 'appid': APP_ID, 'secret': SECRET}:
                return {'errcode': 40125, 'errmsg': 'invalid appsecret'}
            self._tokens += 1
            self.token = f'token{self._tokens}'
            return {'access_token': self.token, 'expires_in': self.expires_in}
        if query.get('access_token') != self.token:
            return {'errcode': 40001, 'errmsg': 'invalid credential, access_token is invalid or not latest'}
        if path == '/cgi-bin/media/upload':
            assert query['type'] == 'image'
            (part,) = email.message_from_bytes(
                f'Content-Type: {headers["Content-Type"]}\r\n\r\n'.encode() + body
            ).get_payload()
            assert part.get_param('name', header='Content-Disposition') == 'media' and part.get_filename()
            assert part.get_content_type() == 'image/png'
            media_id = f'media{len(self.uploaded)}'
            self.uploaded[media_id] = part.get_payload(decode=True)
            return {'type': 'image', 'media_id': media_id, 'created_at': 1}
        if path == '/cgi-bin/media/get':
            return self.media.get(query['media_id'], {'errcode': 40007, 'errmsg': 'invalid media_id'})
        if path == '/cgi-bin/message/custom/send':
            assert b'\\u' not in body  # WeChat shows escapes as they are.
            self.sent.append(json.loads(body))
            return {'errcode': 0, 'errmsg': 'ok'}
        return 404


class FakeIlink(Loopback):
    """The iLink server and the CDN.

    Attributes:
      token: the bot token that is valid now; '' for none.
      statuses: what get_qrcode_status says next; the last one is repeated.
      batches: the messages that getupdates gives, one list for each cursor.
      sent: the messages of the bot.
      stored: encrypted files of the CDN, by their parameters.
      full_urls: whether URLs are given whole, as newer servers do.
    """

    def __init__(self) -> None:
        super().__init__()
        self.token, self.full_urls, self.codes = '', True, 0
        self.statuses: list[dict] = [{'status': 'wait'}, {'status': 'scaned'}, {'status': 'confirmed'}]
        self.batches: list[list[dict]] = []
        self.sent: list[dict] = []
        self.stored: dict[str, bytes] = {}
        self.verified = ''
        self._expected: dict[str, dict] = {}

    def answer(self, path: str, query: dict[str, str], headers: Any, body: bytes) -> Any:
        if path.startswith('/c2c/'):
            return self._cdn(path, query, body)
        assert headers['iLink-App-Id'] == 'bot' and int(headers['iLink-App-ClientVersion']) > 0x20000
        if path == '/ilink/bot/get_bot_qrcode':
            assert query['bot_type'] == '3' and json.loads(body) == {'local_token_list': []}
            self.codes += 1
            return {'qrcode': f'code{self.codes}', 'qrcode_img_content': f'https://example.com/q?code={self.codes}'}
        if path == '/ilink/bot/get_qrcode_status':
            assert query['qrcode'] == f'code{self.codes}'
            self.verified = query.get('verify_code', self.verified)
            status = dict(self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0])
            if status['status'] == 'confirmed':
                self.token = self.token or 'botToken1'
                status = {'bot_token': self.token, 'ilink_bot_id': 'bot', 'baseurl': self.url, **status}
            return status
        assert headers['AuthorizationType'] == 'ilink_bot_token'
        assert int(base64.b64decode(headers['X-WECHAT-UIN'])) < 2**32
        asked = json.loads(body)
        assert asked['base_info']['channel_version']
        if headers.get('Authorization') != f'Bearer {self.token}' or not self.token:
            return {'ret': 0, 'errcode': -14, 'errmsg': 'session timeout'}
        return self._bot(path.rpartition('/')[2], asked)

    def _bot(self, method: str, asked: dict) -> Any:
        if method == 'getupdates':
            number = int(asked['get_updates_buf'] or 0)
            if number >= len(self.batches):
                self._end.wait(0.3)
                return {'ret': 0, 'msgs': [], 'get_updates_buf': asked['get_updates_buf']}
            return {'ret': 0, 'msgs': self.batches[number], 'get_updates_buf': str(number + 1)}
        if method == 'sendmessage':
            message = asked['msg']
            assert message['context_token'] == 'context' and message['to_user_id'] == PERSON
            assert message['message_type'] == 2 and message['client_id'] and len(message['item_list']) == 1
            self.sent.append(message)
            return {}
        if method == 'getuploadurl':
            if asked.get('context_token') != 'context':
                return {'ret': -2}
            assert asked['media_type'] == 1 and asked['no_need_thumb'] is True and len(asked['aeskey']) == 32
            name = asked['filekey']
            self._expected[name] = asked
            if self.full_urls:
                return {'upload_full_url': f'{self.url}/c2c/upload?encrypted_query_param=up&filekey={name}'}
            return {'upload_param': 'up'}
        return {'ret': 0} if method in ('notifystart', 'notifystop') else 404

    def _cdn(self, path: str, query: dict[str, str], body: bytes) -> Any:
        if path == '/c2c/download':
            return self.stored.get(query['encrypted_query_param'], 404)
        expected = self._expected[query['filekey']]
        plain = decrypted(body, bytes.fromhex(expected['aeskey']))
        assert (len(body), len(plain)) == (expected['filesize'], expected['rawsize'])
        assert hashlib.md5(plain).hexdigest() == expected['rawfilemd5']
        parameter = f'stored{len(self.stored)}'
        self.stored[parameter] = body
        return b'', {'x-encrypted-param': parameter}

    def seen(self, item: dict) -> bytes:
        """The picture that a phone shows for an item: it wants mid_size, and the key as base64 of its digits."""
        image, media = item['image_item'], item['image_item']['media']
        data = self.stored[media['encrypt_query_param']]
        assert image['mid_size'] == len(data) and media['encrypt_type'] == 1
        return decrypted(data, bytes.fromhex(base64.b64decode(media['aes_key']).decode()))


def decrypted(data: bytes, key: bytes) -> bytes:
    work, pad = Cipher(algorithms.AES(key), modes.ECB()).decryptor(), padding.PKCS7(128).unpadder()
    return pad.update(work.update(data) + work.finalize()) + pad.finalize()


def encrypted(data: bytes, key: bytes) -> bytes:
    work, pad = Cipher(algorithms.AES(key), modes.ECB()).encryptor(), padding.PKCS7(128).padder()
    return work.update(pad.update(data) + pad.finalize()) + work.finalize()


def message(number: int, **changes: Any) -> dict:
    """A message of a person to the bot."""
    usual = {'message_id': 2**63 + number, 'from_user_id': PERSON, 'context_token': 'context', 'message_type': 1}
    return {**usual, 'item_list': [{'type': 1, 'text_item': {'text': 'seed 3'}}], **changes}
