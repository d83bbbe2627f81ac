"""The Vertex AI API on loopback, as far as `gcloud ai` needs it for custom and tuning jobs, their logs, and endpoints.

It refuses what the service refuses (vertex_api.py) and runs the rest (vertex_job.py, vertex_machine.py,
vertex_endpoints.py). Packages and models come from the Cloud Storage emulator, and the output of the jobs goes there.
"""

from __future__ import annotations

import pathlib
import re
import signal
import threading
import uuid
from collections.abc import Mapping
from typing import Any

from tests.fakes.cloud import vertex_api
from tests.fakes.cloud.gcs import GcsServer
from tests.fakes.cloud.vertex_endpoints import Endpoints
from tests.fakes.cloud.vertex_job import Job
from tests.fakes.cloud.vertex_machine import Image
from tests.fakes.loopback import JsonApi, Request, send

_KINDS = {'customJobs': vertex_api.JOB, 'hyperparameterTuningJobs': vertex_api.TUNING_JOB}
_JOBS = re.compile(
    r'/v1/(?P<parent>projects/[\w-]+/locations/(?P<region>[\w-]+))/(?P<kind>customJobs|hyperparameterTuningJobs)'
    r'(?:/(?P<id>\d+)(?P<cancel>:cancel)?)?'
)


class FakeVertex(JsonApi):
    """Runs created jobs and endpoints while the context lasts; `jobs` has the former in order."""

    def __init__(
        self,
        gcs: GcsServer,
        folder: pathlib.Path,
        images: Mapping[str, Image],
        servers: Mapping[str, str] | None = None,
    ) -> None:
        """Works in `folder`.

        Args:
          gcs: for packages, artifacts and outputs.
          folder: of the machines.
          images: what stands for each image of a job, by its URI.
          servers: the module that each image of a model runs, by its URI.
        """
        self.endpoints = Endpoints(gcs, folder, servers or {})
        self.jobs: list[Job] = []
        self._gcs, self._folder, self._images = gcs, folder, images
        self._running: list[threading.Thread] = []

    def __exit__(self, *details: object) -> None:
        self.endpoints.close()
        for job in self.jobs:
            job.stop(signal.SIGKILL)
        for thread in self._running:
            thread.join()
        super().__exit__(*details)

    def gcloud_environment(self, folder: pathlib.Path) -> dict[str, str]:
        """Variables that make `gcloud ai` talk to this service."""
        names = ('AIPLATFORM', 'LOGGING')
        return {
            **self._gcs.gcloud_environment(folder),
            **{f'CLOUDSDK_API_ENDPOINT_OVERRIDES_{name}': self.url for name in names},
        }

    def answer(self, request: Request, body: dict[str, Any] | None) -> None:
        send(request, *self._resolve(request.command, request.path.split('?')[0], body or {}))

    def _resolve(self, method: str, path: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if path == '/v2/entries:list' and method == 'POST':
            return 200, {'entries': self._entries(body['filter'])}
        of_endpoints = self.endpoints.resolve(method, path, body)
        if of_endpoints:
            return of_endpoints
        match = _JOBS.fullmatch(path)
        if not match:
            return _failure(404, f'not faked: {method} {path}', 'NOT_FOUND')
        folder = f'{match["parent"]}/{match["kind"]}'
        if not match['id']:
            if method == 'POST':
                return self._create(folder, match['region'], _KINDS[match['kind']], body)
            listed = [job.resource for job in reversed(self.jobs) if job.resource['name'].startswith(folder)]
            return 200, {match['kind']: listed}
        for job in self.jobs:
            if job.resource['name'] == f'{folder}/{match["id"]}':
                if match['cancel']:
                    job.stop()
                return 200, {} if match['cancel'] else job.resource
        return _failure(404, f'The {_KINDS[match["kind"]]} does not exist.', 'NOT_FOUND')

    def _create(self, parent: str, region: str, kind: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        try:
            vertex_api.check(body, kind)
        except vertex_api.BadRequest as error:
            return _failure(400, str(error), 'INVALID_ARGUMENT')
        job = Job({**body, 'name': f'{parent}/{str(uuid.uuid4().int)[:19]}'}, self._folder, region)
        answer = dict(job.resource)
        self.jobs.append(job)
        self._running.append(threading.Thread(target=job.run, args=(self._images, self._gcs)))
        self._running[-1].start()
        return 200, answer

    def _entries(self, wanted: str) -> list[dict[str, Any]]:
        """The log entries of the job and the times that a filter of `gcloud ... stream-logs` names."""
        job_id = re.search(r'resource\.labels\.job_id="(\d+)"', wanted)
        after = re.search(r'timestamp="([^"]+)" AND insertId>"(\d+)"', wanted)
        since = re.search(r'timestamp>="([^"]+)"', wanted)
        before = re.search(r'timestamp<"([^"]+)"', wanted)
        assert job_id and before, wanted
        low = (after[1], after[2] + '~') if after else (since[1] if since else '', '')
        replicas = [replica for job in self.jobs if job.id == job_id[1] for replica in job.replicas]
        keyed = {(entry['timestamp'], entry['insertId']): entry for one in replicas for entry in list(one.log)}
        return [keyed[key] for key in sorted(keyed) if low <= key < (before[1], '')]


def _failure(code: int, message: str, status: str) -> tuple[int, dict[str, Any]]:
    return code, {'error': {'code': code, 'message': message, 'status': status}}
