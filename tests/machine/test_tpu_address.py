from __future__ import annotations

import pytest

from trainer import errors
from trainer.machine import tpu_address
from trainer.machine.tpu_address import TpuAddress

CONFIG = '{"tpu_node_name": "vertex-tpu", "zone": "europe-west4-a", "project": "other"}'


def no_tpu(tpu: str, zone: str = '', project: str = '', **environ: str) -> str:
    with pytest.raises(errors.UserError) as caught:
        tpu_address.locate(tpu, zone, project, environ)
    assert '\n' not in str(caught.value)
    return str(caught.value)


def test_local_needs_nothing_else():
    address = tpu_address.locate('local', '', '', {'TPU_NAME': 'local', 'TPU_CONFIG': '{'})
    assert address == TpuAddress('local')
    assert address.endpoints == ()


def test_a_name_is_completed_from_the_flags_first_and_then_from_vertex():
    assert tpu_address.locate('a', 'z', 'p', {'TPU_CONFIG': '{'}) == TpuAddress('a', 'z', 'p')
    assert tpu_address.locate('a', 'z', '', {'TPU_CONFIG': CONFIG}) == TpuAddress('a', 'z', 'other')
    assert tpu_address.locate('', '', '', {'TPU_CONFIG': CONFIG}) == TpuAddress('vertex-tpu', 'europe-west4-a', 'other')


@pytest.mark.parametrize('config', ['{"zone"', '["a"]', 'my\ntpu'])
def test_a_malformed_tpu_config(config):
    message = no_tpu('', TPU_CONFIG=config)
    assert repr(config) in message
    assert 'not a JSON object with tpu_node_name, zone, project' in message
    assert '--tpu=NAME --tpu_zone=ZONE --gcp_project=PROJECT' in message


def test_what_is_missing_is_named():
    assert no_tpu('a') == '--tpu=a is a name, and a name needs a zone and a project: give ' + (
        '--tpu_zone=ZONE --gcp_project=PROJECT'
    )
    assert no_tpu('a', project='p').endswith(': give --tpu_zone=ZONE')
    assert no_tpu('a', zone='z').endswith(': give --gcp_project=PROJECT')
    message = no_tpu('', TPU_CONFIG='{"tpu_node_name": "a", "zone": 3}')
    assert 'lacks zone, project: correct it, or give --tpu_zone=ZONE --gcp_project=PROJECT' in message
    message = no_tpu('')
    assert 'TPU_CONFIG, which Vertex AI sets and which is not set here' in message
    assert '--tpu=NAME' in message
    assert '--tpu=local on a TPU VM' in message


def test_a_grpc_address_gets_its_port():
    assert tpu_address.locate('grpc://10.0.0.2', '', '', {}) == TpuAddress('grpc://10.0.0.2:8470')
    two = tpu_address.locate('grpc://10.0.0.2:8471,grpc-host.internal', '', '', {})
    assert two.endpoints == ('10.0.0.2:8471', 'grpc-host.internal:8470')


@pytest.mark.parametrize(
    'tpu', ['grpc://', 'grpc://a..b', 'grpc://a:b', 'grpc://a:0', 'grpc://a:65536', 'grpc://[::1]:8470', 'a:8470']
)
def test_a_malformed_address(tpu):
    message = no_tpu(tpu, 'z', 'p')
    assert tpu.replace('grpc://', '') in message
    assert 'grpc://HOST:' in message
