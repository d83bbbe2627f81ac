"""The machine of a Vertex AI job: what replaces an image here, and a replica, which is one process at a time.

An image is a virtual environment. TensorFlow comes from the site-packages of the tests' own interpreter, through a .pth
file, as it would from the layer below; the project is installed from its sdist. A replica does not inherit the
environment of this process, and its temporary files are in its own folder.
"""

from __future__ import annotations

import dataclasses
import datetime
import io
import json
import os
import pathlib
import signal
import subprocess
import sys
import sysconfig
import threading
from collections.abc import Iterable, Mapping
from typing import Any, TextIO

from tests.fakes.cloud.gcs import GcsServer
from tests.processes import run_module

_RESTARTS = 5  # The service's limit for a worker whose job does not disable retries.
_LIMIT_S = 120
_TASK = 'workerpool0-0'
_SEVERITIES = {'stdout': 'INFO', 'stderr': 'ERROR'}  # As in the service, regardless of the text.


@dataclasses.dataclass(frozen=True)
class Image:
    """What replaces an image.

    Attributes:
      python: its interpreter; None means an image without the project, on which a job's packages are installed.
      extra: arguments that follow those of the job, so that a large job fits this small machine.
      forked: whether a fork with this source tree does instead, which need not import TensorFlow. Its log comes at its
        end, and it cannot be signalled.
    """

    python: pathlib.Path | None
    extra: tuple[str, ...] = ()
    forked: bool = False


def install(folder: pathlib.Path, sdists: Iterable[pathlib.Path]) -> pathlib.Path:
    """Makes a virtual environment in `folder`, installs sdists as Vertex AI's images do, and returns its python."""
    # pip comes with the layer below; installing it again would take seconds.
    subprocess.run([sys.executable, '-m', 'venv', '--without-pip', str(folder)], check=True, timeout=_LIMIT_S)
    python = folder / 'bin' / 'python'
    (site,) = folder.glob('lib/python*/site-packages')
    (site / 'base_image.pth').write_text(sysconfig.get_path('purelib') + '\n')
    offline = ['--no-deps', '--no-index', '--no-build-isolation', '--ignore-installed', '--no-cache-dir']
    command = [str(python), '-m', 'pip', 'install', '--quiet', *offline, *map(str, sdists)]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=_LIMIT_S)
    if ended.returncode:
        raise RuntimeError(f'pip install failed: {ended.stdout}{ended.stderr}')
    return python


class Replica:
    """Runs the one worker pool of a job, and restarts it after a failure if the job does not disable that.

    Attributes:
      log: the entries so far, as Cloud Logging has them.
      stopped: whether it was ended permanently.
      exit_codes: how each start ended; 128 + the signal's number, as a container reports it.
      folder: its working folder, empty at first. `tmp` and the file of the metric are in it.
    """

    def __init__(self, spec: Mapping[str, Any], job_id: str, region: str, folder: pathlib.Path, trial: str = ''):
        self.log: list[dict[str, Any]] = []
        self.exit_codes: list[int] = []
        self.folder, self._spec, self._pool = folder, spec, spec['workerPoolSpecs'][0]
        self._job_id, self._region, self._trial = job_id, region, trial
        self.stopped = False
        self._process: subprocess.Popen[str] | None = None
        (folder / 'tmp').mkdir(parents=True)
        (folder / 'work').mkdir()

    @property
    def metrics(self) -> list[dict[str, str]]:
        """The lines of the file in which a tuning job's trial reports its metric."""
        path = self.folder / 'hypertune' / 'output.metrics'
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def text(self) -> str:
        """The log as text."""
        return ''.join(entry['jsonPayload']['message'] + '\n' for entry in list(self.log))

    def run(self, images: Mapping[str, Image], gcs: GcsServer, arguments: Iterable[str] = ()) -> int:
        """Runs to the end; `arguments` are those of a tuning service. Returns the last exit code."""
        task = self._pool.get('containerSpec') or self._pool['pythonPackageSpec']
        image = images[task.get('imageUri') or task['executorImageUri']]
        entry = task.get('command') or ['python', '-m', task.get('pythonModule', 'trainer.task')]
        words = [*entry[1:], *task.get('args', []), *arguments, *image.extra]
        environment = {
            **_storage(gcs),
            **self.environment(),
            **{pair['name']: pair['value'] for pair in task.get('env', [])},
        }
        if image.forked:
            self.exit_codes.append(self._run_fork(words, environment))
            return self.exit_codes[-1]
        command = [str(image.python or self._install(task['packageUris'], gcs)), *words]
        retries = 0 if self._spec.get('scheduling', {}).get('disableRetries') else _RESTARTS
        code = 128 + signal.SIGTERM  # If it is stopped before it starts.
        while code and len(self.exit_codes) <= retries and not self.stopped:
            code = self._start(command, environment)
            self.exit_codes.append(code)
        return code

    def send(self, signum: int) -> None:
        """Sends a signal to the current process."""
        assert self._process
        assert self._process.poll() is None, 'too late: it has ended'
        self._process.send_signal(signum)

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """Ends it permanently."""
        self.stopped = True
        if self._process:
            self._process.send_signal(signum)

    def environment(self) -> dict[str, str]:
        """The variables that Vertex AI sets."""
        job, host = json.dumps(self._spec), f'cmle-training-{_TASK}-{self._job_id}:2222'
        made = {
            'PATH': os.defpath,
            'HOME': str(self.folder),
            'TMPDIR': str(self.folder / 'tmp'),
            'PYTHONUNBUFFERED': '1',  # From our Dockerfiles.
            'CLOUD_ML_JOB_ID': self._job_id,
            'CLOUD_ML_REGION': self._region,
            'CLUSTER_SPEC': _cluster('workerpool0', host, job, self._trial),
            'TF_CONFIG': _cluster('chief', host, job, self._trial),
        }
        base = self._spec.get('baseOutputDirectory', {}).get('outputUriPrefix', '').rstrip('/')
        if base:
            base = f'{base}/{self._trial}' if self._trial else base
            names = {'MODEL_DIR': 'model', 'CHECKPOINT_DIR': 'checkpoints', 'TENSORBOARD_LOG_DIR': 'logs'}
            made.update({f'AIP_{name}': f'{base}/{folder}/' for name, folder in names.items()})
        if self._trial:
            made['CLOUD_ML_TRIAL_ID'] = self._trial
            made['CLOUD_ML_HP_METRIC_FILE'] = str(self.folder / 'hypertune' / 'output.metrics')
        return made

    def _install(self, uris: Iterable[str], gcs: GcsServer) -> pathlib.Path:
        sdists = []
        for uri in uris:
            sdists.append(self.folder / pathlib.PurePosixPath(uri).name)
            sdists[-1].write_bytes(gcs.get(uri))
        return install(self.folder / 'venv', sdists)

    def _run_fork(self, words: list[str], environment: dict[str, str]) -> int:
        option, module, *args = words
        assert option == '-m'
        ended = run_module(module, *args, cwd=self.folder / 'work', environment=environment)
        for name in _SEVERITIES:
            self._read(name, io.StringIO(getattr(ended, name)))
        return ended.returncode

    def _start(self, command: list[str], environment: dict[str, str]) -> int:
        self._process = subprocess.Popen(
            command,
            cwd=self.folder / 'work',
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        if self.stopped:
            self._process.kill()
        streams = {'stdout': self._process.stdout, 'stderr': self._process.stderr}
        readers = [threading.Thread(target=self._read, args=item) for item in streams.items()]
        limit = threading.Timer(_LIMIT_S, self._process.kill)
        for thread in (*readers, limit):
            thread.start()
        code = self._process.wait()
        limit.cancel()
        for thread in (*readers, limit):
            thread.join()
        return code if code >= 0 else 128 - code

    def _read(self, name: str, stream: TextIO) -> None:
        labels = {'job_id': self._job_id, 'task_name': _TASK}
        with stream:
            for line in stream:
                self.log.append({
                    'insertId': f'{len(self.log):08}',
                    'timestamp': datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ'),
                    'severity': _SEVERITIES[name],
                    'jsonPayload': {'message': line.rstrip('\n')},
                    'resource': {'type': 'ml_job', 'labels': labels},
                })  # fmt: skip


def _cluster(kind: str, host: str, job: str, trial: str) -> str:
    task = {'type': kind, 'index': 0, **({'trial': trial} if trial else {})}
    return json.dumps({'cluster': {kind: [host]}, 'environment': 'cloud', 'task': task, 'job': job})


def _storage(gcs: GcsServer) -> dict[str, str]:
    """The address of the emulator, and credentials; no project, because Vertex AI does not name one either."""
    environment = gcs.environment()
    del environment['GOOGLE_CLOUD_PROJECT']
    return environment
