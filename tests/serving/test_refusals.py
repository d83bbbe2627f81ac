"""Every request that is refused: its status, and one line that says why."""

from __future__ import annotations

import base64
import io
import json
import random
import socket
import sys
import threading

import pytest
from PIL import Image

from tests.conftest import tiny_hparams, write_run
from tests.serving import strict_client
from tests.serving.running import running
from tests.serving.strict_client import Connection, ask, predict, request
from trainer import errors, serve, serving
from trainer.inference import model as models
from trainer.serve import ServeOptions
from trainer.serving import limits


def of(*instances, **parameters) -> bytes:
    return json.dumps({'instances': instances, **({'parameters': parameters} if parameters else {})}).encode()


def b64(data: bytes) -> dict:
    return {'image': {'b64': base64.b64encode(data).decode()}}


def png(width: int, height: int) -> bytes:
    file = io.BytesIO()
    Image.new('1', (width, height)).save(file, 'PNG')
    return file.getvalue()


FORM = 'the body is not what this server takes: '
BODIES = [
    (b'', FORM + 'Input data was truncated'),
    (b'{', FORM + 'Input data was truncated'),
    (b'not json', FORM + 'JSON is malformed'),
    (b'{"instances": [{"seed": 1}]} {}', FORM + 'JSON is malformed: trailing characters'),
    (b'{"instances": [{"seed": NaN}]}', FORM + 'JSON is malformed'),
    (b'{"instances": [{"noise": [Infinity]}]}', FORM + 'JSON is malformed'),
    (b'{"instances": [{"noise": [1e999]}]}', FORM + 'Number out of range'),
    (b'{"instances": [{"seed": ' + b'9' * 5000 + b'}]}', FORM),
    (b'{"instances": [{"seed": 2147483648}]}', FORM + 'Expected `int` <= 2147483647'),
    (b'{"instances": [{"seed": -2147483649}]}', FORM + 'Expected `int` >= -2147483648'),
    (b'{"instances": [{"seed": 1.5}]}', FORM + 'Expected `int`, got `float`'),
    (b'{"instances": [{"seed": true}]}', FORM + 'Expected `int`, got `bool`'),
    (b'{"instances": [{"seed": "1"}]}', FORM + 'Expected `int`, got `str`'),
    (b'{"instances": [{"seed": null}]}', FORM + 'Expected `int`, got `null`'),
    (b'{"instances": [{"seed": 1, "seed": 2}]}', FORM + "the name 'seed' comes twice in one object"),
    (b'{"instances": [{"seed": 1}], "instances": [{"seed": 2}]}', FORM + "the name 'instances' comes twice"),
    (b'{"instances": [{"seed": 1, "color": 2}]}', FORM + 'Object contains unknown field `color`'),
    (b'{"instances": [{"seed": 1}], "signature": "x"}', FORM + 'Object contains unknown field `signature`'),
    (b'{"instances": [{"seed": 1}], "parameters": {"count": 2}}', FORM + 'Object contains unknown field `count`'),
    (b'{"instances": [{"seed": 1}], "parameters": {"neighbours": 0}}', FORM + 'Expected `int` >= 1'),
    (b'{"instances": [{"seed": 1}], "parameters": {"neighbours": 13}}', FORM + 'Expected `int` <= 12'),
    (b'{"instances": {"seed": 1}}', FORM + 'Expected `array`, got `object` - at `$.instances`'),
    (b'{"instances": [3]}', FORM + 'Expected `object`, got `int`'),
    (b'{"seed": 3}', FORM),
    (b'[]', FORM + 'Expected `object`, got `array`'),
    (b'{"instances": [{"seed": 1, "label": "\xff"}]}', FORM),
    (b'{"instances": [{"seed": 1, "label": "\\ud800"}]}', FORM),
    (b'\xef\xbb\xbf{"instances": [{"seed": 1}]}', FORM),
    ('{"instances": [{"seed": 1}]}'.encode('utf-16'), FORM),
    (b'[' * 100_000, ''),
    (b'{"instances":' * 100_000, ''),
    (b'{"instances": []}', 'instances is empty: give at least one of {"seed": 3}'),
    (of({}), 'instances[0] must be one of {"seed": 3}, {"noise": [...]} or {"image": {"b64": "..."}}, and has none'),
    (of({'seed': 1}, {'seed': 1, 'noise': [1]}), 'instances[1] must be one of'),
    (of({'seed': 1, 'label': 'rose'}), "label 'rose' is none of this model: it knows cup, plate"),
    (of({'noise': [0.5] * 8, 'label': 'rose'}), "label 'rose' is none of this model"),
    (of({'noise': [0.5] * 7}), 'instances[0].noise has 7 numbers, and this model takes 8'),
    (of({'noise': []}), 'instances[0].noise has 0 numbers'),
    (of({'noise': [[0.5] * 8]}), FORM + 'Expected `float`, got `array`'),
    (of({'noise': [1e30] * 8}), 'noise must be finite and from -100 to 100'),
    (of({'image': 'abcd'}), FORM + 'Expected `object`, got `str`'),
    (of({'image': {'b64': '###'}}), 'instances[0].image.b64 is not base64'),
    (of({'image': {'b64': 'é'}}), 'instances[0].image.b64 is not base64'),
    (of({'image': {'b64': 'abc'}}), 'instances[0].image.b64 is not base64'),
    (of(b64(b'GIF89a and nothing')), '18 bytes are not a picture that can be read'),
    (of(b64(b'')), '0 bytes are not a picture that can be read'),
    (of(b64(png(64, 64)[:-30])), 'are not a picture that can be read'),
    (of(b64(png(9000, 10000))), 'the picture has 90 megapixels or more, and at most 89 are read'),
    (of({**b64(png(4, 4)), 'label': 'cup'}), 'instances[0] has a label, which belongs to a seed or noise'),
    (of(*[{'seed': 1}] * 65), '65 instances ask for 65 pictures, and one answer has at most 64'),
    (of(*[b64(png(4, 4))] * 11), '11 instances ask for 66 pictures, and one answer has at most 64'),
    (of(*[b64(png(4, 4))] * 5, neighbours=12), '5 instances ask for 65 pictures'),
    (of(*[{'seed': 1}] * 60_000), '60,000 instances ask for 60,000 pictures'),
]  # fmt: skip


@pytest.mark.parametrize(('body', 'words'), BODIES, ids=lambda value: repr(value)[:60])
def test_a_body_that_is_wrong_gets_400_and_one_line(body, words, server):
    answer = ask(server.port, 'POST', '/predict', body)
    assert answer.status == 400
    assert words in answer.error
    assert not answer.closes


REQUESTS = [
    ('GET', '/nothing', None, {}, 404, 'there is nothing at /nothing'),
    ('GET', '/../trainer/serve.py', None, {}, 404, 'there is nothing at /../trainer/serve.py'),
    ('GET', '/%2e%2e/%2e%2e/etc/passwd', None, {}, 404, 'there is nothing at /../../etc/passwd'),
    ('GET', '/code/', None, {}, 404, 'there is nothing at /code/'),
    ('GET', '/code/..%2findex.html', None, {}, 404, 'there is nothing at /code/../index.html'),
    ('GET', '/.made-by.json', None, {}, 404, 'there is nothing at /.made-by.json'),
    ('GET', '/%00', None, {}, 404, 'there is nothing at /\\x00'),
    ('GET', '/%0d%0aSet-Cookie:x', None, {}, 404, 'there is nothing at /\\r\\nSet-Cookie:x'),
    ('POST', '/predict/', b'{}', {}, 404, 'there is nothing at /predict/'),
    ('GET', '/predict', None, {}, 405, '/predict takes POST, not GET'),
    ('HEAD', '/predict', None, {}, 405, None),
    ('PUT', '/predict', b'{}', {}, 405, '/predict takes POST, not PUT'),
    ('OPTIONS', '/predict', None, {}, 405, '/predict takes POST, not OPTIONS'),
    ('POST', '/health', b'{}', {}, 405, '/health takes GET, HEAD, not POST'),
    ('DELETE', '/', None, {}, 405, '/ takes GET, HEAD, not DELETE'),
    ('POST', '/predict', b'{}', {'Content_Type': 'text/plain'}, 415, 'the body is text/plain: send Content-Type: '),
    ('POST', '/predict', b'{}', {'Content_Type': ''}, 415, 'the body is of no type: send Content-Type: '),
    ('GET', '/', None, {'Host': 'evil.example'}, 421, 'this server is not called evil.example: --host=0.0.0.0'),
    ('POST', '/predict', of({'seed': 1}), {'Host': 'evil.example:8080'}, 421, 'this server is not called evil'),
]  # fmt: skip


@pytest.mark.parametrize(('method', 'path', 'body', 'headers', 'status', 'words'), REQUESTS)
def test_a_request_that_is_wrong_gets_its_status(method, path, body, headers, status, words, server):
    with Connection(server.port) as connection:
        answer = connection.ask(method, path, body, **headers)
        assert answer.status == status
        assert (answer.headers.get('allow') is not None) == (status == 405)
        if words is not None:
            assert words in answer.error
        assert connection.ask('GET', '/health').status == 200  # The connection goes on.


@pytest.mark.parametrize('host', ['localhost', 'LOCALHOST:8080', '127.0.0.1:1', '[::1]:8080'])
def test_a_server_on_loopback_answers_to_the_names_of_loopback(host, server):
    assert ask(server.port, 'GET', '/health', Host=host).status == 200


TOO_LARGE = b'{"instances": [{"image": {"b64": "' + b'A' * limits.BODY_BYTES + b'"}}]}'


@pytest.mark.parametrize('size', [limits.BODY_BYTES + 1, 3 << 20])
def test_a_body_that_is_too_large_gets_413_after_it_was_sent(size, server):
    body = TOO_LARGE[:50].ljust(size, b'A')
    chunks = b'%x\r\n%s\r\n0\r\n\r\n' % (len(body), body)
    chunked = request('POST', '/predict', Content_Type='application/json', Transfer_Encoding='chunked') + chunks
    for sent in (request('POST', '/predict', body), chunked):
        with Connection(server.port) as connection:
            connection.send(sent)
            answer = connection.receive()
            assert answer.status == 413 and answer.closes
            assert answer.error == 'the body is larger than 1,572,864 bytes: send less, or a smaller picture'
            assert connection.at_end()


def test_the_largest_body_is_taken(server):
    body = of({'seed': 1}).ljust(limits.BODY_BYTES)
    assert ask(server.port, 'POST', '/predict', body).status == 200


def test_a_body_that_never_ends_is_cut_off(server):
    with Connection(server.port) as connection:
        connection.send(request('POST', '/predict', Content_Type='application/json', Content_Length=str(1 << 40)))
        answer = connection.receive()
        assert answer.status == 413 and answer.closes and connection.at_end()


@pytest.mark.parametrize(
    ('sent', 'status'),
    [
        (b'nonsense\r\n\r\n', 400),
        (b'\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n', 400),  # The beginning of TLS.
        (b'GET /\x00 HTTP/1.1\r\n\r\n', 404),
        (b'POST /predict HTTP/1.1\r\nContent-Length: -5\r\n\r\n', 400),
        (b'POST /predict HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n', 400),
        (b'POST /predict HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n', 501),
        (b'POST /predict HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n', 400),
        (b'GET / HTTP/1.1\r\nBad Header: \x01\r\n\r\n', 400),
        (b'GET / HTTP/1.1\r\nX: ' + b'x' * limits.HEADER_BYTES + b'\r\n\r\n', 431),
    ],
    ids=repr,
)
def test_what_is_not_http_gets_an_answer_too(sent, status, server):
    with Connection(server.port) as connection:
        connection.send(sent)
        answer = connection.receive()
        assert answer.status == status
        assert answer.error
        assert answer.closes == (status != 404)
        assert not answer.closes or connection.at_end()


def test_noise_of_random_bytes_harms_nobody(server):
    made = random.Random(0)
    whole = of({'seed': 1, 'label': 'cup'}, {'noise': [0.5] * 8}, b64(png(8, 8)), neighbours=2)
    for _ in range(150):
        body = bytearray(whole)
        for _ in range(made.randrange(1, 6)):
            place = made.randrange(len(body))
            body[place : place + made.choice((0, 1, 1, 40))] = made.choice(
                (
                    b'',
                    b'"',
                    b'{',
                    b']',
                    b'\x00',
                    b'\xff',
                    b'1e9',
                    b'null',
                    b'-',
                    b'\\u0000',
                    bytes([made.randrange(256)]),
                )
            )
        answer = ask(server.port, 'POST', '/predict', bytes(body))
        assert answer.status in (200, 400), answer
        assert answer.status == 200 or answer.error
    assert predict(server.port, {'seed': 1}).status == 200


def test_without_data_images_are_refused_with_the_flag(model, tmp_path):
    with running(model, tmp_path) as one:
        answer = predict(one.port, {'seed': 1}, b64(png(4, 4)))
        assert answer.status == 400
        assert answer.error == 'instances[1]: this server recognises no pictures: start it with --data=FOLDER'


def test_a_model_without_labels_says_so(tmp_path):
    (tmp_path / 'run').mkdir()
    write_run(tmp_path / 'run', 1, tiny_hparams())
    with running(models.of_run(str(tmp_path / 'run')), tmp_path) as one:
        assert set(predict(one.port, {'seed': 1}).json['predictions'][0]) == {'seed', 'image'}
        assert 'it was trained without labels' in predict(one.port, {'seed': 1, 'label': 'cup'}).error


def test_log_lines_hold_nothing_of_the_requests(server, caplog):
    caplog.set_level('INFO', 'absl')
    secret = {'seed': 987654, 'label': 'hush-hush'}
    assert ask(server.port, 'POST', '/predict?token=hush-hush', of(secret), Authorization='hush-hush').status == 400
    assert ask(server.port, 'GET', '/' + 'x' * 5000).status == 404
    lines = [record.getMessage() for record in caplog.records]
    assert any(line.startswith('POST /predict 400 ') and line.endswith(' ms') for line in lines), lines
    assert 'hush-hush' not in ''.join(lines) and '987654' not in ''.join(lines)
    assert max(map(len, lines)) < 300


def test_the_strict_client_sees_a_cut():
    """It is what the other tests rely on."""
    with socket.create_server(('127.0.0.1', 0)) as listening:

        def cut() -> None:
            connection, _ = listening.accept()
            with connection:
                connection.recv(1 << 16)
                connection.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345')

        thread = threading.Thread(target=cut)
        thread.start()
        with pytest.raises(strict_client.CutShort):
            ask(listening.getsockname()[1], 'GET', '/')
        thread.join()


def test_without_waitress_the_line_names_the_extra(monkeypatch):
    for name in [name for name in sys.modules if name.partition('.')[0] == 'waitress']:
        monkeypatch.setitem(sys.modules, name, None)
    for name in ('server', 'connections'):
        monkeypatch.delitem(sys.modules, f'trainer.serving.{name}', raising=False)
        monkeypatch.delattr(serving, name, raising=False)
    with pytest.raises(errors.UserError, match=r"needs waitress: run pip install 'tpu-dcgan\[serve\]'"):
        serve.serve(ServeOptions(saved_model='any'))
