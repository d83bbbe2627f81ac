"""What the Vertex AI API refuses in a job, in Google's words.

The names come from gcloud's own definition of the API, and the rules from its documentation. Nothing comes from
trainer/, so this is an independent check of what `trainer.vertex_config` accepts.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from typing import Any

from tests.vertex.test_config import api_messages, fields_of

JOB, TUNING_JOB = 'CustomJob', 'HyperparameterTuningJob'
_TYPES = {'string': str, 'bool': bool}
_NUMBERS = {'int': r'-?\d+', 'double': r'-?\d+(\.\d+)?([eE][-+]?\d+)?'}
_MACHINES = re.compile(
    r'(e2|n1|n2|c2)-(standard|highmem|highcpu)-\d+|(g2-standard|a2-highgpu)-\d+g?|cloud-tpu|(ct5lp|ct6e)-[\w-]+t'
)


class BadRequest(ValueError):
    """A request that the service answers with 400."""


def check(body: Mapping[str, Any], kind: str) -> None:
    """Checks the body of a request to create a job.

    Args:
      body: the JSON.
      kind: JOB or TUNING_JOB.

    Raises:
      BadRequest: the service would refuse it.
    """
    check_message(body, kind, _snake(kind))
    if not body.get('displayName'):
        raise BadRequest('The display name of the job is required.')
    if kind == TUNING_JOB:
        _check_study(body)
    _check_spec(body['trialJobSpec' if kind == TUNING_JOB else 'jobSpec'])


@functools.cache
def _messages() -> dict[str, str]:
    return api_messages()


@functools.cache
def _fields(message: str) -> dict[str, str]:
    return fields_of(_messages()[message])


@functools.cache
def _choices(message: str, enum: str) -> set[str]:
    pattern = rf'^  class {enum}ValueValuesEnum\(_messages\.Enum\):\n(.*?)(?=^  \w)'
    found = re.search(pattern, _messages()[message], re.DOTALL | re.MULTILINE)
    return set(re.findall(r'^    (\w+) = \d+$', found[1], re.MULTILINE)) if found else set()


def check_message(value: Any, message: str, path: str) -> None:
    """Checks names and types of a message of the API.

    Args:
      value: the JSON.
      message: its name.
      path: what an error calls it.

    Raises:
      BadRequest: the service would refuse it.
    """
    if not isinstance(value, Mapping):
        raise BadRequest(f"Invalid value at '{path}': a message was expected")
    for name, content in value.items():
        if name not in _fields(message):
            raise BadRequest(f'Invalid JSON payload received. Unknown name "{name}" at \'{path}\': Cannot find field.')
        kind, place = _fields(message)[name].rstrip('!'), f'{path}.{_snake(name)}'
        if not kind.startswith('['):
            _check_value(content, message, kind, place)
            continue
        if not isinstance(content, list):
            raise BadRequest(f'Invalid JSON payload received. "{name}" at \'{path}\' is a list')
        for i, item in enumerate(content):
            _check_value(item, message, kind.strip('[]'), f'{place}[{i}]')
    for name, kind in _fields(message).items():
        if kind.endswith('!') and value.get(name) in (None, '', []):
            raise BadRequest(f'{path}.{_snake(name)} is required and must be set.')


def _check_value(value: Any, message: str, kind: str, path: str) -> None:
    if kind in _NUMBERS:  # 64 bits do not fit into JSON's numbers, so they are sent as text.
        if isinstance(value, bool) or not re.fullmatch(_NUMBERS[kind], str(value)):
            raise BadRequest(f'Invalid value at \'{path}\' (TYPE_{kind.upper()}), "{value}"')
    elif kind in _TYPES:
        if not isinstance(value, _TYPES[kind]):
            raise BadRequest(f'Invalid value at \'{path}\' (TYPE_{kind.upper()}), "{value}"')
    elif kind in _messages():
        check_message(value, kind, path)
    elif _choices(message, kind) and value not in _choices(message, kind):
        raise BadRequest(
            f'Invalid value at \'{path}\' (type.googleapis.com/google.cloud.aiplatform.v1.{kind}), "{value}"'
        )


def _check_spec(spec: Mapping[str, Any]) -> None:
    pools = spec['workerPoolSpecs']
    for i, pool in enumerate(pools):
        if int(pool.get('replicaCount', 0)) < 1:
            raise BadRequest(f'worker_pool_specs[{i}].replica_count must be at least 1.')
        if ('containerSpec' in pool) == ('pythonPackageSpec' in pool):
            raise BadRequest(f'worker_pool_specs[{i}] must set exactly one of container_spec and python_package_spec.')
        _check_machine(pool.get('machineSpec', {}))
    if _is_tpu(pools[0]['machineSpec']) and (len(pools) > 1 or int(pools[0]['replicaCount']) > 1):
        raise BadRequest('TPU jobs must have exactly one worker pool with one replica.')
    if spec.get('tensorboard') and not spec.get('serviceAccount'):
        raise BadRequest('A service account is required when a TensorBoard is given.')
    output = spec.get('baseOutputDirectory', {}).get('outputUriPrefix', 'gs://none')
    if not re.fullmatch(r'gs://[a-z0-9][a-z0-9._-]+(/.*)?', output):
        raise BadRequest(f'Invalid Cloud Storage URI: {output}')
    scheduling = spec.get('scheduling', {})
    if not re.fullmatch(r'\d+(\.\d+)?s', scheduling.get('timeout', '1s')):
        raise BadRequest(
            "Invalid value at 'job_spec.scheduling.timeout' (type.googleapis.com/google.protobuf.Duration)"
        )


def _check_machine(machine: Mapping[str, Any]) -> None:
    kind, accelerator = machine.get('machineType', ''), machine.get('acceleratorType', '')
    count = int(machine.get('acceleratorCount', 0))
    if not _MACHINES.fullmatch(kind):
        raise BadRequest(f'Machine type "{kind}" is not supported.')
    if bool(accelerator) != bool(count):
        raise BadRequest('accelerator_type and accelerator_count must both be set, or neither.')
    if (kind == 'cloud-tpu') != accelerator.startswith('TPU'):
        raise BadRequest(f'Machine type "{kind}" does not support the accelerator "{accelerator}".')
    if kind == 'cloud-tpu' and count != 8 and count % 32:
        raise BadRequest(f'Accelerator count {count} is not supported for {accelerator}.')
    if accelerator.startswith('NVIDIA_TESLA_T4') and not kind.startswith('n1-'):
        raise BadRequest(f'Machine type "{kind}" does not support the accelerator "{accelerator}".')


def _check_study(body: Mapping[str, Any]) -> None:
    for name in ('maxTrialCount', 'parallelTrialCount'):
        if int(body.get(name, 0)) < 1:
            raise BadRequest(f'{_snake(name)} must be at least 1.')
    for parameter in body['studySpec']['parameters']:
        if len([name for name in parameter if name.endswith('ValueSpec')]) != 1:
            raise BadRequest(f'Parameter {parameter["parameterId"]} must have exactly one value spec.')


def _is_tpu(machine: Mapping[str, Any]) -> bool:
    return machine['machineType'].startswith(('cloud-tpu', 'ct'))


def _snake(name: str) -> str:
    return re.sub(r'(?<!^)([A-Z])', r'_\1', name).lower()
