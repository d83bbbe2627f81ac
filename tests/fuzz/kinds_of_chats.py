"""What a chat reads: its file of credentials, and what the server answers."""

from __future__ import annotations

import functools
import json
import os
import pathlib
from unittest import mock

from tests.chatting.drawn import Drawn, Recognising
from tests.fakes.wechat import message
from tests.fuzz.mutations import Random, damaged_json
from tests.fuzz.runner import Kind
from trainer.chatting import answer, credentials, http_client
from trainer.chatting.credentials import Credentials
from trainer.chatting.ilink import Ilink
from trainer.chatting.weixin import WeixinChat

_KEPT, _UPDATES = 'weixin.json', 'updates.json'


def _write(folder: pathlib.Path) -> None:
    """A file of credentials, and an answer with a text, a picture and a voice."""
    credentials.write(str(folder / _KEPT), Credentials('token', 'https://ilinkai.weixin.qq.com', 'cursor'))
    media = {'encrypt_query_param': 'x', 'aes_key': 'AAAA', 'full_url': 'https://novac2c.cdn.weixin.qq.com/c2c/x'}
    image = [{'type': 2, 'image_item': {'media': media, 'aeskey': '0' * 32}}]
    voice = [{'type': 3, 'voice_item': {'text': 'rose'}}]
    messages = [message(1), message(2, item_list=image), message(3, item_list=voice)]
    answered = {'ret': 0, 'msgs': messages, 'get_updates_buf': 'next', 'longpolling_timeout_ms': 35000}
    (folder / _UPDATES).write_text(json.dumps(answered))


def _credentials(work: pathlib.Path, random: Random) -> None:
    path = work / _KEPT
    path.write_text(damaged_json(path.read_text(), random), errors='surrogateescape')
    before = path.read_bytes()
    read = credentials.read(str(path))
    assert all(isinstance(value, str) for value in (read.token, read.base_url, read.cursor))
    _chat(str(path))
    assert path.read_bytes() == before


def _updates(work: pathlib.Path, random: Random) -> None:
    data = damaged_json((work / _UPDATES).read_text(), random).encode('utf-8', 'surrogateescape')

    answers = iter([data])  # Then a good one: a chat asks until it gets one.

    def fetch(url: str, **_: object) -> tuple[bytes, dict[str, str]]:
        return (next(answers, b'{}') if url.endswith('getupdates') else b'{}'), {}

    chat = _chat(str(work / _KEPT))
    with mock.patch.object(http_client, 'fetch', fetch), mock.patch.object(WeixinChat, '_log_in'):
        chat.poll()
    assert os.stat(work / _KEPT).st_mode & 0o777 == 0o600 and credentials.read(str(work / _KEPT)).token


def _chat(path: str) -> WeixinChat:
    client, answering = Ilink(), functools.partial(answer.answer, Drawn('rose'), Recognising())
    chat = WeixinChat(client, path, lambda _: None, lambda _: None)
    chat.answering = answering
    return chat


KINDS = (Kind('credentials', _write, _credentials), Kind('updates', _write, _updates))
