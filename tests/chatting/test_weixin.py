"""The chat in WeChat by iLink: log in, poll, answer once, pictures, failures; a stand-in of the server and the CDN."""

from __future__ import annotations

import base64
import functools
import io
import itertools
import json
import logging
import os
import pathlib
import re
import sys

import pytest

from tests.chatting.drawn import PNG, Drawn, Recognising
from tests.fakes.wechat import HANG, PERSON, FakeIlink, encrypted, message
from trainer import errors
from trainer.chatting import answer, credentials, http_client, ilink, weixin
from trainer.chatting.http_client import Failed
from trainer.chatting.ilink import Ilink
from trainer.chatting.weixin import WeixinChat

UPDATES, SEND, UPLOAD, PLACE, STATUS = (
    '/ilink/bot/getupdates', '/ilink/bot/sendmessage', '/c2c/upload', '/ilink/bot/getuploadurl',
    '/ilink/bot/get_qrcode_status',
)  # fmt: skip
KEY = bytes(range(100, 116))


@pytest.fixture
def server():
    with FakeIlink() as running:
        running.token = 'botToken0'
        yield running


class Chat:
    """A chat whose pauses take no time, and are counted."""

    def __init__(self, server: FakeIlink, path: str = '', model=None):
        self.said: list[str] = []
        self.pauses: list[float] = []
        self.model = model or Drawn('rose')
        self.client = Ilink(server.url)
        self.client.token = server.token
        answering = functools.partial(answer.answer, self.model, Recognising())
        self.chat = WeixinChat(self.client, path, self.said.append, self._pause)
        self.chat.answering = answering

    def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        assert len(self.pauses) < 100, 'it tries for ever'

    def poll(self, times: int = 1) -> None:
        for _ in range(times):
            self.chat.poll()


def texts(server: FakeIlink) -> list[str]:
    items = [sent['item_list'][0] for sent in server.sent]
    return [item['text_item']['text'] if item['type'] == 1 else server.seen(item)[1:4].decode() for item in items]


def image(server: FakeIlink, **changes) -> dict:
    """A message with a picture, as a phone sends it."""
    server.stored['sent'] = encrypted(PNG, KEY)
    media = {'encrypt_query_param': 'sent', 'aes_key': base64.b64encode(KEY).decode()}
    if server.full_urls:
        media['full_url'] = f'{server.url}/c2c/download?encrypted_query_param=sent'
    item = {'type': 2, 'image_item': {'media': {**media, **changes.pop('media', {})}, **changes}}
    return message(9, item_list=[item])


@pytest.mark.parametrize('full_urls', [True, False])
def test_a_text_gets_a_text_and_a_picture(server, full_urls):
    server.full_urls, server.batches = full_urls, [[message(1)]]
    Chat(server).poll()
    assert texts(server) == ['rose, seed 3', 'PNG']
    assert len({sent['client_id'] for sent in server.sent}) == 2


@pytest.mark.parametrize('full_urls', [True, False])
@pytest.mark.parametrize(
    'key', ['base64 of bytes', 'base64 of digits', 'digits'],
)  # fmt: skip
def test_a_picture_is_decrypted_and_recognised(server, full_urls, key):
    server.full_urls = full_urls
    changes = {
        'base64 of bytes': {},
        'base64 of digits': {'media': {'aes_key': base64.b64encode(KEY.hex().encode()).decode()}},
        'digits': {'media': {'aes_key': ''}, 'aeskey': KEY.hex()},
    }[key]
    server.batches = [[image(server, **changes)]]
    Chat(server).poll()
    assert texts(server)[0].startswith('rose, 87% sure.') and texts(server)[1] == 'PNG'


@pytest.mark.parametrize(
    ('changes', 'told'),
    [
        (
            {'aeskey': '00' * 16},
            'Your picture did not arrive here (not encrypted with this key). Please send it again.',
        ),
        ({'media': {'aes_key': 'AAAA'}}, 'Your picture did not arrive here (not encrypted with this key).'),
        ({'media': {'full_url': 'http://127.0.0.1:9/x'}}, '(no place of WeChat for the picture)'),
        ({'media': {'full_url': 'https://evil.com\\.qq.com/x'}}, '(no place of WeChat for the picture)'),
        ({'media': {'full_url': '', 'encrypt_query_param': 'gone'}}, '(HTTP 404)'),
        ({'media': None}, 'no place of WeChat'),
    ],
)
def test_a_picture_that_cannot_be_read_is_told(server, changes, told):
    made = image(server)
    item = made['item_list'][0]['image_item']
    media = changes.pop('media', {})
    item['media'] = {**item['media'], **media} if media is not None else None
    item.update(changes)
    server.batches = [[made]]
    Chat(server).poll()
    assert told in texts(server)[0]


def test_an_unencrypted_picture_is_read(server):
    made = image(server, media={'aes_key': ''})
    server.stored['sent'] = PNG
    server.batches = [[made]]
    Chat(server).poll()
    assert texts(server)[0].startswith('rose, 87%')


def test_each_message_is_answered_once(server):
    """The server repeats messages, also across polls."""
    server.batches = [[message(1), message(1)], [], [message(1), message(2)]]
    chat = Chat(server)
    chat.poll(4)
    assert len(chat.model.asked) == 2
    assert server.count(UPDATES) == 4


def test_messages_of_others_are_left_alone(server):
    server.batches = [
        [message(1, message_type=2), message(2, group_id='g'), message(3, from_user_id=None), 'odd', {}],
        [message(4, item_list=None), message(5, item_list=[{'type': 3, 'voice_item': {'text': 'seed 3'}}, 'odd'])],
        [message(6, item_list=[{'type': 5}]), message(0, message_id=None, client_id='c', item_list=[{'type': 1}])],
    ]
    Chat(server).poll(3)
    said = texts(server)
    assert [text[:8] for text in said] == ['Send a n', 'rose, se', 'PNG', 'Send a n', 'Send a n']


def test_logging_in_shows_a_code_and_keeps_the_token(server, tmp_path):
    server.token, server.batches = '', [[message(1)]]
    path = str(tmp_path / 'weixin.json')
    chat = Chat(server, path)
    chat.chat._log_in()
    assert '▄' in chat.said[0] and 'or open https://example.com/q?code=1 on the phone' in chat.said[0]
    assert chat.said[1:] == [
        'scanned: confirm it on the phone',
        'connected: write to the bot in WeChat; Ctrl-C ends it',
    ]
    assert os.stat(path).st_mode & 0o777 == 0o600
    chat.poll()
    kept = json.loads(pathlib.Path(path).read_text())
    assert kept == {'token': 'botToken1', 'base_url': server.url, 'cursor': '1', 'made_by': 'trainer.chat'}
    again = Chat(server, path)  # The message is not answered again.
    again.poll()
    assert len(server.sent) == 2 and again.said == [] and server.codes == 1


@pytest.mark.parametrize('over', ['expired', 'verify_code_blocked', 'binded_redirect'])
def test_a_code_that_is_over_is_followed_by_another(server, over):
    server.token = ''
    server.statuses = [{'status': over}, {'status': 'wait'}, {'status': 'confirmed'}]
    chat = Chat(server)
    chat.chat._log_in()
    assert server.codes == 2 and chat.client.token == 'botToken1'
    server.statuses = [{'status': over}]
    with pytest.raises(errors.Transient, match='nobody has confirmed one of 3 QR codes'):
        chat.chat._log_in()


def test_another_server_is_followed_if_it_is_wechats(server):
    server.token = ''
    with FakeIlink() as other:
        other.token = 'botToken7'
        server.statuses = [{'status': 'scaned_but_redirect', 'redirect_host': other.url.partition('//')[2]}]
        chat = Chat(server)
        with pytest.raises(errors.Transient, match='a server of somebody else'):
            chat.chat._log_in()
        assert other.asked == []
        chat.client._own, other.codes = (server.url, other.url), server.codes + 1
        chat.chat._log_in()
        assert (chat.client.token, chat.client.base_url) == ('botToken7', other.url)


@pytest.mark.parametrize(
    'base', ['https://evil.com', 'http://ilinkai.weixin.qq.com', 'https://x@ilinkai.weixin.qq.com']
)
def test_the_token_goes_to_no_other_server(server, base, tmp_path):
    server.token, server.statuses = '', [{'status': 'confirmed', 'baseurl': base}]
    chat = Chat(server, str(tmp_path / 'kept'))
    with pytest.raises(errors.Transient, match='a server of somebody else'):
        chat.chat._log_in()
    assert not (tmp_path / 'kept').exists()
    with pytest.raises(Failed):
        Ilink().allowed(base)
    assert Ilink().allowed('https://sz.weixin.qq.com/') == 'https://sz.weixin.qq.com'


def test_a_number_of_the_phone_is_typed(server, monkeypatch):
    server.token = ''
    server.statuses = [{'status': 'need_verifycode'}, {'status': 'confirmed'}]
    monkeypatch.setattr('sys.stdin', io.StringIO('4711\n'))
    Chat(server).chat._log_in()
    assert server.verified == '4711'
    server.token, server.statuses = '', [{'status': 'need_verifycode'}]
    with pytest.raises(errors.UserError, match='run this command in a terminal'):
        Chat(server).chat._log_in()


def test_a_lost_session_leads_to_a_new_code(server, tmp_path):
    path = str(tmp_path / 'kept')
    credentials.write(path, credentials.Credentials('old', server.url, '5'))
    server.batches = [[message(1)]]
    chat = Chat(server, path)
    assert chat.client.token == 'old'
    chat.poll(2)
    assert server.codes == 1 and texts(server) == ['rose, seed 3', 'PNG']
    assert credentials.read(path).token == server.token


@pytest.mark.parametrize(
    'fault',
    [500, 302, 404, {'ret': -1}, {'errcode': 7}, b'<html>', b'[]', b'[' * 10**5, {'ret': 1}],
    ids=itertools.count(),
)
def test_failed_polls_are_repeated_after_longer_pauses(server, fault):
    server.batches, server.script[UPDATES] = [[message(1)]], [fault] * 8
    chat = Chat(server)
    chat.poll()
    assert all(most / 2 <= wait <= most for wait, most in zip(chat.pauses, (1, 2, 4, 8, 16, 32, 60, 60)))
    assert chat.pauses[6] != chat.pauses[7]  # At random.
    assert texts(server) == ['rose, seed 3', 'PNG'] and '/secret' not in server.asked
    server.script[UPDATES] = [fault]
    chat.pauses.clear()
    chat.poll()
    assert chat.pauses[0] < 1  # Begins anew.


def test_a_poll_without_an_answer_is_usual(server, monkeypatch):
    server.batches = [[message(1)]]
    server.script[UPDATES] = [HANG]
    chat = Chat(server)
    monkeypatch.setattr(ilink, '_POLL_S', 0.1)
    chat.poll(2)
    assert chat.pauses[0] == pytest.approx(1) and texts(server)[0] == 'rose, seed 3'


@pytest.mark.parametrize('faults', [[{'ret': -2, 'errmsg': 'prepare failed'}], [500, 503], [b'no', {'ret': -2}]])
def test_an_item_is_sent_again_by_the_same_id(server, faults):
    server.batches = [[message(1, item_list=[{'type': 1, 'text_item': {'text': 'hello'}}])]]
    server.script[SEND] = list(faults)
    chat = Chat(server)
    chat.poll()
    assert len(server.sent) == 1 and server.count(SEND) == 1 + len(faults)
    assert sum(0.5 <= pause < 1 for pause in chat.pauses) == 1  # The first of growing ones.


@pytest.mark.parametrize(('fault', 'tries'), [({'ret': -2}, 4), ({'ret': -3}, 1), ({'errcode': -14}, 1), (500, 4)])
def test_an_item_that_is_not_taken_is_given_up(server, fault, tries, caplog):
    server.batches = [[message(1, item_list=[]), message(2)]]
    server.script[SEND] = [fault] * tries
    Chat(server).poll()
    assert 'an answer was not delivered' in caplog.text
    assert texts(server) == ['rose, seed 3', 'PNG']  # The next one is.


def test_items_keep_their_distance(server):
    server.batches = [[message(1)]]
    chat = Chat(server)
    chat.poll()
    assert max(chat.pauses) > 0.8


@pytest.mark.parametrize(
    ('path', 'faults', 'told'),
    [
        (PLACE, [{'ret': -2}], '(errcode -2)'),
        (PLACE, [{'ret': 0}], '(no place of WeChat for the picture)'),
        (PLACE, [{'upload_full_url': 'http://10.0.0.1/up'}], '(no place of WeChat for the picture)'),
        (UPLOAD, [400], '(HTTP 400)'),
        (UPLOAD, [500, 500, 500], '(HTTP 500)'),
        (UPLOAD, [302], '(HTTP 302)'),
        (UPLOAD, [b''], '(the CDN does not say where it has the picture)'),
    ],
)
def test_a_picture_that_cannot_be_sent_is_told(server, path, faults, told, monkeypatch):
    monkeypatch.setattr(http_client, '_FIRST_S', 0)
    server.batches = [[message(1)]]
    server.script[path] = list(faults)
    Chat(server).poll()
    assert texts(server) == [f'rose, seed 3. The picture could not be sent {told}.']
    assert server.script[path] == [] and '/secret' not in server.asked


def test_an_upload_is_tried_again(server, monkeypatch):
    monkeypatch.setattr(http_client, '_FIRST_S', 0)
    server.batches, server.script[UPLOAD] = [[message(1)]], [500, 503]
    Chat(server).poll()
    assert texts(server) == ['rose, seed 3', 'PNG']


def test_a_message_that_breaks_the_program_is_no_end(server, caplog):
    server.batches = [[message(1, context_token='\ud800'), message(2)]]
    server.script[SEND] = []
    chat = Chat(server)
    numbers = itertools.count()
    chat.chat.answering = lambda asked: answer.Answer(f'fine {1 / next(numbers):.0f}')
    chat.poll()
    assert texts(server) == ['fine 1'] and 'ZeroDivisionError' in caplog.text


def test_nothing_private_is_logged(server, caplog):
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, 'absl'):
        server.batches = [
            [message(1), image(server)],
            [message(2, item_list=[{'type': 1, 'text_item': {'text': 'mine'}}])],
        ]
        server.script[SEND], server.script[UPLOAD] = [500], [400]
        server.script[UPDATES] = [500, {'errcode': -14}]
        chat = Chat(server)
        chat.poll(4)
    assert 'WeChat does not answer' in caplog.text and len(server.sent) >= 3
    for secret in ('botToken', 'code1', 'mine', PERSON, 'encrypted_query_param', KEY.hex()):
        assert secret not in caplog.text, secret


@pytest.mark.parametrize(
    ('text', 'told'),
    [
        ('a thesis', 'is no file of trainer.chat'),
        ('{"token": 3}', 'is no file of trainer.chat'),
        ('{"token": "secret", "made_by": "others"}', 'is no file of trainer.chat'),
        ('{"token": "secret", "base_url": "https://evil.com"}', 'names a server of somebody else'),
        ('{"token": "secret", "base_url": "https://a.weixin.qq.com"}', ''),
    ],
)
def test_a_file_of_somebody_else_is_not_replaced(server, tmp_path, text, told):
    path = tmp_path / 'kept'
    path.write_text(text)
    path.chmod(0o600)
    if told:
        with pytest.raises(errors.UserError, match=told) as caught:
            Chat(server, str(path))
        assert 'secret' not in str(caught.value)
    path.chmod(0o644)
    with pytest.raises(errors.UserError, match='is no file of trainer.chat|can be read by others: run chmod 600'):
        Chat(server, str(path))
    assert path.read_text() == text


@pytest.mark.parametrize('package', ['segno', 'cryptography'])
def test_a_missing_package_is_named_before_the_work(tmp_path, monkeypatch, package):
    for name in [name for name in sys.modules if name.partition('.')[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(errors.UserError, match=rf"{package} is not installed: run pip install 'tpu-dcgan\[chat\]'"):
        WeixinChat(Ilink(), str(tmp_path / 'absent'), print)


def test_a_qr_code_is_drawn():
    lines = weixin.drawn('https://example.com').splitlines()
    assert len({len(re.sub('\x1b.*?m', '', line)) for line in lines}) == 1 and 10 < len(lines) < 30
    with pytest.raises(errors.Transient, match='what is no QR code'):
        weixin.drawn('x' * 5000)
