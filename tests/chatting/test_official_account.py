"""The webhook of an official account, by requests that wechatpy signs and encrypts; a stand-in of the API."""

from __future__ import annotations

import functools
import html
import itertools
import logging
import threading
import time

import numpy as np
import pytest
import wechatpy
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner

from tests.chatting.drawn import PNG, Drawn, Recognising
from tests.fakes.wechat import ACCOUNT, AES_KEY, APP_ID, HANG, PERSON, SECRET, TOKEN, FakeOfficialApi
from trainer import errors
from trainer.chatting import answer, http_client, official_account
from trainer.chatting.official_account import OfficialAccount
from trainer.chatting.wechat_api import OfficialApi
from trainer.chatting.wechat_crypto import Envelope

NOW = 1_700_000_000
JUDGE = WeChatCrypto(TOKEN, AES_KEY, APP_ID)


@pytest.fixture
def api():
    with FakeOfficialApi() as running:
        yield running


@pytest.fixture
def make(api, monkeypatch):
    """Makes accounts, and closes them."""
    made = []
    monkeypatch.setattr(http_client, '_FIRST_S', 0.01)

    def account(model=None, recogniser=None, in_time_s=5.0, envelope=None, timeout_s=5.0) -> OfficialAccount:
        answering = functools.partial(answer.answer, model or Drawn('rose'), recogniser)
        made.append(OfficialAccount(TOKEN, envelope, OfficialApi(APP_ID, SECRET, api.url, timeout_s), answering))
        made[-1].in_time_s, made[-1].clock = in_time_s, lambda: NOW
        return made[-1]

    yield account
    for one in made:
        one.close()


def signature(*parts: str) -> str:
    signer = WeChatSigner()
    signer.add_data(*parts)
    return signer.signature


def query(stamp: int = NOW, **changes: str) -> dict[str, str]:
    usual = {'timestamp': str(stamp), 'nonce': 'n1', 'signature': signature(TOKEN, str(stamp), 'n1')}
    return {**usual, **changes}


def message(number: int = 1, kind: str = 'text', **fields: str) -> bytes:
    named = {'ToUserName': ACCOUNT, 'FromUserName': PERSON, 'MsgType': kind, **fields}
    parts = ''.join(f'<{name}><![CDATA[{value}]]></{name}>' for name, value in named.items())
    return f'<xml>{parts}<CreateTime>{NOW}</CreateTime><MsgId>{number}</MsgId></xml>'.encode()


def read(response) -> wechatpy.messages.BaseMessage:
    """A reply; wechatpy reads it as a message, which needs an id."""
    status, content_type, body = response
    assert (status, content_type) == (200, 'application/xml; charset=utf-8'), response
    found = wechatpy.parse_message(body.replace(b'</xml>', b'<MsgId>1</MsgId></xml>'))
    assert (found.source, found.target) == (ACCOUNT, PERSON)
    return found


def test_the_handshake(make):
    account = make()
    assert account('GET', query(echostr='5838479218127'), b'') == (200, 'text/plain; charset=utf-8', b'5838479218127')
    assert account('GET', query(echostr='1', signature='0' * 40), b'')[0] == 403
    assert account('GET', query(echostr='<script>'), b'')[0] == 400
    assert account('GET', query(), b'')[0] == 400
    assert account('GET', {}, b'')[0] == 403


def test_a_text_gets_help(make, api):
    found = read(make()('POST', query(), message(Content='hello')))
    assert found.type == 'text' and found.content.startswith('Send a number') and 'rose' in found.content
    assert api.asked == []


def test_a_number_gets_a_picture(make, api):
    reply = make()('POST', query(), message(Content='seed 3'))
    assert b'<MsgType><![CDATA[image]]></MsgType>' in reply[2]
    assert b'<Image><MediaId><![CDATA[media0]]></MediaId></Image>' in reply[2]
    assert api.uploaded['media0'].startswith(b'\x89PNG') and api.sent == []


def test_a_picture_is_fetched_and_recognised(make, api):
    api.media['/picture'] = PNG
    account = make(recogniser=Recognising())
    found = read(account('POST', query(), message(kind='image', PicUrl=f'{api.url}/picture', MediaId='m')))
    assert found.content.startswith('rose, 87% sure.') and 'could not' not in found.content
    assert api.sent == [{'touser': PERSON, 'msgtype': 'image', 'image': {'media_id': 'media0'}}]
    assert api.count('/cgi-bin/media/get') == 0


@pytest.mark.parametrize(
    'address', ['', 'http://127.0.0.1:1/x', 'file:///etc/passwd', 'http://[::1', 'REDIRECT', 'ftp']
)
def test_a_picture_from_elsewhere_comes_by_the_api(make, api, address):
    """Nothing but WeChat's own hosts is asked, whatever a message names; no redirect is followed."""
    api.media['m'], api.media['/secret'] = PNG, b'of the inner network'
    if address == 'REDIRECT':
        api.script['/picture'], address = [302], f'{api.url}/picture'
    account = make(recogniser=Recognising())
    found = read(account('POST', query(), message(kind='image', PicUrl=address, MediaId='m')))
    assert found.content.startswith('rose') and '/secret' not in api.asked


def test_a_picture_that_cannot_be_had_is_told(make, api):
    account = make(recogniser=Recognising())
    found = read(account('POST', query(), message(1, kind='image', PicUrl='', MediaId='unknown')))
    assert found.content == 'Your picture did not arrive here (errcode 40007). Please send it again.'
    api.media['m'] = b'x' * (11 << 20)
    found = read(account('POST', query(), message(2, kind='image', PicUrl='', MediaId='m')))
    assert 'more than 10,485,760 bytes' in found.content


def test_a_picture_named_with_http_is_fetched_by_https(monkeypatch):
    """As WeChat names its hosts; they cannot be asked here."""
    asked = []
    monkeypatch.setattr(http_client, 'fetch', lambda url, **_: (asked.append(url), (PNG, {}))[1])
    assert OfficialApi(APP_ID, SECRET).picture('http://mmbiz.qpic.cn/mmbiz_jpg/x/0', '') == PNG
    assert asked == ['https://mmbiz.qpic.cn/mmbiz_jpg/x/0']


def test_texts_are_no_longer_than_wechat_takes(make, api):
    recogniser, api.media['m'] = Recognising(), PNG
    recogniser.name = '花' * 999
    account = make(Drawn(*('郁金香' * 30 + str(number) for number in range(99))), recogniser)
    for number, asked in enumerate(({'Content': 'hello'}, {'kind': 'image', 'MediaId': 'm'})):
        content = read(account('POST', query(), message(number, **asked))).content
        assert 1000 < len(content.encode()) <= 2048


def test_messages_of_the_api_are_in_utf_8(api):
    OfficialApi(APP_ID, SECRET, api.url).send(PERSON, 'text', '郁金香 \ud800')
    assert api.sent[0]['text']['content'] == '郁金香 ?'


def test_other_kinds_and_events(make):
    account = make()
    assert read(account('POST', query(), message(1, kind='event', Event='subscribe'))).content.startswith('Send a')
    assert account('POST', query(), message(2, kind='event', Event='unsubscribe'))[2] == b'success'
    assert read(account('POST', query(), message(3, kind='location'))).content.startswith('Send a number')
    assert b'media0' in account('POST', query(), message(4, kind='voice', Recognition='seed 3'))[2]


def test_a_repeated_message_is_answered_once(make, api):
    """WeChat repeats a message with the same MsgId, and with a new timestamp and nonce."""
    model = Drawn('rose')
    account = make(model)
    first = account('POST', query(), message(7, Content='rose'))
    for stamp in (NOW, NOW + 5, NOW + 10):
        assert account('POST', query(stamp), message(7, Content='rose')) == first
    assert len(model.asked) == 1 and len(api.uploaded) == 1
    assert account('POST', query(), message(8, Content='rose')) != first
    assert account('POST', query(), message(7, Content='rose', FromUserName='oOther')) != first
    assert len(model.asked) == 3


def test_repetitions_wait_for_the_first(make, api):
    go = threading.Event()
    model = Drawn('rose', go=go)
    account, found = make(model, in_time_s=10), []
    threads = [
        threading.Thread(target=lambda: found.append(account('POST', query(), message(7, Content='3'))))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    go.set()
    for thread in threads:
        thread.join(10)
    assert len(found) == 3 and len(set(found)) == 1 and b'media0' in found[0][2]
    assert len(model.asked) == 1


def test_what_takes_longer_comes_by_another_message(make, api):
    """WeChat is told `success` in time, so that it neither waits nor repeats."""
    go = threading.Event()
    account = make(Drawn('rose', go=go), in_time_s=0.1)
    began = time.monotonic()
    assert account('POST', query(), message(7, Content='3')) == (200, 'text/plain; charset=utf-8', b'success')
    assert account('POST', query(), message(7, Content='3'))[2] == b'success'
    assert time.monotonic() - began < 3
    go.set()
    account.close()
    assert api.sent == [{'touser': PERSON, 'msgtype': 'image', 'image': {'media_id': 'media0'}}]


def test_a_late_answer_that_is_not_taken_is_logged(make, api, caplog):
    api.script['/cgi-bin/message/custom/send'] = [{'errcode': 48001, 'errmsg': 'api unauthorized'}]
    go = threading.Event()
    account = make(Drawn('rose', go=go), in_time_s=0.05)
    assert account('POST', query(), message(7, Content='3'))[2] == b'success'
    go.set()
    account.close()
    assert 'was not delivered: errcode 48001, the account may not do this; it needs to be verified' in caplog.text


@pytest.mark.parametrize(
    ('path', 'answers', 'told'),
    [
        ('media/upload', [{'errcode': 45009}], 'The picture could not be sent (errcode 45009, the daily limit of the'),
        ('media/upload', [{'errcode': 48001}], 'it needs to be verified'),
        ('media/upload', [500, 503], '(HTTP 503)'),
        ('media/upload', [404], '(HTTP 404)'),
        ('media/upload', [302], '(HTTP 302)'),
        ('media/upload', [b'<html>'], '(an answer that is not JSON)'),
        ('media/upload', [{}], '(an answer without a media id)'),
        ('media/upload', [{'errcode': -1}, {'errcode': -1}], '(errcode -1)'),
        ('media/upload', [HANG], '(no answer within 0.5 s)'),
        ('stable_token', [{'errcode': 40164}], "this server's address is not in the list of IP addresses"),
        ('stable_token', [{'errcode': 40125}], '(errcode 40125)'),
        ('stable_token', [{'access_token': 3}], '(an answer without a token)'),
        ('stable_token', [500, 500], '(HTTP 500)'),
    ],
)
def test_a_picture_that_cannot_be_sent_is_told(make, api, path, answers, told):
    api.script[f'/cgi-bin/{path}'] = list(answers)
    found = read(make(timeout_s=0.5)('POST', query(), message(Content='3')))
    assert found.content.startswith('rose, seed 3. The picture could not be sent (') and told in found.content
    assert api.script[f'/cgi-bin/{path}'] == []


@pytest.mark.parametrize(
    'fault', [500, 503, {'errcode': -1}, {'errcode': 40001}, {'errcode': 42001}, {'errcode': 40014}]
)
def test_what_passes_is_tried_again(make, api, fault):
    api.script['/cgi-bin/media/upload'] = [fault]
    assert b'media0' in make()('POST', query(), message(Content='3'))[2]
    refreshed = isinstance(fault, dict) and fault['errcode'] > 0
    assert api.count('/cgi-bin/stable_token') == (2 if refreshed else 1)


def test_a_token_is_kept_until_wechat_refuses_it(make, api):
    account = make()
    for number in range(3):
        account('POST', query(), message(number, Content='3'))
    assert api.count('/cgi-bin/stable_token') == 1
    api.token = 'another process has fetched one'  # As with the old kind of token, or when it is over.
    assert b'media3' in account('POST', query(), message(9, Content='3'))[2]
    assert api.count('/cgi-bin/stable_token') == 2


@pytest.mark.parametrize(
    ('changes', 'body', 'status'),
    [
        ({'signature': '0' * 40}, message(), 403),
        ({'signature': ''}, message(), 403),
        ({'nonce': 'n2'}, message(), 403),
        ({'timestamp': str(NOW + 1)}, message(), 403),
        ({'timestamp': ''}, message(), 403),
        ({'timestamp': 'x'}, message(), 403),
        ({'timestamp': '１７'}, message(), 403),
        (query(NOW - 301), message(), 403),
        (query(NOW + 301), message(), 403),
        ({}, b'', 400),
        ({}, b'not XML', 400),
        ({}, b'<!DOCTYPE x [<!ENTITY a "b">]>' + message(), 400),
        ({}, b'<xml><MsgType>text</MsgType></xml>', 400),
        ({}, message(FromUserName='x' * 129), 400),
        ({}, b'x' * (64 << 10), 400),
        ({}, b'x' * ((64 << 10) + 1), 413),
    ],
    ids=itertools.count(),
)
def test_what_is_not_from_wechat_is_refused(make, api, changes, body, status):
    model = Drawn('rose')
    found, content_type, said = make(model)('POST', {**query(), **changes}, body)
    assert (found, content_type) == (status, 'text/plain; charset=utf-8')
    assert said.count(b'\n') == 1 and len(said) < 100 and not api.asked and not model.asked


@pytest.mark.parametrize('stamp', [NOW - 300, NOW + 300])
def test_clocks_may_differ(make, stamp):
    assert make()('POST', query(stamp), message())[0] == 200


def sealed(body: bytes, stamp: int = NOW) -> tuple[dict[str, str], bytes]:
    """The query and the body as WeChat sends them in its safe mode."""
    outer = JUDGE.encrypt_message(body.decode(), 'n1', str(stamp)).encode()
    proof = outer.split(b'<MsgSignature><![CDATA[')[1].split(b']')[0].decode()
    return query(stamp, encrypt_type='aes', msg_signature=proof), outer


def test_encrypted_messages_get_encrypted_replies(make, api):
    account = make(envelope=Envelope(AES_KEY, APP_ID))
    status, content_type, body = account('POST', *sealed(message(Content='hello 你好')))
    assert (status, content_type) == (200, 'application/xml; charset=utf-8') and b'Send a number' not in body
    proof = body.split(b'<MsgSignature><![CDATA[')[1].split(b']')[0].decode()
    nonce = body.split(b'<Nonce><![CDATA[')[1].split(b']')[0].decode()
    opened = JUDGE.decrypt_message(body, proof, str(NOW), nonce)
    assert read((200, content_type, opened.encode())).content.startswith('Send a number')
    assert account('GET', query(echostr='42'), b'')[2] == b'42'  # In plain, with a key too.


def test_encrypted_messages_that_are_not_right_are_refused(make, api):
    account = make(envelope=Envelope(AES_KEY, APP_ID))
    asked, outer = sealed(message(Content='3'))
    half = len(outer) // 3
    changed = outer[:half] + bytes([outer[half] ^ 1]) + outer[half + 1 :]
    for parameters, body in (
        ({**asked, 'msg_signature': '0' * 40}, outer),
        ({**asked, 'msg_signature': ''}, outer),
        (asked, changed),
        (asked, message(Content='3')),
        (query(), message(Content='3')),  # Rightly signed, but plain.
        (sealed(message(), NOW - 301)),
    ):
        assert account('POST', parameters, body)[0] == 403
    other = WeChatCrypto(TOKEN, AES_KEY, 'wxother').encrypt_message('<xml/>', 'n1', str(NOW)).encode()
    proof = other.split(b'<MsgSignature><![CDATA[')[1].split(b']')[0].decode()
    assert account('POST', query(msg_signature=proof), other)[2] == b'for another account\n'
    assert api.asked == []


def test_an_encrypting_account_without_its_key_says_so(make, caplog):
    asked, outer = sealed(message(Content='3'))
    assert make()('POST', asked, outer)[0] == 400
    assert 'WeChat encrypts the messages of this account: set WECHAT_ENCODING_AES_KEY' in caplog.text


def test_too_many_at_once_are_told(make, monkeypatch):
    monkeypatch.setattr(official_account, '_MOST_WAITING', 2)
    go = threading.Event()
    account = make(Drawn('rose', go=go), in_time_s=0.01)
    for number in range(2):
        assert account('POST', query(), message(number, Content='3'))[2] == b'success'
    assert read(account('POST', query(), message(3, Content='3'))).content.startswith('I have too much to do')
    go.set()
    account.close()
    assert account('POST', query(), message(4, Content='3'))[2] == b'success'  # Closed.


def test_a_bug_is_no_failed_request(make, caplog):
    account = make()
    account._answer = lambda message: 1 / 0
    assert account('POST', query(), message(Content='3'))[2] == b'success'
    assert 'ZeroDivisionError' in caplog.text


def test_no_secret_is_ever_logged(make, api, caplog):
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, 'absl'):
        for number, script in enumerate(([], [{'errcode': 40001}], [500, 500], [HANG], [b'no'])):
            api.script['/cgi-bin/media/upload'] = list(script)
            api.script['/cgi-bin/stable_token'] = [500] if number == 1 else []
            account = make(timeout_s=0.3, envelope=Envelope(AES_KEY, APP_ID) if number % 2 else None)
            request = message(number, Content='a private seed 3')
            account('POST', *(sealed(request) if number % 2 else (query(), request)))
            account('POST', query(), message(9, Content='3'))
            account('POST', query(signature='wrong'), message(9, Content='a private text'))
    assert 'a picture was not sent' in caplog.text
    for secret in (SECRET, TOKEN, AES_KEY, 'token1', 'private', PERSON, 'access_token'):
        assert secret not in caplog.text, secret


def test_old_messages_are_forgotten(make, monkeypatch):
    monkeypatch.setattr(official_account, '_REMEMBERED', 2)
    model = Drawn()
    account = make(model)
    for number, asked in ((1, 1), (2, 2), (1, 2), (3, 3), (2, 3), (1, 4)):
        account('POST', query(), message(number, Content='3'))
        assert len(model.asked) == asked


DRAWN = functools.partial(answer.answer, Drawn(), None)
GOOD = {'WECHAT_TOKEN': TOKEN, 'WECHAT_APP_ID': APP_ID, 'WECHAT_APP_SECRET': SECRET, 'WECHAT_ENCODING_AES_KEY': AES_KEY}


def test_the_environment_makes_an_account(api):
    assert official_account.from_environment({'PATH': '/bin'}, DRAWN) is None
    for left_out in ('', 'WECHAT_ENCODING_AES_KEY'):
        given = {name: value for name, value in GOOD.items() if name != left_out}
        account = official_account.from_environment({**given, 'WECHAT_API_URL': api.url}, DRAWN)
        stamp = int(time.time())
        assert account('GET', query(stamp, echostr='1'), b'')[0] == 200
        found = account('POST', query(stamp), message(Content='3'))
        assert found[0] == (200 if left_out else 403)
        account.close()
    assert len(api.uploaded) == 1


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'WECHAT_TOKEN': ''}, 'is set but WECHAT_TOKEN is not: set all, or none'),
        ({'WECHAT_APP_ID': '', 'WECHAT_APP_SECRET': ''}, 'set but WECHAT_APP_ID, WECHAT_APP_SECRET is not'),
        ({'WECHAT_TOKEN': 'a b'}, 'WECHAT_TOKEN has 3 characters; it must be 3 to 32 letters and digits'),
        ({'WECHAT_TOKEN': 'x' * 33}, 'WECHAT_TOKEN has 33 characters'),
        ({'WECHAT_APP_ID': 'gh_1234567'}, 'WECHAT_APP_ID has 10 characters; it must be the appID'),
        ({'WECHAT_APP_SECRET': f'{SECRET}\n'}, 'WECHAT_APP_SECRET has 33 characters; it must be the appsecret'),
        ({'WECHAT_ENCODING_AES_KEY': 'short'}, 'WECHAT_ENCODING_AES_KEY has 5 characters'),
        ({'WECHAT_ENCODING_AES_KEY': AES_KEY[1:]}, 'WECHAT_ENCODING_AES_KEY has 42 characters'),
        ({'WECHAT_ENCODING_AES_KEY': AES_KEY + '='}, 'WECHAT_ENCODING_AES_KEY has 44 characters'),
        (
            {'WECHAT_ENCODING_AES_KEY': AES_KEY[:-1] + '!'},
            'WECHAT_ENCODING_AES_KEY has 43 characters; it must be the 43',
        ),
        ({'WECHAT_ENCODING_AES_KEY': AES_KEY[:-1] + '\n'}, 'WECHAT_ENCODING_AES_KEY has 43 characters'),
        ({'WECHAT_API_URL': 'http://example.com'}, 'WECHAT_API_URL=http://example.com must begin with https://'),
        ({'WECHAT_API_URL': 'example.com'}, 'WECHAT_API_URL=example.com must begin with https://'),
    ],
)
def test_variables_that_are_half_set_or_malformed_are_refused(changes, message):
    with pytest.raises(errors.UserError, match=message) as caught:
        official_account.from_environment({**GOOD, **changes}, DRAWN)
    assert '\n' not in str(caught.value)
    for secret in (SECRET, TOKEN, AES_KEY[1:-1]):
        assert secret not in str(caught.value)


def damaged(data: bytes, random: np.random.Generator) -> bytes:
    """Some bytes changed, cut out or doubled."""
    for _ in range(int(random.integers(1, 4))):
        start = int(random.integers(len(data)))
        end = start + int(random.integers(1, 6))
        data = data[:start] + [random.bytes(1), b'', data[start:end] * 2][int(random.integers(3))] + data[end:]
    return data


def test_damaged_requests_never_raise(make):
    """In plain and encrypted, rightly signed: every answer is one of the documented ones."""
    random, plain, envelope = np.random.default_rng(0), make(), Envelope(AES_KEY, APP_ID)
    encrypting, found = make(envelope=envelope), []
    for _ in range(200):
        body = damaged(message(Content='hello 你好'), random)
        found.append(plain('POST', query(), body))
        encrypted = envelope.encrypt(body)
        if random.random() < 0.3:
            encrypted = damaged(encrypted.encode(), random).decode('ascii', 'ignore')
        proof = signature(TOKEN, str(NOW), 'n1', encrypted)
        outer = f'<xml><Encrypt>{html.escape(encrypted)}</Encrypt></xml>'.encode()
        found.append(encrypting('POST', query(msg_signature=proof), outer))
    assert {status for status, *_ in found} == {200, 400, 403}
    assert all(body and kind.endswith('; charset=utf-8') for _, kind, body in found)
