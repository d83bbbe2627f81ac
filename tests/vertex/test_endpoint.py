"""A model becomes an endpoint and is removed again: the real gcloud, and the real server, on a fake Vertex AI."""

from __future__ import annotations

import json
import os
import pathlib
import re
import subprocess

import numpy as np
import pytest

from tests.conftest import ROOT
from tests.fakes.cloud.fake_vertex import FakeVertex
from tests.fakes.cloud.gcs import PROJECT
from tests.fakes.cloud.vertex_fixtures import GCLOUD, REGION, REGISTRY
from tests.serving import running
from tests.serving.strict_client import pixels
from trainer.generator import loading, saved_model
from trainer.inference import model as models

pytestmark = GCLOUD
IMAGE = f'{REGISTRY}-serve:latest'


@pytest.fixture(name='service')
def service_fixture(gcs, tmp_path):
    with FakeVertex(gcs.server, tmp_path / 'machines', {}, {IMAGE: 'trainer.serve'}) as service:
        yield service


def put(gcs, folder: pathlib.Path, target: str) -> None:
    for path in folder.rglob('*'):
        if path.is_file():
            gcs.server.put(f'{target}/{path.relative_to(folder)}', path.read_bytes())


def commands() -> list[str]:
    """The blocks of the page that tells how: one that makes the endpoint and asks it, and one that cleans up."""
    page = (ROOT / 'docs' / 'use.md').read_text()
    section = re.search(r'\n## An endpoint on Vertex AI\n(.*?)\n## ', page, re.DOTALL)[1]
    return re.findall(r'```sh\n(.*?)```', section, re.DOTALL)


def test_the_commands_of_the_page_make_an_endpoint_and_remove_it(service, gcs, tmp_path, tmp_path_factory):
    run = running.served(tmp_path_factory) / 'run'
    made = loading.load(str(run))
    saved_model.export(
        made.hparams, f'{run}/model.ckpt-3', f'{tmp_path}/runs/photos64/saved_model', made.generator.classes
    )
    (tmp_path / 'configs').symlink_to(ROOT / 'configs')
    environment = {**os.environ, **service.gcloud_environment(tmp_path)}

    def bash(script: str) -> str:
        ended = subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', script],
            cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=240,
        )  # fmt: skip
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    making, cleaning = commands()
    for name, value in (('PROJECT', PROJECT), ('BUCKET', gcs.bucket[len('gs://') :])):
        making, count = re.subn(rf'^{name}=.*$', f'{name}={value}', making, flags=re.MULTILINE)
        assert count == 1
    answer = json.loads(bash(f'{making}\ndeclare -p PROJECT REGION BUCKET MODEL ENDPOINT > variables'))
    ((endpoint, found),) = service.endpoints.endpoints.items()
    ((model, uploaded),) = service.endpoints.models.items()
    assert uploaded['artifactUri'] == f'{gcs.bucket}/models/photos64'
    assert uploaded['containerSpec'] == {
        'imageUri': IMAGE, 'predictRoute': '/predict', 'healthRoute': '/health', 'ports': [{'containerPort': 8080}],
    }  # fmt: skip
    resources = {'machineSpec': {'machineType': 'n1-standard-2'}, 'minReplicaCount': 1, 'maxReplicaCount': 1}
    assert {**found['deployedModels'][0]['dedicatedResources'], **resources} == resources | {
        name: value for name, value in found['deployedModels'][0]['dedicatedResources'].items() if name == 'spot'
    }
    ((number, container),) = service.endpoints.containers.items()
    assert container.environment['AIP_STORAGE_URI'].startswith('gs://caip-tenant-')
    expected = models.of_run(str(run)).of_seeds([3, 4])
    assert len(answer['predictions']) == len(expected)
    for prediction, picture in zip(answer['predictions'], expected):
        np.testing.assert_array_equal(pixels(prediction['image']), picture)
    assert answer['deployedModelId'] == number
    assert service.endpoints.forwarded[0][0] == '/predict'
    refused = service.endpoints.resolve('POST', f'/v1/{endpoint}:predict', {'instances': [{'seed': 'x'}]})
    assert refused[0] == 400 and 'Expected `int`, got `str`' in refused[1]['error']['message']
    assert service.endpoints.resolve('DELETE', f'/v1/{endpoint}', {})[0] == 400  # It is still in use,
    assert service.endpoints.resolve('DELETE', f'/v1/{model}', {})[0] == 400  # and so is the model.
    bash(f'source variables\n{cleaning}')
    assert container.exit_code == 0, container.stderr()
    assert 'POST /predict 200' in container.stdout() and container.stdout().splitlines()[-1].endswith(' stopped')
    assert container.stderr() == ''  # Vertex AI would show it as errors.
    assert not service.endpoints.models and not service.endpoints.endpoints
    assert not gcs.server.paths(f'{gcs.bucket}/')


PARENT = f'/v1/projects/{PROJECT}/locations/{REGION}'


def deploy(service, artifact: str) -> tuple[str, dict]:
    """Deploys an artifact without gcloud, and without routes: the endpoint's name, and the operation at its end."""

    def post(path: str, body: dict) -> dict:
        status, answer = service.endpoints.resolve('POST', path, body)
        assert status == 200, answer
        return answer

    wanted = {'displayName': 'a', 'artifactUri': artifact, 'containerSpec': {'imageUri': IMAGE}}
    model = post(f'{PARENT}/models:upload', {'model': wanted})['response']['model']
    endpoint = post(f'{PARENT}/endpoints', {'displayName': 'a'})['response']['name']
    machine = {'machineSpec': {'machineType': 'n1-standard-2'}, 'minReplicaCount': 1}
    deployed = {'model': model, 'dedicatedResources': machine}
    operation = post(f'/v1/{endpoint}:deployModel', {'deployedModel': deployed})
    service.endpoints.join()
    return endpoint, service.endpoints.resolve('GET', f'/v1/{operation["name"]}', {})[1]


def test_without_routes_the_paths_are_those_of_the_service(service, gcs, tmp_path_factory):
    """And a run may be the artifact."""
    put(gcs, running.served(tmp_path_factory) / 'run', f'{gcs.bucket}/run')
    endpoint, done = deploy(service, f'{gcs.bucket}/run')
    assert done['done'] and 'error' not in done, done
    number = done['response']['deployedModel']['id']
    asked = {'instances': [{'seed': 1, 'label': 'cup'}]}
    status, answer = service.endpoints.resolve('POST', f'/v1/{endpoint}:predict', asked)
    assert status == 200 and answer['predictions'][0]['label'] == 'cup'
    own = f'/v1/endpoints/{endpoint.rsplit("/", 1)[1]}/deployedModels/{number}'
    assert service.endpoints.forwarded[0][0] == f'{own}:predict'
    assert f'GET {own} 200' in service.endpoints.containers[number].stdout()


def test_an_artifact_that_is_no_model_fails_the_deployment(service, gcs):
    gcs.server.put(f'{gcs.bucket}/notes/a.txt', b'notes')
    _, done = deploy(service, f'{gcs.bucket}/notes')
    assert 'Model server exited unexpectedly' in done['error']['message']
    (container,) = service.endpoints.containers.values()
    container.stop()
    assert container.exit_code == 1
    assert container.stderr().startswith('error: --artifact=gs://caip-tenant-')
