"""The Cloud Build API on loopback, as far as `gcloud builds submit` needs it: it runs a build's steps without docker.

Each image is a folder of programs that comes first on PATH while its steps run: a test decides which program is the
real one and which only records its calls. The source comes from the Cloud Storage emulator, and the log goes there.
"""

from __future__ import annotations

import io
import os
import pathlib
import re
import subprocess
import tarfile
import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any

from tests.fakes.cloud.gcs import GcsServer
from tests.fakes.loopback import JsonApi, Request, send

_BUILDS = re.compile(r'/v1/projects/(?P<project>[\w-]+)/locations/(?P<region>[\w-]+)/builds(?:/(?P<id>[\w-]+))?')
_REFERENCE = re.compile(r'\$(?:(\$)|\{(\w+)\}|(\w+))')
_STEP_TIMEOUT_S = 120


class BadBuild(ValueError):
    """A build that the service refuses before anything runs."""


def plan(build: Mapping[str, Any], builtins: Mapping[str, str]) -> list[dict[str, Any]]:
    """Checks a build as the service does and fills in its substitutions.

    Args:
      build: what cloudbuild.yaml holds, with the substitutions of the command line in it.
      builtins: the service's own substitutions, such as PROJECT_ID.

    Returns:
      The steps, in an order that their waitFor allows.

    Raises:
      BadBuild: a substitution is unknown or unused, waitFor names no earlier step, or a timeout is not like '600s'.
    """
    values, used = {**builtins, **build.get('substitutions', {})}, set()

    def fill(text: str) -> str:
        def value(match: re.Match) -> str:
            if match[1]:
                return '$'
            name = match[2] or match[3]
            if name not in values:
                raise BadBuild(f'key in the template "{name}" is no substitution')
            used.add(name)
            return values[name]

        return _REFERENCE.sub(value, text)

    if build.get('options', {}).get('dynamicSubstitutions'):
        given = build.get('substitutions', {})
        values = {**values, **{name: fill(text) for name, text in given.items()}}
        used -= set(given)
    steps = _filled(build['steps'], fill)
    unused = set(build.get('substitutions', {})) - used
    if unused:
        raise BadBuild(f'key in the substitution data "{min(unused)}" is not matched in the template')
    _check_steps(build, steps)
    return steps


def _filled(value: Any, fill: Callable[[str], str]) -> Any:
    """Fills in the strings in lists and dicts; leaves numbers as they are."""
    if isinstance(value, dict):
        return {key: _filled(item, fill) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, fill) for item in value]
    return fill(value) if isinstance(value, str) else value


def _check_steps(build: Mapping[str, Any], steps: list[dict[str, Any]]) -> None:
    for timeout in [owner['timeout'] for owner in (build, *steps) if 'timeout' in owner]:
        if not re.fullmatch(r'\d+s', timeout):
            raise BadBuild(f'timeout {timeout!r} is no number of seconds such as 600s')
    earlier = {'-'}
    for step in steps:
        unknown = set(step.get('waitFor', [])) - earlier
        if unknown:
            raise BadBuild(f'build step {step.get("id")!r} waits for {min(unknown)!r}, which is no step before it')
        if step.get('id') in earlier:
            raise BadBuild(f'two build steps are called {step["id"]!r}')
        earlier.add(step.get('id', ''))


class FakeBuild(JsonApi):
    """Runs submitted builds while the context lasts; `builds` has what the API would say about each, by id."""

    def __init__(self, gcs: GcsServer, folder: pathlib.Path, images: Mapping[str, pathlib.Path]) -> None:
        """Works in `folder`; `images` has the folder of programs that stands for each image."""
        self.builds: dict[str, dict[str, Any]] = {}
        self._gcs, self._folder, self._images = gcs, folder, images
        self._logs = f'build-logs-{uuid.uuid4().hex}'
        self._running: list[threading.Thread] = []

    def __enter__(self) -> FakeBuild:
        self._gcs.create_bucket(self._logs)
        return super().__enter__()

    def __exit__(self, *details: object) -> None:
        for thread in self._running:
            thread.join()
        super().__exit__(*details)

    def gcloud_environment(self, folder: pathlib.Path) -> dict[str, str]:
        """Variables that make gcloud submit builds here and find its buckets and logs in the emulator."""
        authority = self._gcs.environment()['SSL_CERT_FILE']
        return {
            **self._gcs.gcloud_environment(folder),
            'CLOUDSDK_API_ENDPOINT_OVERRIDES_CLOUDBUILD': self.url,
            # The log is read from storage.googleapis.com, which nothing overrides.
            'https_proxy': self._gcs.url,
            'no_proxy': '127.0.0.1,localhost',
            'CLOUDSDK_CORE_CUSTOM_CA_CERTS_FILE': authority,
            'REQUESTS_CA_BUNDLE': authority,
        }

    def answer(self, request: Request, body: dict[str, Any] | None) -> None:
        match = _BUILDS.fullmatch(request.path.split('?')[0])
        if match and body is not None and not match['id']:
            try:
                return send(request, 200, self._create(match, body))
            except BadBuild as error:
                return send(request, 400, _error(400, f'invalid build: {error}', 'INVALID_ARGUMENT'))
        if match and body is None and match['id'] in self.builds:
            return send(request, 200, self.builds[match['id']])
        return send(request, 404, _error(404, f'not faked: {request.command} {request.path}', 'NOT_FOUND'))

    def _create(self, place: re.Match, body: dict[str, Any]) -> dict[str, Any]:
        project, region, build_id = place['project'], place['region'], str(uuid.uuid4())
        builtins = {'PROJECT_ID': project, 'BUILD_ID': build_id, 'LOCATION': region, 'PROJECT_NUMBER': '123'}
        steps = plan(body, builtins)
        name = f'projects/{project}/locations/{region}/builds/{build_id}'
        about = {
            'id': build_id,
            'name': name,
            'projectId': project,
            'logsBucket': f'gs://{self._logs}',
            'status': 'WORKING',
        }
        self.builds[build_id] = {**body, **about}
        self._running.append(threading.Thread(target=self._run, args=(self.builds[build_id], steps)))
        self._running[-1].start()
        kind = 'type.googleapis.com/google.devtools.cloudbuild.v1.BuildOperationMetadata'
        operation = f'projects/{project}/locations/{region}/operations/{build_id}'
        return {'name': operation, 'metadata': {'@type': kind, 'build': self.builds[build_id]}}

    def _run(self, build: dict[str, Any], steps: list[dict[str, Any]]) -> None:
        log, status = [], 'INTERNAL_ERROR'
        try:
            workspace = self._unpack(build)
            status = 'SUCCESS' if all(self._run_step(step, workspace, log) for step in steps) else 'FAILURE'
        finally:
            self._gcs.put(f'gs://{self._logs}/log-{build["id"]}.txt', ''.join(log).encode())
            build['status'] = status

    def _unpack(self, build: dict[str, Any]) -> pathlib.Path:
        workspace = self._folder / build['id'] / 'workspace'
        workspace.mkdir(parents=True)
        source = build['source']['storageSource']
        archive = self._gcs.get(f'gs://{source["bucket"]}/{source["object"]}')
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            tar.extractall(workspace)
        return workspace

    def _run_step(self, step: dict[str, Any], workspace: pathlib.Path, log: list[str]) -> bool:
        """Runs one step and returns whether it succeeded."""
        programs = self._images.get(step['name'])
        if programs is None or 'entrypoint' not in step:
            log.append(f'no image {step["name"]!r}, or no entrypoint\n')
            return False
        home = workspace.parent / 'home'
        home.mkdir(exist_ok=True)
        path = f'{programs}{os.pathsep}/usr/bin{os.pathsep}/bin'
        environment = {'PATH': path, 'HOME': str(home), 'PIP_NO_INDEX': '1', **self._gcs.gcloud_environment(home)}
        environment.update(pair.split('=', 1) for pair in step.get('env', []))
        ended = subprocess.run(
            [step['entrypoint'], *step.get('args', [])],
            cwd=workspace,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=_STEP_TIMEOUT_S,
        )
        log += [
            f'Step "{step.get("id")}": {line}\n' for line in (*ended.stdout.splitlines(), f'exit {ended.returncode}')
        ]
        return ended.returncode == 0


def _error(code: int, message: str, status: str) -> dict[str, Any]:
    return {'error': {'code': code, 'message': message, 'status': status}}
