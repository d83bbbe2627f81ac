"""The jobs of the Vertex AI on loopback: a custom job has one replica, a tuning job one for each trial."""

from __future__ import annotations

import datetime
import pathlib
import signal
import time
from collections.abc import Callable, Mapping
from concurrent import futures
from typing import Any

from tests.fakes.cloud.gcs import GcsServer
from tests.fakes.cloud.vertex_machine import Image, Replica

_ENDED = ('SUCCEEDED', 'FAILED', 'CANCELLED')


class Job:
    """A job.

    Attributes:
      resource: what the API shows about it.
      replicas: the replicas that run it, in the order of the trials.
    """

    def __init__(self, resource: dict[str, Any], folder: pathlib.Path, region: str) -> None:
        """Takes the posted resource, with its name; it will work in `folder`."""
        self.resource = {**resource, 'state': 'JOB_STATE_PENDING', 'createTime': _now()}
        spec = resource.get('jobSpec')
        if spec:
            self.replicas = [Replica(spec, self.id, region, folder / self.id)]
            return
        self.resource['trials'] = [
            _trial(resource['studySpec']['parameters'], number)
            for number in range(1, int(resource['maxTrialCount']) + 1)
        ]
        names = [trial['id'] for trial in self.resource['trials']]
        self.replicas = [
            Replica(resource['trialJobSpec'], self.id, region, folder / self.id / name, name) for name in names
        ]

    @property
    def id(self) -> str:
        return self.resource['name'].rsplit('/', 1)[1]

    @property
    def state(self) -> str:
        return self.resource['state'].replace('JOB_STATE_', '')

    @property
    def ended(self) -> bool:
        return self.state in _ENDED

    @property
    def error(self) -> str:
        """What the API says about a failure, '' without one."""
        return self.resource.get('error', {}).get('message', '')

    @property
    def exit_codes(self) -> list[int]:
        """How each start ended."""
        return [code for replica in self.replicas for code in replica.exit_codes]

    def text(self) -> str:
        """Its log."""
        return ''.join(replica.text() for replica in self.replicas)

    def wait(self, timeout_s: float = 100) -> str:
        """Waits for its end and returns its state."""
        self._wait(lambda: self.ended, timeout_s, 'end')
        return self.state

    def wait_for(self, text: str, times: int = 1, timeout_s: float = 60) -> None:
        """Waits until its log holds `text` so many times."""
        self._wait(lambda: self.text().count(text) >= times or self.ended, timeout_s, repr(text))
        assert self.text().count(text) >= times, f'{text!r} never came:\n{self.text()}'

    def preempt(self, signum: int = signal.SIGTERM) -> None:
        """Takes the machine away while the job runs; the process gets a signal, or no warning at all (SIGKILL)."""
        self.replicas[0].send(signum)

    def stop(self, signum: int = signal.SIGTERM) -> None:
        """Ends it permanently, as `gcloud ai custom-jobs cancel` does."""
        for replica in self.replicas:
            replica.stop(signum)

    def run(self, images: Mapping[str, Image], gcs: GcsServer) -> None:
        """Runs to the end."""
        self.resource.update(state='JOB_STATE_RUNNING', startTime=_now())
        error = 'Internal error.'
        try:
            error = self._run_trials(images, gcs) if 'trials' in self.resource else self._run(images, gcs)
        except KeyError as missing:
            error = f'Image {missing} not found.'
        finally:
            stopped = any(replica.stopped for replica in self.replicas)
            state = 'CANCELLED' if stopped else 'FAILED' if error else 'SUCCEEDED'
            if error:
                self.resource['error'] = {'code': 3, 'message': error}
            self.resource.update(endTime=_now(), state=f'JOB_STATE_{state}')

    def _run(self, images: Mapping[str, Image], gcs: GcsServer) -> str:
        code = self.replicas[0].run(images, gcs)
        if not code:
            return ''
        return (
            f'The replica workerpool0-0 exited with a non-zero status of {code}. To find out more about why your job '
            f'exited please check the logs: https://console.cloud.google.com/logs/viewer?resource=ml_job/job_id/{self.id}'
        )

    def _run_trials(self, images: Mapping[str, Image], gcs: GcsServer) -> str:
        metric = self.resource['studySpec']['metrics'][0]['metricId']

        def run(trial: dict[str, Any], replica: Replica) -> None:
            flags = [f'--{parameter["parameterId"]}={parameter["value"]}' for parameter in trial['parameters']]
            code = replica.run(images, gcs, flags)
            told = [line for line in replica.metrics if metric in line]
            trial['state'] = 'INFEASIBLE' if code or not told else 'SUCCEEDED'
            if told:
                trial['finalMeasurement'] = {
                    'stepCount': str(told[-1]['global_step']),
                    'metrics': [{'metricId': metric, 'value': float(told[-1][metric])}],
                }

        trials = self.resource['trials']
        with futures.ThreadPoolExecutor(int(self.resource['parallelTrialCount'])) as pool:
            list(pool.map(run, trials, self.replicas))
        failed = [trial['id'] for trial in trials if trial['state'] != 'SUCCEEDED']
        return f'Trials {", ".join(failed)} failed, or reported no {metric}.' if failed else ''

    def _wait(self, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f'no {what} within {timeout_s:.0f} s:\n{self.text()}'
            time.sleep(0.01)


def _trial(parameters: list[dict[str, Any]], number: int) -> dict[str, Any]:
    """The parameters of a trial: takes their values in turn, without a real study; a number is a double."""
    chosen = []
    for parameter in parameters:
        (kind,) = (name for name in parameter if name.endswith('ValueSpec'))
        spec = parameter[kind]
        values = spec.get('values') or [spec['minValue'], spec['maxValue']]
        value = values[(number - 1) % len(values)]
        value = value if kind == 'categoricalValueSpec' else float(value)
        chosen.append({'parameterId': parameter['parameterId'], 'value': value})
    return {'id': str(number), 'state': 'ACTIVE', 'parameters': chosen}


def _now() -> str:
    return datetime.datetime.now(datetime.timezone.utc).strftime('%Y-%m-%dT%H:%M:%S.%fZ')
