"""The Cloud TPU API on loopback: it answers the `get` of one node by a script."""

from __future__ import annotations

from typing import Any

import httplib2
from googleapiclient import discovery

from tests.fakes.loopback import JsonApi, Request, send

PROJECT, ZONE, NAME = 'demo', 'us-central1-b', 'mytpu'
_NODE_PATH = f'/v1/projects/{PROJECT}/locations/{ZONE}/nodes/{NAME}'
HANG_UP = 0


def node(state: str = 'READY', kind: str = 'v3-8', health: str = 'HEALTHY', ports: tuple[int, ...] = ()) -> dict:
    """What the API says of a node whose workers listen on 127.0.0.1."""
    endpoints = [{'ipAddress': '127.0.0.1', 'port': port} for port in ports]
    return {'state': state, 'acceleratorType': kind, 'health': health, 'networkEndpoints': endpoints}


class FakeTpuApi(JsonApi):
    """Answers each request with the next of `answers`, a node or an HTTP status, and repeats the last one for ever."""

    def __init__(self, *answers: dict | int) -> None:
        self.answers = list(answers)
        self.asked = 0
        self._closing: list[Any] = []

    def __exit__(self, *details: object) -> None:
        for service in self._closing:
            service.close()
        super().__exit__(*details)

    @property
    def discovery_url(self) -> str:
        return self.url + 'discovery'

    def service(self) -> Any:
        """The real client of this API, without credentials."""
        transport = httplib2.Http(timeout=5, proxy_info=None)
        self._closing.append(discovery.build_from_document(self._document(), http=transport))
        return self._closing[-1]

    def answer(self, request: Request, body: Any) -> None:
        if request.path.startswith('/discovery'):
            return send(request, 200, self._document())
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        self.asked += 1
        if request.path.split('?')[0] != _NODE_PATH:
            answer = 404
        if answer == HANG_UP:
            return request.connection.close()
        if isinstance(answer, dict):
            return send(request, 200, answer)
        return send(request, answer, {'error': {'code': answer, 'message': f'the reason\nof {answer}'}})

    def _document(self) -> dict:
        """The part of the real API's discovery document that a `get` of a node needs."""
        name = {'location': 'path', 'required': True, 'type': 'string'}
        get: dict = {'httpMethod': 'GET', 'id': 'tpu.get', 'path': 'v1/{+name}', 'parameters': {'name': name}}
        get['response'] = {'$ref': 'Node'}
        resource: dict = {'methods': {'get': get}}
        for collection in ('nodes', 'locations', 'projects'):
            resource = {'resources': {collection: resource}}
        schemas = {'Node': {'id': 'Node', 'type': 'object'}}
        return {'name': 'tpu', 'version': 'v1', 'rootUrl': self.url, 'servicePath': '', 'schemas': schemas, **resource}
