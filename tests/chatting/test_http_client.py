"""Requests end in time, stay where they were sent, and tell no secrets."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from trainer import errors
from trainer.chatting import http_client
from trainer.chatting.http_client import Failed


@contextlib.contextmanager
def speaking(*pieces: bytes, pause_s: float = 0.0) -> Iterator[str]:
    """A server that sends these pieces to its first client, whatever is asked."""
    listening = socket.create_server(('127.0.0.1', 0))

    def speak() -> None:
        with contextlib.suppress(OSError), listening.accept()[0] as client:
            client.recv(1 << 16)
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
