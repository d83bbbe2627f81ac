"""Requests end in time, stay where they were sent, and tell no secrets."""

from __future__ import annotations

import contextlib
import gzip
import logging
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from trainer import errors
from trainer.chatting import http_client
from trainer.chatting.http_client import Failed


@contextlib.contextmanager
def speaking(*pieces: bytes, pause_s: float = 0.0, heard: list[bytes] | None = None) -> Iterator[str]:
    """A server that sends these pieces to its first client, whatever is asked; `heard` is what that was."""
    listening = socket.create_server(('127.0.0.1', 0))

    def speak() -> None:
        with contextlib.suppress(OSError), listening.accept()[0] as client:
            asked = client.recv(1 << 16)
            if heard is not None:
                heard.append(asked)
            for piece in pieces:
                client.sendall(piece)
                time.sleep(pause_s)

    thread = threading.Thread(target=speak)
    thread.start()
    try:
        yield f'http://127.0.0.1:{listening.getsockname()[1]}/x?access_token=secret'
    finally:
        listening.close()
        thread.join()


def fails(url: str, timeout_s: float = 5.0) -> Failed:
    with pytest.raises(Failed) as caught:
        http_client.fetch(url, timeout_s=timeout_s, most_bytes=1000)
    assert 'secret' not in str(caught.value) and '127.0.0.1' not in str(caught.value)
    return caught.value


HEAD = b'HTTP/1.1 200 OK\r\nContent-Length: %d\r\nx-more: 1\r\n\r\n'


def test_an_answer_comes_with_its_headers():
    with speaking(HEAD % 10, b'12345', b'67890') as url:
        body, headers = http_client.fetch(url, timeout_s=5, most_bytes=10)
    assert (body, headers['x-more']) == (b'1234567890', '1')


def test_an_answer_in_drops_ends_in_time():
    """Each piece comes before a socket's timeout; the whole does not."""
    began = time.monotonic()
    with speaking(HEAD % 999, *[b'x'] * 20, pause_s=0.1) as url:
        failed = fails(url, timeout_s=0.5)
        assert failed.timed_out and time.monotonic() - began < 1.5


def test_a_compressed_answer_is_not_unpacked():
    """Its size would have no limit; nobody has asked for it."""
    packed, heard = gzip.compress(bytes(10**6)), []
    with speaking(HEAD[:-2] % len(packed) + b'Content-Encoding: gzip\r\n\r\n', packed, heard=heard) as url:
        assert http_client.fetch(url, timeout_s=5, most_bytes=1000 + len(packed))[0] == packed
    assert b'Accept-Encoding: identity' in heard[0]


def test_no_password_of_this_machine_is_sent(tmp_path, monkeypatch):
    (tmp_path / 'netrc').write_text('default login somebody password hidden\n')
    monkeypatch.setenv('NETRC', str(tmp_path / 'netrc'))
    heard: list[bytes] = []
    with speaking(HEAD % 1, b'1', heard=heard) as url:
        http_client.fetch(url, timeout_s=5, most_bytes=10, headers={'Authorization': 'Bearer mine'})
    assert b'Authorization: Bearer mine' in heard[0] and b'Basic' not in heard[0]


@pytest.mark.parametrize('head', [b'', b'no header\r\n', b'x: y\r\n z\r\n'])
def test_no_url_is_logged(head, caplog):
    """At the lowest levels too, also where urllib3 warns of what a server sends."""
    with contextlib.ExitStack() as levels:
        for name in ('', 'urllib3', 'urllib3.connectionpool', 'urllib3.connection', 'urllib3.util.retry', 'absl'):
            levels.enter_context(caplog.at_level(logging.DEBUG, name or None))
        with speaking(b'HTTP/1.1 200 OK\r\n' + head + b'Content-Length: 1\r\n\r\n', b'1') as url:
            http_client.fetch(url, timeout_s=5, most_bytes=1000)
        fails('http://127.0.0.1:1/secret?access_token=secret')
        fails('http://127.0.0.1:1/\n?access_token=secret')
    assert 'secret' not in caplog.text and 'access_token' not in caplog.text


@pytest.mark.parametrize(
    ('pieces', 'reason'),
    [
        ([HEAD % 10, b'123'], 'an answer that was cut short'),
        ([HEAD % 2000, b'x' * 2000], 'an answer of more than 1,000 bytes'),
        ([b'HTTP/1.1 200 OK\r\n\r\n', b'x' * 2000], 'an answer of more than 1,000 bytes'),
        ([b'HTTP/1.1 204 No\r\n\r\n'], 'HTTP 204'),
        ([b'HTTP/1.1 302 Go\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n'], 'HTTP 302'),
        ([b'HTTP/1.1 500 secret\r\nContent-Length: 0\r\n\r\n'], 'HTTP 500'),
        ([b'secret\r\n\r\n'], 'ConnectionError'),
        ([], 'ConnectionError'),
    ],
)
def test_what_is_no_good_answer_is_a_reason(pieces, reason):
    with speaking(*pieces) as url:
        assert str(fails(url)) == reason


@pytest.mark.parametrize(
    'url',
    ['http://127.0.0.1:1/secret', 'http://[::1/secret', 'x', 'http://a b/secret', 'http://ü\n/', 'file:///etc/passwd'],
)
def test_what_cannot_be_reached_is_a_reason(url):
    assert fails(url).status == 0


@pytest.mark.parametrize(
    ('url', 'allowed'),
    [
        ('https://mmbiz.qpic.cn/x', True), ('https://MMBIZ.QPIC.CN/x', True), ('https://a.b.qpic.cn', True),
        ('https://api.weixin.qq.com/x', True), ('http://127.0.0.1:80/x', True),
        ('http://mmbiz.qpic.cn/x', False), ('https://qpic.cn/x', False), ('https://evilqpic.cn/x', False),
        ('https://mmbiz.qpic.cn.evil.com/x', False), ('https://mmbiz.qpic.cn:8080/x', False),
        ('https://mmbiz.qpic.cn@evil.com/x', False), ('https://evil.com@mmbiz.qpic.cn/x', False),
        ('https://evil.com#.qpic.cn', False), ('https://evil.com?.qpic.cn', False),
        ('https://evil.com\\.qpic.cn/', False), ('https://evil.com%2f.qpic.cn/', False), ('//mmbiz.qpic.cn/x', False),
        ('', False), ('https://[x', False),
        ('http://127.0.0.1:81/x', False), ('ftp://mmbiz.qpic.cn/x', False),
    ],
)  # fmt: skip
def test_only_named_origins_are_allowed(url, allowed):
    origins = ('https://*.qpic.cn', 'https://api.weixin.qq.com', 'http://127.0.0.1:80')
    assert http_client.is_of(url, origins) == allowed


@pytest.mark.parametrize('url', ['https://example.com/', 'http://127.0.0.1:8/', 'http://localhost:8'])
def test_a_server_is_named_by_https_or_on_loopback(url):
    assert http_client.base_url('X', url) == url.rstrip('/')


@pytest.mark.parametrize(
    'url', ['', 'example.com', 'http://example.com', 'http://127.0.0.1.evil.com', 'file:///x', 'https://']
)
def test_other_servers_are_refused(url):
    with pytest.raises(errors.UserError, match='X=.* must begin with https://'):
        http_client.base_url('X', url)
