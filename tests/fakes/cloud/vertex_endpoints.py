"""Models and endpoints of Vertex AI: deploying one starts the server of its image as the documentation says.

The rules are those of https://cloud.google.com/vertex-ai/docs/predictions/custom-container-requirements: the variables
AIP_*, a copy of the artifacts in a bucket of the service, a TCP connection within 4 attempts, GETs of the health route
until it answers 200 within 10 s, and predictions of at most 1.5 MB as POSTs of JSON. One thing differs: all containers
share the ports of this machine, so the first of containerSpec.ports is replaced by a free one.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.cloud import vertex_api
from tests.fakes.cloud.gcs import GcsServer
from tests.processes import Started, start_module

PROJECT_NUMBER = '123456'
MOST_BYTES = 1_500_000
_ATTEMPTS, _BETWEEN_S = 4, 10.0
_HEALTH_S, _HEALTH_BETWEEN_S = 10, 0.1  # The service leaves 10 s between two checks.
_DEPLOY_S = 120
_PATH = re.compile(
    r'/v1(?:beta1)?/(?P<parent>projects/[\w-]+/locations/[\w-]+)/(?P<kind>models|endpoints|operations)'
    r'(?:/(?P<id>\w+))?(?:/operations/(?P<operation>\w+))?(?::(?P<verb>\w+))?'
)
Answer = tuple[int, dict[str, Any]]


class Container:
    """A model server that runs.

    Attributes:
      environment: the variables that the service has set.
      log: what it has written to stdout and stderr.
      exit_code: how it has ended.
    """

    def __init__(self, module: str, folder: pathlib.Path, environment: dict[str, str]):
        folder.mkdir(parents=True)
        self.environment, self._folder = environment, folder
        self._stack = contextlib.ExitStack()
        output = self._stack.enter_context((folder / 'stdout').open('w'))
        self._process: Started = self._stack.enter_context(
            start_module(
                module, '--host=0.0.0.0', cwd=folder, stdout=output.fileno(),
                environment={**environment, 'PATH': os.defpath, 'HOME': str(folder), 'TMPDIR': str(folder)},
            )
        )  # fmt: skip
        self._errors: list[str] = []
        self._reader = threading.Thread(target=lambda: self._errors.extend(self._process.stderr))
        self._reader.start()
        self.exit_code: int | None = None

    @property
    def port(self) -> int:
        return int(self.environment['AIP_HTTP_PORT'])

    def stdout(self) -> str:
        return (self._folder / 'stdout').read_text()

    def stderr(self) -> str:
        return ''.join(self._errors)

    def wait_until_healthy(self) -> None:
        """Waits as the service does.

        Raises:
          RuntimeError: it ends, cannot be connected to, or does not become healthy.
        """
        self._connect()
        deadline = time.monotonic() + _DEPLOY_S
        while time.monotonic() < deadline:
            with contextlib.suppress(OSError):
                if self.exchange('GET', self.environment['AIP_HEALTH_ROUTE'], timeout_s=_HEALTH_S)[0] == 200:
                    return
            self._check_alive()
            time.sleep(_HEALTH_BETWEEN_S)
        raise RuntimeError('Model server never became ready.')

    def exchange(self, method: str, path: str, body: bytes | None = None, timeout_s: float = 60) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=timeout_s)
        try:
            connection.request(method, path, body, {'Content-Type': 'application/json'} if body is not None else {})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """Ends it as Kubernetes does: SIGTERM, and SIGKILL 30 s later."""
        if self.exit_code is not None:
            return
        self._process.send_signal(signum)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(30)
        self._process.kill()
        self.exit_code = self._process.wait(30)
        self._reader.join()
        self._stack.close()

    def _connect(self) -> None:
        for _ in range(_ATTEMPTS):
            begun = time.monotonic()
            while time.monotonic() < begun + _BETWEEN_S:
                try:
                    socket.create_connection(('127.0.0.1', self.port), 1).close()
                    return
                except OSError:
                    self._check_alive()
                    time.sleep(0.05)
        raise RuntimeError('Model server cannot be connected to.')

    def _check_alive(self) -> None:
        if self._process.poll() is not None:
            raise RuntimeError('Model server exited unexpectedly. Model server logs can be found at https://console...')


class Endpoints:
    """Models, endpoints and the operations that make them; `containers` has what runs, by deployed model."""

    def __init__(self, gcs: GcsServer, folder: pathlib.Path, servers: Mapping[str, str]) -> None:
        """Works in `folder`; `servers` has the module that an image runs, by its URI."""
        self.models: dict[str, dict[str, Any]] = {}
        self.endpoints: dict[str, dict[str, Any]] = {}
        self.containers: dict[str, Container] = {}
        self.forwarded: list[tuple[str, bytes]] = []
        self._operations: dict[str, dict[str, Any]] = {}
        self._gcs, self._folder, self._servers = gcs, folder, servers
        self._threads: list[threading.Thread] = []

    def join(self) -> None:
        """Waits until all deployments have ended."""
        for thread in self._threads:
            thread.join()

    def close(self) -> None:
        self.join()
        for container in self.containers.values():
            container.stop(signal.SIGKILL)

    def resolve(self, method: str, path: str, body: dict[str, Any]) -> Answer | None:
        """Answers a request; None if it is for another part of the service."""
        match = _PATH.fullmatch(path)
        if not match:
            return None
        operation = match['operation'] or (match['id'] if match['kind'] == 'operations' else None)
        if operation:
            return 200, self._operations[operation]
        name = f'{match["parent"]}/{match["kind"]}' + (f'/{match["id"]}' if match['id'] else '')
        found = {'models': self.models, 'endpoints': self.endpoints}[match['kind']]
        if match['id'] and name not in found:
            return _failure(404, f'The {match["kind"][:-1].title()} "{name}" does not exist.', 'NOT_FOUND')
        handlers: dict[tuple[str, str, str], Callable[[str, dict[str, Any]], Answer]] = {
            ('POST', 'models', 'upload'): self._upload,
            ('POST', 'endpoints', ''): self._create,
            ('POST', 'endpoints', 'deployModel'): self._deploy,
            ('POST', 'endpoints', 'undeployModel'): self._undeploy,
            ('POST', 'endpoints', 'predict'): self._predict,
            ('DELETE', 'models', ''): self._delete_model,
            ('DELETE', 'endpoints', ''): self._delete_endpoint,
            ('GET', match['kind'], ''): lambda name, _: (200, found[name]),
        }
        handler = handlers.get((method, match['kind'], match['verb'] or ''))
        if handler is None:
            return _failure(404, f'not faked: {method} {path}', 'NOT_FOUND')
        try:
            return handler(name, body)
        except vertex_api.BadRequest as error:
            return _failure(400, str(error), 'INVALID_ARGUMENT')

    def _upload(self, parent: str, body: dict[str, Any]) -> Answer:
        vertex_api.check_message(body, 'UploadModelRequest', 'upload_model_request')
        model = {
            **body['model'],
            'name': f'{parent}/{_id()}',
            'supportedDeploymentResourcesTypes': ['DEDICATED_RESOURCES'],
        }
        if not model.get('artifactUri', 'gs://').startswith('gs://'):
            raise vertex_api.BadRequest(f'Invalid artifact URI: {model["artifactUri"]}')
        if model['containerSpec']['imageUri'] not in self._servers:
            raise vertex_api.BadRequest(f'Image {model["containerSpec"]["imageUri"]} not found.')
        self.models[model['name']] = model
        return self._done(parent.rsplit('/', 1)[0], {'model': model['name']})

    def _create(self, parent: str, body: dict[str, Any]) -> Answer:
        vertex_api.check_message(body, 'Endpoint', 'endpoint')
        endpoint = {**body, 'name': f'{parent}/{_id()}', 'deployedModels': []}
        self.endpoints[endpoint['name']] = endpoint
        return self._done(parent.rsplit('/', 1)[0], {'name': endpoint['name']})

    def _deploy(self, name: str, body: dict[str, Any]) -> Answer:
        vertex_api.check_message(body, 'DeployModelRequest', 'deploy_model_request')
        deployed = {**body['deployedModel'], 'id': _id()}
        machine = deployed.get('dedicatedResources', {}).get('machineSpec', {}).get('machineType')
        if not machine:
            raise vertex_api.BadRequest('Machine type is not specified.')
        if deployed['model'] not in self.models:
            return _failure(404, f'The Model "{deployed["model"]}" does not exist.', 'NOT_FOUND')
        operation = {'name': f'{name}/operations/{_id()}', 'done': False}
        self._operations[operation['name'].rsplit('/', 1)[1]] = operation

        def run() -> None:
            try:
                container = self._start(name, deployed, machine)
                self.containers[deployed['id']] = container
                container.wait_until_healthy()
            except RuntimeError as error:
                operation.update(done=True, error={'code': 9, 'message': str(error)})
                return
            self.endpoints[name]['deployedModels'].append(deployed)
            operation.update(done=True, response={'@type': 'deploy', 'deployedModel': {'id': deployed['id']}})

        self._threads.append(threading.Thread(target=run))
        self._threads[-1].start()
        return 200, dict(operation)

    def _start(self, endpoint: str, deployed: dict[str, Any], machine: str) -> Container:
        model = self.models[deployed['model']]
        spec, endpoint_id, number = model['containerSpec'], endpoint.rsplit('/', 1)[1], deployed['id']
        with socket.socket() as free:
            free.bind(('127.0.0.1', 0))
            port = free.getsockname()[1]
        own = f'/v1/endpoints/{endpoint_id}/deployedModels/{number}'
        variables = {
            'AIP_HTTP_PORT': str(port),
            'AIP_HEALTH_ROUTE': spec.get('healthRoute') or own,
            'AIP_PREDICT_ROUTE': spec.get('predictRoute') or f'{own}:predict',
            'AIP_STORAGE_URI': self._copied(model['artifactUri'], number) if model.get('artifactUri') else '',
            'AIP_MODE': 'PREDICTION', 'AIP_MODE_VERSION': '1.0.0', 'AIP_FRAMEWORK': 'CUSTOM_CONTAINER',
            'AIP_ENDPOINT_ID': endpoint_id, 'AIP_MODEL_NAME': endpoint_id,
            'AIP_DEPLOYED_MODEL_ID': number, 'AIP_VERSION_NAME': number,
            'AIP_PROJECT_NUMBER': PROJECT_NUMBER, 'AIP_MACHINE_TYPE': machine,
            **{pair['name']: pair['value'] for pair in spec.get('env', [])},
        }  # fmt: skip
        storage = {**self._gcs.environment()}
        del storage['GOOGLE_CLOUD_PROJECT']
        return Container(self._servers[spec['imageUri']], self._folder / number, {**storage, **variables})

    def _copied(self, artifact: str, number: str) -> str:
        """Copies the artifacts to a bucket of the service, and returns where they are."""
        bucket = f'caip-tenant-{uuid.uuid4().hex[:12]}'
        self._gcs.create_bucket(bucket)
        for path in self._gcs.paths(f'{artifact.rstrip("/")}/'):
            inside = path[len(artifact.rstrip('/')) + 1 :]
            if inside:
                self._gcs.put(f'gs://{bucket}/{number}/artifacts/{inside}', self._gcs.get(path))
        return f'gs://{bucket}/{number}/artifacts'

    def _undeploy(self, name: str, body: dict[str, Any]) -> Answer:
        vertex_api.check_message(body, 'UndeployModelRequest', 'undeploy_model_request')
        endpoint = self.endpoints[name]
        number = body['deployedModelId']
        if number not in {deployed['id'] for deployed in endpoint['deployedModels']}:
            return _failure(404, f'The DeployedModel {number} does not exist.', 'NOT_FOUND')
        self.containers[number].stop()
        endpoint['deployedModels'] = [deployed for deployed in endpoint['deployedModels'] if deployed['id'] != number]
        return self._done(name, {})

    def _predict(self, name: str, body: dict[str, Any]) -> Answer:
        vertex_api.check_message(body, 'PredictRequest', 'predict_request')
        if not self.endpoints[name]['deployedModels']:
            return _failure(400, f"Endpoint {name} doesn't have traffic_split.", 'FAILED_PRECONDITION')
        deployed = self.endpoints[name]['deployedModels'][0]
        sent = json.dumps(body).encode()
        if len(sent) > MOST_BYTES:
            return _failure(400, 'Request payload size exceeds the limit: 1500000 bytes.', 'INVALID_ARGUMENT')
        container = self.containers[deployed['id']]
        self.forwarded.append((container.environment['AIP_PREDICT_ROUTE'], sent))
        status, answer = container.exchange('POST', container.environment['AIP_PREDICT_ROUTE'], sent)
        if status != 200:
            return _failure(400 if status < 500 else 503, answer.decode(), 'FAILED_PRECONDITION')
        if len(answer) > MOST_BYTES:
            return _failure(400, 'Response size too large.', 'FAILED_PRECONDITION')
        predictions = json.loads(answer)['predictions']
        assert isinstance(predictions, list) and len(predictions) == len(body['instances'])
        return 200, {'predictions': predictions, 'deployedModelId': deployed['id'], 'model': deployed['model']}

    def _delete_model(self, name: str, _: dict[str, Any]) -> Answer:
        deployed = [one['model'] for endpoint in self.endpoints.values() for one in endpoint['deployedModels']]
        if name in deployed:
            return _failure(400, f'The Model "{name}" is deployed or being deployed.', 'FAILED_PRECONDITION')
        del self.models[name]
        return self._done(name, {})

    def _delete_endpoint(self, name: str, _: dict[str, Any]) -> Answer:
        if self.endpoints[name]['deployedModels']:
            return _failure(
                400, f'Endpoint "{name}" has deployed or being-deployed DeployedModel(s)', 'FAILED_PRECONDITION'
            )
        del self.endpoints[name]
        return self._done(name, {})

    def _done(self, parent: str, response: dict[str, Any]) -> Answer:
        """A finished operation."""
        return 200, {'name': f'{parent}/operations/{_id()}', 'done': True, 'response': {'@type': 'none', **response}}


def _id() -> str:
    return str(uuid.uuid4().int)[:19]


def _failure(code: int, message: str, status: str) -> Answer:
    return code, {'error': {'code': code, 'message': message, 'status': status}}
