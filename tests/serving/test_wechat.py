"""WeChat reaches the account at /wechat, and nobody does where there is none."""

from __future__ import annotations

import functools
import time
import urllib.parse

import wechatpy
from wechatpy.crypto import WeChatCrypto
from wechatpy.utils import WeChatSigner

from tests.fakes.wechat import ACCOUNT, AES_KEY, APP_ID, PERSON, SECRET, TOKEN, FakeOfficialApi
from tests.serving.running import running
from tests.serving.strict_client import ask
from trainer.chatting import answer, official_account

TEXT = (
    f'<xml><ToUserName>{ACCOUNT}</ToUserName><FromUserName>{PERSON}</FromUserName><CreateTime>1</CreateTime>'
    '<MsgType>text</MsgType><Content>plate 3</Content><MsgId>7</MsgId></xml>'
)


def path(**query: str) -> str:
    return f'/wechat?{urllib.parse.urlencode(query)}'


def signed(*parts: str) -> str:
    signer = WeChatSigner()
    signer.add_data(TOKEN, *parts)
    return signer.signature


def environment(url: str) -> dict[str, str]:
    names = 'TOKEN', 'APP_ID', 'APP_SECRET', 'ENCODING_AES_KEY', 'API_URL'
    return {f'WECHAT_{name}': value for name, value in zip(names, (TOKEN, APP_ID, SECRET, AES_KEY, url))}


def test_a_message_gets_a_picture_and_a_forged_one_nothing(parts, tmp_path):
    model, recogniser = parts
    answering = functools.partial(answer.answer, model, recogniser)
    now, judge = str(int(time.time())), WeChatCrypto(TOKEN, AES_KEY, APP_ID)
    with FakeOfficialApi() as api:
        account = official_account.from_environment(environment(api.url), answering)
        with running(model, tmp_path, recogniser, account=account) as one:
            shaken = path(timestamp=now, nonce='a b&c', signature=signed(now, 'a b&c'), echostr='583')
            assert ask(one.port, 'GET', shaken).body == b'583'
            encrypted = judge.encrypt_message(TEXT, 'n', now)
            proof = wechatpy.utils.to_text(encrypted).partition('<MsgSignature><![CDATA[')[2].partition(']')[0]
            sent = path(timestamp=now, nonce='n', msg_signature=proof)
            got = ask(one.port, 'POST', sent, encrypted.encode(), **{'Content-Type': 'text/xml'})
            assert got.status == 200 and got.headers['content-type'] == 'application/xml; charset=utf-8'
            found = wechatpy.utils.to_text(got.body)
            fields = {
                name: found.partition(f'<{name}><![CDATA[')[2].partition(']')[0] for name in ('MsgSignature', 'Nonce')
            }
            stamp = found.partition('<TimeStamp>')[2].partition('</')[0].replace('<![CDATA[', '').replace(']]>', '')
            plain = judge.decrypt_message(got.body, fields['MsgSignature'], stamp, fields['Nonce'])
            assert '<MsgType><![CDATA[image]]>' in plain and api.count('/cgi-bin/media/upload') == 1
            forged = ask(one.port, 'POST', path(timestamp=now, nonce='n', msg_signature='0' * 40), encrypted.encode())
            assert ask(one.port, 'PUT', shaken).status == 405
            assert forged.status == 403 and api.count('/cgi-bin/media/upload') == 1
        account.close()


def test_without_an_account_there_is_no_such_path(server):
    assert ask(server.port, 'GET', '/wechat').status == 404
