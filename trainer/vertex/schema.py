"""The schema of a Vertex AI job: its keys, their types, and which of them are required.

gcloud sends an unknown key unchanged, and the service reports it minutes later or never.
"""

from __future__ import annotations

import difflib
import re

from trainer.vertex.documents import MAPPING, SEQUENCE, STRING, Node

JOB, TUNING_JOB = 'CustomJobSpec', 'HyperparameterTuningJob'

# Message -> field -> type. [T] is a list of T, a ! marks a required field. The names are those of the API
# (google.cloud.aiplatform.v1); tests/vertex/test_config.py compares the tables with gcloud's own.
MESSAGES: dict[str, dict[str, str]] = {
    TUNING_JOB: {
        'studySpec': 'StudySpec!', 'trialJobSpec': 'CustomJobSpec!',
        'maxTrialCount': 'int', 'parallelTrialCount': 'int', 'maxFailedTrialCount': 'int',
    },
    JOB: {
        'workerPoolSpecs': '[WorkerPoolSpec]!', 'scheduling': 'Scheduling', 'baseOutputDirectory': 'GcsDestination',
        'serviceAccount': 'string', 'tensorboard': 'string', 'network': 'string', 'reservedIpRanges': '[string]',
        'enableWebAccess': 'bool', 'enableDashboardAccess': 'bool', 'persistentResourceId': 'string',
        'protectedArtifactLocationId': 'string', 'experiment': 'string', 'experimentRun': 'string',
        'models': '[string]',
    },
    'WorkerPoolSpec': {
        'machineSpec': 'MachineSpec', 'replicaCount': 'int', 'containerSpec': 'ContainerSpec',
        'pythonPackageSpec': 'PythonPackageSpec', 'diskSpec': 'DiskSpec', 'nfsMounts': '[NfsMount]',
    },
    'MachineSpec': {
        'machineType': 'string', 'acceleratorType': 'AcceleratorType', 'acceleratorCount': 'int',
        'tpuTopology': 'string', 'reservationAffinity': 'ReservationAffinity',
    },
    'ReservationAffinity': {
        'reservationAffinityType': 'ReservationAffinityType!', 'key': 'string', 'values': '[string]',
    },
    'ContainerSpec': {'imageUri': 'string!', 'command': '[string]', 'args': '[string]', 'env': '[EnvVar]'},
    'PythonPackageSpec': {
        'executorImageUri': 'string!', 'packageUris': '[string]!', 'pythonModule': 'string!', 'args': '[string]',
        'env': '[EnvVar]',
    },
    'EnvVar': {'name': 'string!', 'value': 'string!'},
    'DiskSpec': {'bootDiskType': 'string', 'bootDiskSizeGb': 'int'},
    'NfsMount': {'server': 'string!', 'path': 'string!', 'mountPoint': 'string!'},
    'Scheduling': {
        'timeout': 'string', 'restartJobOnWorkerRestart': 'bool', 'strategy': 'Strategy', 'disableRetries': 'bool',
        'maxWaitDuration': 'string',
    },
    'GcsDestination': {'outputUriPrefix': 'string!'},
    'StudySpec': {
        'metrics': '[StudySpecMetricSpec]!', 'parameters': '[StudySpecParameterSpec]!', 'algorithm': 'Algorithm',
        'observationNoise': 'ObservationNoise', 'measurementSelectionType': 'MeasurementSelectionType',
        'decayCurveStoppingSpec': 'StudySpecDecayCurveAutomatedStoppingSpec',
        'medianAutomatedStoppingSpec': 'StudySpecMedianAutomatedStoppingSpec',
        'convexAutomatedStoppingSpec': 'StudySpecConvexAutomatedStoppingSpec',
        'studyStoppingConfig': 'StudySpecStudyStoppingConfig',
    },
    'StudySpecDecayCurveAutomatedStoppingSpec': {'useElapsedDuration': 'bool'},
    'StudySpecMedianAutomatedStoppingSpec': {'useElapsedDuration': 'bool'},
    'StudySpecConvexAutomatedStoppingSpec': {
        'learningRateParameterName': 'string', 'maxStepCount': 'int', 'minMeasurementCount': 'int',
        'minStepCount': 'int', 'updateAllStoppedTrials': 'bool', 'useElapsedDuration': 'bool',
    },
    'StudySpecStudyStoppingConfig': {
        'maxDurationNoProgress': 'string', 'maxNumTrials': 'int', 'maxNumTrialsNoProgress': 'int',
        'maximumRuntimeConstraint': 'StudyTimeConstraint', 'minimumRuntimeConstraint': 'StudyTimeConstraint',
        'minNumTrials': 'int', 'shouldStopAsap': 'bool',
    },
    'StudyTimeConstraint': {'endTime': 'string', 'maxDuration': 'string'},
    'StudySpecMetricSpec': {
        'metricId': 'string!', 'goal': 'Goal!', 'safetyConfig': 'StudySpecMetricSpecSafetyMetricConfig',
    },
    'StudySpecMetricSpecSafetyMetricConfig': {'safetyThreshold': 'double', 'desiredMinSafeTrialsFraction': 'double'},
    'StudySpecParameterSpec': {
        'parameterId': 'string!', 'scaleType': 'ScaleType',
        'doubleValueSpec': 'StudySpecParameterSpecDoubleValueSpec',
        'integerValueSpec': 'StudySpecParameterSpecIntegerValueSpec',
        'categoricalValueSpec': 'StudySpecParameterSpecCategoricalValueSpec',
        'discreteValueSpec': 'StudySpecParameterSpecDiscreteValueSpec',
        'conditionalParameterSpecs': '[StudySpecParameterSpecConditionalParameterSpec]',
    },
    'StudySpecParameterSpecDoubleValueSpec': {'minValue': 'double!', 'maxValue': 'double!', 'defaultValue': 'double'},
    'StudySpecParameterSpecIntegerValueSpec': {'minValue': 'int!', 'maxValue': 'int!', 'defaultValue': 'int'},
    'StudySpecParameterSpecCategoricalValueSpec': {'values': '[string]!', 'defaultValue': 'string'},
    'StudySpecParameterSpecDiscreteValueSpec': {'values': '[double]!', 'defaultValue': 'double'},
    'StudySpecParameterSpecConditionalParameterSpec': {
        'parameterSpec': 'StudySpecParameterSpec!',
        'parentCategoricalValues': 'StudySpecParameterSpecConditionalParameterSpecCategoricalValueCondition',
        'parentDiscreteValues': 'StudySpecParameterSpecConditionalParameterSpecDiscreteValueCondition',
        'parentIntValues': 'StudySpecParameterSpecConditionalParameterSpecIntValueCondition',
    },
    'StudySpecParameterSpecConditionalParameterSpecCategoricalValueCondition': {'values': '[string]!'},
    'StudySpecParameterSpecConditionalParameterSpecDiscreteValueCondition': {'values': '[double]!'},
    'StudySpecParameterSpecConditionalParameterSpecIntValueCondition': {'values': '[int]!'},
}  # fmt: skip

ENUMS: dict[str, tuple[str, ...]] = {
    'AcceleratorType': (
        'ACCELERATOR_TYPE_UNSPECIFIED', 'NVIDIA_TESLA_K80', 'NVIDIA_TESLA_P100', 'NVIDIA_TESLA_V100',
        'NVIDIA_TESLA_P4', 'NVIDIA_TESLA_T4', 'NVIDIA_TESLA_A100', 'NVIDIA_A100_80GB', 'NVIDIA_L4', 'NVIDIA_H100_80GB',
        'NVIDIA_H100_MEGA_80GB', 'NVIDIA_H200_141GB', 'NVIDIA_B200', 'TPU_V2', 'TPU_V3', 'TPU_V4_POD',
        'TPU_V5_LITEPOD',
    ),
    'ReservationAffinityType': ('TYPE_UNSPECIFIED', 'NO_RESERVATION', 'ANY_RESERVATION', 'SPECIFIC_RESERVATION'),
    'Strategy': ('STRATEGY_UNSPECIFIED', 'ON_DEMAND', 'LOW_COST', 'STANDARD', 'SPOT', 'FLEX_START'),
    'Algorithm': ('ALGORITHM_UNSPECIFIED', 'GRID_SEARCH', 'RANDOM_SEARCH'),
    'ObservationNoise': ('OBSERVATION_NOISE_UNSPECIFIED', 'LOW', 'HIGH'),
    'MeasurementSelectionType': (
        'MEASUREMENT_SELECTION_TYPE_UNSPECIFIED', 'LAST_MEASUREMENT', 'BEST_MEASUREMENT',
    ),
    'Goal': ('GOAL_TYPE_UNSPECIFIED', 'MAXIMIZE', 'MINIMIZE'),
    'ScaleType': ('SCALE_TYPE_UNSPECIFIED', 'UNIT_LINEAR_SCALE', 'UNIT_LOG_SCALE', 'UNIT_REVERSE_LOG_SCALE'),
}  # fmt: skip

# Keys of the job around the spec, which gcloud sets.
_ELSEWHERE = {
    'displayName': 'give it to gcloud: --display-name=NAME',
    'labels': 'give them to gcloud: --labels=KEY=VALUE',
    'encryptionSpec': 'give it to gcloud: --kms-key=KEY',
    'jobSpec': 'write what it holds at the top level',
}
_NUMBERS = {
    'int': (('int', 'str'), re.compile(r'-?[0-9]{1,18}'), 'a whole number'),
    'double': (
        ('int', 'float', 'str'),
        re.compile(r'[-+]?([0-9]{1,40}\.?[0-9]{0,40}|\.[0-9]{1,40})([eE][-+]?[0-9]{1,3})?'),
        'a number',
    ),
}


def check_shape(node: Node, message: str) -> None:
    """Checks the keys, types and enum values of `node`, which is a `message`, and of everything below it.

    Raises:
      errors.UserError: the first key or value that the API would not understand.
    """
    if node.kind != MAPPING:
        raise node.error(f'expected keys below it, such as {next(iter(MESSAGES[message]))}')
    fields = MESSAGES[message]
    for key in node.keys:
        if key not in fields:
            raise node[key].error(_unknown(key, fields))
        _check_value(node[key], fields[key].rstrip('!'))
    for key, kind in fields.items():
        if kind.endswith('!') and not (key in node.keys and node[key].value):
            raise node.error(f'{key} is missing or empty: it must be given')


def _check_value(node: Node, kind: str) -> None:
    if kind.startswith('['):
        if node.kind != SEQUENCE:
            raise node.error('expected a list: write one "- value" per line')
        for item in node.items:
            _check_value(item, kind.strip('[]'))
    elif node.kind == 'null':
        raise node.error('it has no value: give one, or delete the key')
    elif kind in MESSAGES:
        check_shape(node, kind)
    elif kind in _NUMBERS:
        kinds, pattern, name = _NUMBERS[kind]
        if node.kind not in kinds or not pattern.fullmatch(node.value):
            raise node.error(f'{_shown(node)} is not {name}')
    elif kind == 'bool':
        if node.kind != 'bool' or node.value.lower() not in ('true', 'false'):
            raise node.error(f'{_shown(node)} is neither true nor false, written without quotes')
    else:
        _check_text(node, ENUMS.get(kind, ()))


def _check_text(node: Node, choices: tuple[str, ...]) -> None:
    # Some YAML readers take 1e-5 for text, gcloud's takes it for a number.
    if node.kind != STRING or (node.plain and _NUMBERS['double'][1].fullmatch(node.value)):
        quote = '' if node.items else f': put it into quotes, "{node.value}"'
        raise node.error(f'expected text, but {_shown(node)} is not text{quote}')
    if choices and node.value not in choices:
        raise node.error(f'{node.value!r} is not known: {_nearest(node.value, choices)}')


def _unknown(key: str, fields: dict[str, str]) -> str:
    if key in _ELSEWHERE:
        return f'this file has no such key: {_ELSEWHERE[key]}'
    camel = re.sub(r'_+([a-z0-9])', lambda match: match[1].upper(), key)
    if camel in fields:
        return f'keys are written in camelCase, and gcloud would post this one unread: write {camel}'
    return f'there is no such key here: {_nearest(key, tuple(fields))}'


def _nearest(word: str, choices: tuple[str, ...]) -> str:
    near = difflib.get_close_matches(word, choices, n=1) or [
        choice for choice in choices if choice.lower() == word.lower()
    ]
    return f'did you mean {near[0]}?' if near else 'choose one of ' + ', '.join(choices)


def _shown(node: Node) -> str:
    return {MAPPING: 'a mapping', SEQUENCE: 'a list'}.get(node.kind) or repr(node.value)
