"""Signatures and encryption, judged by wechatpy; the XML of messages."""

from __future__ import annotations

import base64
import itertools
import sys

import pytest
import wechatpy
from wechatpy.crypto import PrpCrypto, WeChatCrypto
from wechatpy.utils import WeChatSigner

from tests.fakes import wechat as fake
from tests.fakes.wechat import AES_KEY, APP_ID
from trainer import errors
from trainer.chatting import wechat_crypto, wechat_xml
from trainer.chatting.http_client import Failed
from trainer.chatting.wechat_crypto import Envelope

JUDGE = PrpCrypto(base64.b64decode(AES_KEY + '='))
TEXTS = ['', 'x', '你好', *('y' * length for length in (10, 11, 12, 27, 43, 2048))]


@pytest.mark.parametrize('text', TEXTS, ids=len)
def test_encryption_in_both_directions(text):
    ours = Envelope(AES_KEY, APP_ID)
    assert JUDGE.decrypt(ours.encrypt(text.encode()), APP_ID) == text
    assert ours.decrypt(JUDGE.encrypt(text, APP_ID).decode()) == text.encode()


def test_each_message_is_encrypted_otherwise():
    assert Envelope(AES_KEY, APP_ID).encrypt(b'same') != Envelope(AES_KEY, APP_ID).encrypt(b'same')


def test_signatures_are_those_of_the_judge():
    signer = WeChatSigner()
    signer.add_data('token', '1700000000', 'nonce', '密文')
    assert wechat_crypto.signature('1700000000', '密文', 'token', 'nonce') == signer.signature
    assert wechat_crypto.signed(signer.signature, 'nonce', 'token', '密文', '1700000000')
    for wrong in ('', 'é', signer.signature[:-1], signer.signature.upper(), '0' * 40):
        assert not wechat_crypto.signed(wrong, 'nonce', 'token', '密文', '1700000000')


def test_every_changed_byte_is_noticed_or_harmless():
    """Without its signature, which is checked first, a message may still be decrypted only to what it was."""
    sealed = base64.b64decode(Envelope(AES_KEY, APP_ID).encrypt(b'<xml>hello</xml>'))
    refused = 0
    for place in range(len(sealed)):
        changed = bytearray(sealed)
        changed[place] ^= 1
        try:
            Envelope(AES_KEY, APP_ID).decrypt(base64.b64encode(changed).decode())
        except Failed:
            refused += 1
    assert refused > len(sealed) // 2


@pytest.mark.parametrize(
    'broken', ['', 'AAAA', '!', '你', 'A' * 43, *(base64.b64encode(bytes(size)).decode() for size in (32, 33))]
)  # fmt: skip
def test_what_is_not_encrypted_by_the_key_is_refused(broken):
    with pytest.raises(Failed):
        Envelope(AES_KEY, APP_ID).decrypt(broken)


def test_what_is_not_quite_base64_is_refused():
    """One message has one form, which the signature covers."""
    sealed = Envelope(AES_KEY, APP_ID).encrypt(b'x')
    for changed in (sealed[:5] + '!' + sealed[5:], sealed[:5] + '\n' + sealed[5:], f'{sealed} '):
        with pytest.raises(Failed, match='not an encrypted message'):
            Envelope(AES_KEY, APP_ID).decrypt(changed)


def test_messages_of_another_account_or_key_are_refused():
    with pytest.raises(Failed, match='for another account'):
        Envelope(AES_KEY, 'wxother').decrypt(JUDGE.encrypt('x', APP_ID).decode())
    with pytest.raises(Failed):
        Envelope('B' * 43, APP_ID).decrypt(JUDGE.encrypt('x' * 99, APP_ID).decode())


def test_without_cryptography_it_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.partition('.')[0] == 'cryptography']:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, 'cryptography', None)
    with pytest.raises(errors.UserError, match=r"run pip install 'tpu-dcgan\[chat\]'"):
        Envelope(AES_KEY, APP_ID)


@pytest.mark.parametrize('size', [0, 1, 15, 16, 17, 1000])
def test_files_in_both_directions(size):
    key, data = bytes(range(16)), bytes(index % 251 for index in range(size))
    assert fake.decrypted(wechat_crypto.encrypted(data, key), key) == data
    assert wechat_crypto.decrypted(fake.encrypted(data, key), key) == data


def test_a_file_with_another_key_or_cut_short_is_refused():
    sealed = fake.encrypted(b'a picture', b'k' * 16)
    for data, key in ((sealed, b'j' * 16), (sealed[:-1], b'k' * 16), (b'', b'k' * 16), (sealed, b'k')):
        with pytest.raises(Failed):
            wechat_crypto.decrypted(data, key)


def test_replies_are_read_by_the_judge():
    fields = {'ToUserName': 'a', 'FromUserName': 'b', 'CreateTime': 1700000000, 'MsgType': 'text'}
    for text in ('hello', 'a ]]> b', '<b>&amp;', '你好 🌹', 'a\nb'):
        read = wechatpy.parse_message(wechat_xml.render({**fields, 'Content': text, 'MsgId': 1}))
        assert read.content == text
    assert wechat_xml.parse(wechat_xml.render({'Content': 'a\0b\x1bc\ud800d'})) == {'Content': 'abcd'}
    assert (
        wechat_xml.render({'Image': {'MediaId': 'm'}}) == b'<xml><Image><MediaId><![CDATA[m]]></MediaId></Image></xml>'
    )


BOMB = (
    '<!DOCTYPE x [<!ENTITY a "ha">' + ''.join(f'<!ENTITY {b} "&{a};&{a};">' for a, b in zip('abcdef', 'bcdefg')) + ']>'
)


@pytest.mark.parametrize(
    'data',
    [
        b'', b'hello', b'{}', b'<xml>', b'<xml><a></xml>', b'<xml><a>1</a><a>2</a></xml>', b'<a>' * 20 + b'</a>' * 20,
        f'{BOMB}<xml><Content>&g;</Content></xml>'.encode(),
        b'<!DOCTYPE x SYSTEM "http://127.0.0.1/x.dtd"><xml/>',
        b'<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><xml><Content>&f;</Content></xml>',
        b'<?xml version="1.0" encoding="nonsense"?><xml/>', b'<xml>\xff</xml>', b'<xml><a>&unknown;</a></xml>',
        b'<xml><a>' + b'x' * (64 << 10) + b'</a></xml>',
    ],
    ids=itertools.count(),
)  # fmt: skip
def test_what_is_no_message_is_refused(data):
    with pytest.raises(Failed):
        wechat_xml.parse(data)


def test_deeper_elements_are_no_fields():
    data = '<xml><A><![CDATA[1]]></A><B>x<C>y</C>z</B><D/></xml>'
    assert wechat_xml.parse(data.encode()) == {'A': '1', 'B': 'xz', 'D': ''}
    assert wechat_xml.parse('<?xml version="1.0" encoding="utf-16"?><xml><A>你</A></xml>'.encode('utf-16')) == {
        'A': '你'
    }


def test_the_judge_reads_what_we_seal():
    """The whole envelope, as WeChat gets it."""
    envelope = Envelope(AES_KEY, APP_ID)
    sealed = envelope.encrypt(b'<xml><A>1</A></xml>')
    proof = wechat_crypto.signature('token', '17', 'nonce', sealed)
    outer = wechat_xml.render({'Encrypt': sealed, 'MsgSignature': proof, 'TimeStamp': 17, 'Nonce': 'nonce'})
    judge = WeChatCrypto('token', AES_KEY, APP_ID)
    assert judge.decrypt_message(outer, proof, '17', 'nonce') == '<xml><A>1</A></xml>'
