"""TPUs in all their states, which a loopback API reports to the real cloud_tpu_client and googleapiclient."""

from __future__ import annotations

import logging
import socket

import cloud_tpu_client.client
import oauth2client.client
import pytest

from tests.fakes.tpu_api import HANG_UP, NAME, PROJECT, ZONE, FakeTpuApi, node
from trainer import errors
from trainer.machine import tpu_node
from trainer.machine.tpu_address import TpuAddress

ADDRESS = TpuAddress(NAME, ZONE, PROJECT)


@pytest.fixture
def worker():
    """A port on which something listens."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        yield server.getsockname()[1]


@pytest.fixture
def closed_port() -> int:
    with socket.create_server(('127.0.0.1', 0)) as server:
        return server.getsockname()[1]


def one_line(caught: pytest.ExceptionInfo) -> str:
    assert '\n' not in str(caught.value)
    return str(caught.value)


def wait(*answers: dict | int, timeout_s: float = 5.0, address: TpuAddress = ADDRESS) -> tpu_node.Node:
    with FakeTpuApi(*answers) as api:
        return tpu_node.wait_until_ready(address, timeout_s, poll_s=0.01, connect_s=1.0, service=api.service())


def refusal(*answers: dict | int, **options) -> str:
    with pytest.raises(errors.UserError) as caught:
        wait(*answers, **options)
    return one_line(caught)


def test_local_needs_no_network(monkeypatch):
    monkeypatch.setattr(socket, 'socket', None)
    assert tpu_node.wait_until_ready(TpuAddress('local'), 0) == tpu_node.Node('', ())


@pytest.mark.parametrize('health', ['HEALTHY', 'HEALTH_UNSPECIFIED', ''])
def test_a_ready_tpu_whose_workers_listen(worker, health):
    assert wait(node(health=health, ports=(worker,))) == tpu_node.Node('v3-8', (f'127.0.0.1:{worker}',))
    legacy = {'state': 'READY', 'ipAddress': '127.0.0.1', 'port': str(worker)}
    assert wait(legacy) == tpu_node.Node('', (f'127.0.0.1:{worker}',))


def test_a_tpu_in_the_making_is_waited_for_and_each_change_is_told_once(worker, caplog):
    making = [*[node('CREATING')] * 6, *[node('STARTING')] * 4, *[node('REPAIRING')] * 2]
    with caplog.at_level(logging.INFO, 'absl'):
        assert wait(*making, node(ports=(worker,))).endpoints
    told = [record.getMessage() for record in caplog.records if record.name == 'absl']
    assert [line.split(';')[0] for line in told] == [
        f'TPU mytpu: it is {state}' for state in ('CREATING', 'STARTING', 'REPAIRING')
    ]


@pytest.mark.parametrize('state', ['CREATING', 'STARTING', 'RESTARTING', 'REIMAGING', 'REPAIRING'])
def test_the_wait_has_an_end(state):
    message = refusal(node(state), timeout_s=0.1)
    assert f'--tpu=mytpu: it is {state} after --tpu_ready_timeout_s=0.1: give it longer' in message
    assert 'gcloud compute tpus tpu-vm describe mytpu --zone=us-central1-b --project=demo' in message


@pytest.mark.parametrize(
    ('state', 'remedy'),
    [
        (
            'PREEMPTED',
            'took the machine back: gcloud compute tpus tpu-vm delete mytpu --zone=us-central1-b --project=demo',
        ),
        ('TERMINATED', 'maintenance or its time limit ended it: gcloud compute tpus tpu-vm delete mytpu'),
        ('STOPPED', 'start it: gcloud compute tpus tpu-vm start mytpu --zone=us-central1-b --project=demo'),
        ('STOPPING', 'when it has stopped, start it: gcloud compute tpus tpu-vm start mytpu'),
        ('DELETING', 'create it again, or name another TPU'),
        ('UNKNOWN', 'its repair failed: gcloud compute tpus tpu-vm delete mytpu'),
        ('HIDING', 'gcloud compute tpus tpu-vm describe mytpu'),
        ('HIDDEN', 'gcloud compute tpus tpu-vm describe mytpu'),
        ('A_NEW_STATE', 'gcloud compute tpus tpu-vm describe mytpu'),
    ],
)
def test_a_state_that_no_wait_mends_is_refused_at_once(state, remedy):
    message = refusal(node('CREATING'), node('CREATING'), node(state))
    assert f'--tpu=mytpu is {state}: ' in message
    assert remedy in message


@pytest.mark.parametrize('health', ['UNHEALTHY_TENSORFLOW', 'DEPRECATED_UNHEALTHY', 'TIMEOUT'])
def test_an_unhealthy_tpu_is_refused(health):
    message = refusal(node(health=health))
    assert f'is READY, but its health is {health}' in message
    assert 'gcloud compute tpus tpu-vm describe mytpu' in message
    assert 'gcloud compute tpus tpu-vm delete mytpu' in message


def test_maintenance_is_waited_for(worker):
    assert wait(*[node(health='UNHEALTHY_MAINTENANCE')] * 3, node(ports=(worker,))).endpoints
    message = refusal(node(health='UNHEALTHY_MAINTENANCE'), timeout_s=0.1)
    assert 'its health is UNHEALTHY_MAINTENANCE after --tpu_ready_timeout_s=0.1' in message


@pytest.mark.parametrize(
    ('status', 'words'),
    [
        (400, ['400 the reason of 400', '--tpu_zone=us-central1-b', '--gcp_project=demo']),
        (401, ['401', 'gcloud auth application-default login']),
        (403, ['403 the reason of 403', 'enable tpu.googleapis.com --project=demo', 'roles/tpu.viewer', 'tpu.admin']),
        (404, ['not in zone us-central1-b of project demo', 'gcloud compute tpus tpu-vm list --zone=us-central1-b']),
    ],
)
def test_an_answer_that_will_not_change_is_refused_at_once(status, words):
    message = refusal(status)
    assert '--tpu=mytpu' in message
    assert all(word in message for word in words)


@pytest.mark.parametrize('status', [429, 500, 503, HANG_UP])
def test_an_answer_that_may_change_is_asked_for_again(worker, status):
    assert wait(status, status, node('CREATING'), status, node(ports=(worker,))).endpoints


def test_an_api_that_stays_away():
    message = refusal(503, timeout_s=0.1)
    assert 'the Cloud TPU API answers 503 the reason of 503 after --tpu_ready_timeout_s=0.1' in message
    assert 'the Cloud TPU API cannot be reached' in refusal(HANG_UP, timeout_s=0.1)


def test_a_tpu_that_leaves_ready_between_two_questions(worker):
    ready = node(ports=(worker,))
    assert wait(ready, ready, ready, node('RESTARTING'), ready).endpoints


def test_the_service_that_the_client_builds_itself(worker, monkeypatch):
    """Discovery and request with real credentials objects; only the search for credentials is replaced."""
    token = oauth2client.client.AccessTokenCredentials('token', 'test')
    credentials = cloud_tpu_client.client.client.GoogleCredentials
    monkeypatch.setattr(credentials, 'get_application_default', lambda: token)
    monkeypatch.setenv('no_proxy', '127.0.0.1')
    with FakeTpuApi(node('CREATING'), node('CREATING'), node(ports=(worker,))) as api:
        monkeypatch.setenv('TPU_API_DISCOVERY_URL', api.discovery_url)
        assert tpu_node.wait_until_ready(ADDRESS, 5, poll_s=0.01).endpoints
        api.answers = [403]
        with pytest.raises(errors.UserError, match=r'roles/tpu\.viewer'):
            tpu_node.wait_until_ready(ADDRESS, 5, poll_s=0.01)


def test_no_credentials(tmp_path, monkeypatch):
    for name in ('GOOGLE_APPLICATION_CREDENTIALS', 'SERVER_SOFTWARE'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('CLOUDSDK_CONFIG', str(tmp_path))
    monkeypatch.setattr(oauth2client.client, 'NO_GCE_CHECK', 'True')  # Otherwise it would ask the metadata server.
    with pytest.raises(errors.UserError) as caught:
        tpu_node.wait_until_ready(ADDRESS, 5)
    message = one_line(caught)
    assert 'no credentials' in message
    assert 'gcloud auth application-default login' in message


def test_nothing_listens(worker, closed_port):
    message = refusal(node(ports=(worker, closed_port)))
    assert f'nothing answers at 127.0.0.1:{closed_port} of --tpu=mytpu (Connection refused)' in message
    assert all(word in message for word in ('--tpu=local', 'gRPC runtime', '8470', 'VPC network', 'firewall'))


def test_a_grpc_address_is_only_probed(worker, closed_port):
    with FakeTpuApi(500) as api:
        address = TpuAddress(f'grpc://127.0.0.1:{worker}')
        assert tpu_node.wait_until_ready(address, 1, service=api.service()) == tpu_node.Node('', address.endpoints)
        address = TpuAddress(f'grpc://127.0.0.1:{closed_port}')
        with pytest.raises(errors.UserError, match=f'nothing answers at 127.0.0.1:{closed_port}'):
            tpu_node.wait_until_ready(address, 1, poll_s=0.01)
        assert api.asked == 0


def test_a_ready_tpu_without_an_address():
    assert 'is READY, but has no address' in refusal(node())
    assert 'is READY, but has no address' in refusal({'state': 'READY'})


def test_cores():
    assert tpu_node.cores_of('v3-8') == 8
    assert tpu_node.cores_of('v2-32') == 32
    assert [tpu_node.cores_of(kind) for kind in ('v4-8', '', 'abc')] == [None] * 3


@pytest.mark.parametrize(
    'kind',
    ['v5litepod-8', 'v5e-8', 'v5p-8', 'v6e-8', 'ct5lp-hightpu-8t', 'ct6e-standard-4t', 'TPU_V5_LITEPOD', 'tpu7x'],
)
def test_a_type_with_pjrt_only_is_refused(kind):
    message = refusal(node('CREATING', kind=kind))  # Refused at once, without a wait.
    assert f'the TPU is a {kind}: ' in message
    for words in ('v5e, v5p, v6e', '90807', 'v2 or v3', 'tpu-vm-tf-2.15.*-se', '--tpu=local'):
        assert words in message
