"""Health, crowds, slow clients, and the end: nothing is half-answered."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import threading
import time

import numpy as np
import pytest

from tests.processes import run_module, start_module
from tests.serving.running import running
from tests.serving.strict_client import Connection, CutShort, ask, predict, request
from trainer.inference.model import Model
from trainer.serving import limits
from trainer.serving.health import Health

ONE = b'{"instances": [{"seed": 1}]}'


class Obstacle:
    """A generator that waits, fails or errs when it is told to."""

    def __init__(self, generator):
        self._generator = generator
        self.noise_dim, self.classes = generator.noise_dim, generator.classes
        self.latents, self.labels, self.weights = generator.latents, generator.labels, generator.weights
        self.go, self.reached = threading.Event(), threading.Event()
        self.go.set()
        self.fails, self.errs = False, False

    def images(self, latents: np.ndarray) -> np.ndarray:
        self.reached.set()
        assert self.go.wait(30)
        if self.fails:
            raise RuntimeError('the weights\nare gone')
        return self._generator.images(latents) + np.uint8(self.errs)


@pytest.fixture(name='obstacle')
def obstacle_fixture(model) -> Obstacle:
    return Obstacle(model.generator)


def wait_until(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline, 'it never came to be'
        time.sleep(0.01)


def test_a_working_model_is_healthy(server):
    answer = ask(server.port, 'GET', '/health')
    assert (answer.status, answer.json) == (200, {'status': 'healthy'})
    assert ask(server.port, 'HEAD', '/health').body == b''


def test_a_model_that_fails_is_unhealthy_until_it_works_again(obstacle, tmp_path, caplog):
    with running(Model(obstacle, 'a model'), tmp_path) as one:
        obstacle.fails = True
        answer = predict(one.port, {'seed': 1})
        assert answer.status == 500
        assert answer.error == 'the server has failed on this request; its log says why'
        answer = ask(one.port, 'GET', '/health')
        assert (answer.status, answer.error) == (503, 'the model has failed: the weights are gone')
        obstacle.fails, obstacle.errs = False, True
        assert ask(one.port, 'GET', '/health').error == 'the picture of seed 0 has changed since the start'
        obstacle.errs = False
        assert ask(one.port, 'GET', '/health').status == 200
    assert any(record.exc_info for record in caplog.records)  # The log has the traceback.


def test_a_model_that_hangs_is_unhealthy_and_one_that_is_busy_is_not(obstacle):
    model = Model(obstacle, 'a model')
    answered = [0.0]
    health = Health(model, lambda: answered[0], patience_s=0.1)
    obstacle.go.clear()
    try:
        answer = health(None)
        assert (answer.status, json.loads(answer.body)) == (503, {'error': 'the model has made no picture for 0.1 s'})
        timer = threading.Timer(0.05, lambda: answered.__setitem__(0, time.monotonic()))
        timer.start()
        assert health(None).status == 200  # Another request has got its picture meanwhile.
        timer.join()
    finally:
        obstacle.go.set()
    wait_until(lambda: health(None).status == 200)
    health.drain()
    assert json.loads(health(None).body) == {'error': 'the server is stopping'}


def test_one_too_many_is_told_to_come_again(obstacle, tmp_path):
    with running(Model(obstacle, 'a model'), tmp_path, threads=2) as one:
        obstacle.go.clear()
        with Connection(one.port) as first, Connection(one.port) as second:
            for connection in (first, second):
                connection.send(request('POST', '/predict', ONE))
            wait_until(lambda: predict(one.port, {'seed': 1}).status == 503)
            answer = predict(one.port, {'seed': 1})
            assert answer.headers['retry-after'] == '1'
            assert answer.error == '2 predictions are in progress, and at most 2 may be: try again'
            assert ask(one.port, 'GET', '/').status == 200  # Pages have threads of their own.
            obstacle.go.set()
            assert first.receive().status == second.receive().status == 200
        assert predict(one.port, {'seed': 1}).status == 200


def test_too_many_pictures_together_are_told_to_come_again(obstacle, tmp_path, monkeypatch):
    monkeypatch.setattr('trainer.serving.prediction.PICTURES_TOGETHER', 70)
    with running(Model(obstacle, 'a model'), tmp_path) as one:
        obstacle.go.clear()
        with Connection(one.port) as first:
            body = json.dumps({'instances': [{'seed': seed} for seed in range(64)]}).encode()
            first.send(request('POST', '/predict', body))
            assert obstacle.reached.wait(10)
            wait_until(lambda: ask(one.port, 'POST', '/predict', body).status == 503)
            assert '64 pictures are in progress' in ask(one.port, 'POST', '/predict', body).error
            obstacle.go.set()
            assert first.receive().status == 200


def test_slow_clients_are_cut_off(model, tmp_path, monkeypatch):
    monkeypatch.setattr(limits, 'REQUEST_S', 0.3)
    monkeypatch.setattr(limits, 'IDLE_S', 1)
    with running(model, tmp_path) as one, Connection(one.port) as idle:
        for beginning in (b'POST /predict HTTP/1.1\r\nConte', request('POST', '/predict', ONE)[:-5]):
            with Connection(one.port) as slow, pytest.raises((CutShort, BrokenPipeError, ConnectionResetError)):
                slow.send(beginning)
                slow.socket.settimeout(0.1)
                for _ in range(100):  # A byte now and then is no progress.
                    slow.send(b'x')
                    try:
                        slow.receive()
                    except TimeoutError:
                        continue
        assert idle.at_end()


def test_a_stop_answers_what_has_arrived_and_refuses_the_rest(obstacle, tmp_path):
    with running(Model(obstacle, 'a model'), tmp_path) as one:
        obstacle.go.clear()
        with Connection(one.port) as running_, Connection(one.port) as idle, Connection(one.port) as half:
            obstacle.reached.clear()
            running_.send(request('POST', '/predict', ONE))
            assert obstacle.reached.wait(10)
            half.send(request('POST', '/predict', ONE)[:-5])
            assert ask(one.port, 'GET', '/').status == 200  # All three are accepted by now.
            one.server.stop()
            wait_until(lambda: refuses(one.port))
            half.send(ONE[-5:])
            refused = half.receive()
            assert refused.status == 503 and refused.closes
            assert refused.error == 'the server is stopping: send the request to another one'
            unhealthy = idle.ask('GET', '/health')
            assert (unhealthy.status, unhealthy.error, unhealthy.closes) == (503, 'the server is stopping', True)
            obstacle.go.set()
            answer = running_.receive()
            assert answer.status == 200 and answer.closes and len(answer.json['predictions']) == 1
            assert running_.at_end() and half.at_end()
        wait_until(lambda: one.codes == [0])


def refuses(port: int) -> bool:
    try:
        socket.create_connection(('127.0.0.1', port), 5).close()
    except ConnectionRefusedError:
        return True
    return False


def test_a_second_signal_stops_at_once(obstacle, tmp_path):
    with running(Model(obstacle, 'a model'), tmp_path) as one:
        obstacle.go.clear()
        try:
            with Connection(one.port) as connection:
                connection.send(request('POST', '/predict', ONE))
                wait_until(lambda: one.server._connections.busy)
                one.server.stop(signal.SIGINT)
                one.server.stop(signal.SIGINT)
                with pytest.raises(CutShort) as cut:
                    connection.receive()
            assert cut.value.received == b''
            wait_until(lambda: one.codes == [128 + signal.SIGINT])
        finally:
            obstacle.go.set()


def served_port(process) -> int:
    """The port in the log of a started server, which is not on stdout because nobody reads that."""
    for line in process.stderr:
        found = re.search(r'listening on http://127\.0\.0\.1:(\d+)/', line)
        if found:
            return int(found[1])
    raise AssertionError(f'it has ended with {process.wait()}')


def test_the_command_keeps_the_contract_of_vertex_ai(folder, tmp_path, monkeypatch):
    variables = {
        'AIP_HTTP_PORT': '0', 'AIP_STORAGE_URI': str(folder / 'run'), 'PORT': '1',
        'AIP_HEALTH_ROUTE': '/v1/endpoints/7/deployedModels/8',
        'AIP_PREDICT_ROUTE': '/v1/endpoints/7/deployedModels/8:predict',
    }  # fmt: skip
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with start_module('trainer.serve', cwd=tmp_path) as process:
        port = served_port(process)
        assert ask(port, 'GET', variables['AIP_HEALTH_ROUTE']).status == 200
        answer = predict(port, {'seed': 3}, path=variables['AIP_PREDICT_ROUTE'])
        assert answer.status == 200 and answer.json['predictions'][0]['seed'] == 3
        image = predict(port, {'image': {'b64': ''}}, path=variables['AIP_PREDICT_ROUTE'])
        assert image.status == 400 and 'start it with --data=FOLDER' in image.error
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(30) == 0, log
    assert 'Traceback' not in log and log.splitlines()[-1].endswith('stopped')


def test_a_killed_server_leaves_no_answer_that_looks_whole(folder, tmp_path):
    body = json.dumps({'instances': [{'seed': seed} for seed in range(64)]}).encode()
    with start_module('trainer.serve', f'--model_dir={folder}/run', '--port=0', cwd=tmp_path) as process:
        port, whole = served_port(process), []

        def client() -> None:
            with Connection(port) as connection:
                while True:
                    whole.append(len(connection.ask('POST', '/predict', body).json['predictions']))

        errors: list[Exception] = []
        threads = [threading.Thread(target=lambda: errors.append(caught(client))) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda: len(whole) >= 4)
        process.kill()
        for thread in threads:
            thread.join(30)
    assert set(whole) == {64}
    assert len(errors) == 4 and all(isinstance(error, (CutShort, OSError)) for error in errors), errors


def caught(call) -> Exception:
    try:
        call()
    except Exception as error:
        return error
    raise AssertionError('it ended without an error')


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        ((), 'give --model_dir=FOLDER, a training run of python -m trainer.task, or --saved_model=FOLDER'),
        (('--model_dir=.', '--saved_model=.'), 'give one of --model_dir and --saved_model'),
        (('--model_dir=.', '--predict_route=x'), '--predict_route=x is no path: it begins with /'),
        (('--model_dir=.', '--health_route=/predict'), '--predict_route and --health_route are both /predict'),
        (('--model_dir=.', '--port=70000'), '--port must be a number|at most 65,535'),
        (('--model_dir=.', '--host=no.such.host.invalid'), '--host=no.such.host.invalid is no address'),
        (('--artifact=.',), '--artifact=. holds neither a SavedModel'),
        (('--artifact=absent',), '--artifact=absent holds neither a SavedModel'),
    ],
)
def test_what_cannot_be_served_is_one_line(flags, words, tmp_path):
    ended = run_module('trainer.serve', *flags, *(() if 'port' in str(flags) else ('--port=0',)), cwd=tmp_path)
    assert ended.returncode == 1, ended.stderr
    assert re.fullmatch(r'(\d\d:[^\n]*\n)*error: [^\n]*\n', ended.stderr), ended.stderr
    assert re.search(words if '|' in words else re.escape(words), ended.stderr), ended.stderr


def test_a_port_in_use_is_one_line(server, folder, tmp_path):
    ended = run_module('trainer.serve', f'--model_dir={folder}/run', f'--port={server.port}', cwd=tmp_path)
    assert ended.returncode == 1
    assert f'--port={server.port} cannot be listened on (Address already in use)' in ended.stderr
    assert ended.stderr.count('error: ') == 1


def test_a_variable_that_is_no_port_is_one_line(tmp_path):
    ended = run_module('trainer.serve', cwd=tmp_path, environment={**os.environ, 'AIP_HTTP_PORT': 'eighty'})
    assert ended.returncode == 1
    assert re.fullmatch(r'error: \$AIP_HTTP_PORT: [^\n]*eighty[^\n]*\n', ended.stderr), ended.stderr
