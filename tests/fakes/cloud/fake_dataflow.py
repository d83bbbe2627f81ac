"""The Dataflow API on loopback, as far as Beam's client needs it to submit a job, watch it and cancel it.

It refuses a job without what the service needs, and runs the rest in this process from the pipeline that the client has
put into the bucket; it has no containers.
"""

from __future__ import annotations

import re
import threading
import traceback
from typing import Any

from tests.fakes.cloud.gcs import GcsServer
from tests.fakes.loopback import JsonApi, Request, send

_JOBS = re.compile(
    r'/v1b3/projects/(?P<project>[\w-]+)/locations/(?P<region>[\w-]+)/jobs(?:/(?P<id>[\w-]+)(?P<messages>/messages)?)?'
)


class FakeDataflow(JsonApi):
    """Runs created jobs while the context lasts; `jobs` has them in order, as they were sent.

    Attributes:
      staged: the names of the objects that each job had staged when it was created.
      runs: whether jobs are run; otherwise they stay where they are until they are cancelled.
    """

    def __init__(self, gcs: GcsServer, runs: bool = True) -> None:
        self.jobs: list[dict[str, Any]] = []
        self.staged: list[set[str]] = []
        self.runs = runs
        self._gcs = gcs
        self._running: list[threading.Thread] = []

    def __exit__(self, *details: object) -> None:
        for thread in self._running:
            thread.join()
        super().__exit__(*details)

    def answer(self, request: Request, body: dict[str, Any] | None) -> None:
        match = _JOBS.fullmatch(request.path.split('?')[0])
        if not match:
            return send(request, 404, {'error': {'code': 404, 'message': f'not faked: {request.path}'}})
        if not match['id']:
            return send(request, *self._create(match['project'], match['region'], body or {}))
        job = self.jobs[int(match['id'])]
        if match['messages']:
            return send(request, 200, {'jobMessages': job.get('messages', [])})
        if body and body.get('requestedState') == 'JOB_STATE_CANCELLED':
            job['currentState'] = 'JOB_STATE_CANCELLED'
        return send(request, 200, {key: value for key, value in job.items() if key != 'messages'})

    def options_of(self, job: dict[str, Any]) -> dict[str, Any]:
        """The options of Beam, as the service shows them to workers."""
        return job['environment']['sdkPipelineOptions']['options']

    def _create(self, project: str, region: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        environment = body.get('environment', {})
        if not body.get('name') or body.get('type') != 'JOB_TYPE_BATCH' or not environment.get('tempStoragePrefix'):
            return 400, {'error': {'code': 400, 'message': 'name, type or tempStoragePrefix is missing'}}
        if not environment.get('workerPools'):
            return 400, {'error': {'code': 400, 'message': 'workerPools are missing'}}
        number = len(self.jobs)
        job = {**body, 'id': str(number), 'projectId': project, 'location': region, 'currentState': 'JOB_STATE_RUNNING'}
        self.jobs.append(job)
        url = self.options_of(job)['pipelineUrl']
        folder = url.rpartition('/')[0]
        self.staged.append({path[len(folder) + 1 :] for path in self._gcs.paths(f'{folder}/')})
        if self.runs:
            self._running.append(threading.Thread(target=self._run, args=(job, self._gcs.get(url))))
            self._running[-1].start()
        return 200, job

    def _run(self, job: dict[str, Any], pipeline: bytes) -> None:
        from apache_beam.options.pipeline_options import PipelineOptions
        from apache_beam.portability.api import beam_runner_api_pb2
        from apache_beam.runners.portability.fn_api_runner import FnApiRunner
        from apache_beam.transforms import environments

        proto = beam_runner_api_pb2.Pipeline.FromString(pipeline)
        here = environments.EmbeddedPythonEnvironment.default().to_runner_api(None)
        for environment in proto.components.environments.values():
            assert environment.urn == 'beam:env:docker:v1'
            environment.CopyFrom(here)
        try:
            FnApiRunner().run_via_runner_api(proto, PipelineOptions([]))
        except Exception:
            importance = {'messageImportance': 'JOB_MESSAGE_ERROR', 'time': '2026-01-01T00:00:00.000Z', 'id': '1'}
            job['messages'] = [{**importance, 'messageText': traceback.format_exc()}]
            job['currentState'] = 'JOB_STATE_FAILED'
        else:
            job['currentState'] = 'JOB_STATE_DONE'
