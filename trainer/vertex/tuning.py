"""Checks the study of a tuning job: its metric, which the trainer must report, and its parameters."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from trainer.vertex import hardware_rules, task_flags
from trainer.vertex.documents import Node
from trainer.vertex.machines import Hardware
from trainer.vertex.task_flags import Arguments

_SPECS = ('doubleValueSpec', 'integerValueSpec', 'discreteValueSpec', 'categoricalValueSpec')
_LOG_SCALES = ('UNIT_LOG_SCALE', 'UNIT_REVERSE_LOG_SCALE')


def check_study(study: Node, task: Node, arguments: Arguments, hardware: Hardware) -> None:
    """Checks a studySpec against the arguments of its trials.

    Args:
      study: the studySpec.
      task: the containerSpec or pythonPackageSpec of a trial.
      arguments: its parsed arguments.
      hardware: the machine of a trial.

    Raises:
      errors.UserError: a trial would report nothing, or trainer.task would refuse it.
    """
    _check_metrics(study['metrics'], arguments)
    for parameter in _parameters(study['parameters'].items):
        _check_parameter(parameter, arguments)
        spec = _value_spec(parameter)
        if study.text('algorithm') == 'GRID_SEARCH' and 'doubleValueSpec' in parameter.keys:
            raise spec.error('GRID_SEARCH takes no real numbers: write a discreteValueSpec')
        for value in _values(spec):
            flag = f'--{parameter.text("parameterId")}={value.value}'
            trial = task_flags.parse(task, dataclasses.replace(value, value=flag))
            hardware_rules.check(trial, hardware)


def _check_metrics(metrics: Node, arguments: Arguments) -> None:
    reported = arguments.run.hptuning_metric
    if not reported:
        raise arguments.error('hptuning_metric', 'no trial would report its metric: add --hptuning_metric=kid')
    for metric in metrics.items:
        name = metric['metricId']
        if name.value != reported:
            raise name.error(
                f'{name.value!r} is not what the trials report: make it equal to --hptuning_metric={reported}'
            )


def _parameters(items: list[Node]) -> Iterator[Node]:
    for parameter in items:
        yield parameter
        conditional = parameter.get('conditionalParameterSpecs')
        yield from _parameters([item['parameterSpec'] for item in conditional.items] if conditional else [])


def _check_parameter(parameter: Node, arguments: Arguments) -> None:
    name = parameter['parameterId']
    if name.value not in arguments.values:
        raise name.error(f'trainer.task has no flag --{name.value}: name one without its dashes, such as learning_rate')
    flag = arguments.values[name.value]
    spec = _value_spec(parameter)
    if 'doubleValueSpec' in parameter.keys and flag.flag_type() != 'float':
        raise spec.error(f'--{name.value} takes no fractions: write an integerValueSpec or a discreteValueSpec')
    if 'integerValueSpec' in parameter.keys and getattr(flag.parser, 'choices', None):
        raise spec.error(f'--{name.value} takes some numbers only: write a discreteValueSpec that lists them')


def _value_spec(parameter: Node) -> Node:
    given = [parameter[name] for name in _SPECS if name in parameter.keys]
    if len(given) != 1:
        raise parameter.error('give exactly one of ' + ', '.join(_SPECS))
    (spec,) = given
    values = spec.get('values')
    if values and spec.path.endswith('discreteValueSpec'):
        numbers = [float(value.value) for value in values.items]
        if numbers != sorted(set(numbers)):
            raise values.error('discrete values must rise from one to the next')
    if 'minValue' in spec.keys and float(spec.text('minValue')) > float(spec.text('maxValue')):
        raise spec['minValue'].error(f'{spec.text("minValue")} is above maxValue, {spec.text("maxValue")}')
    smallest = spec.text('minValue') or (values.items[0].value if values else '')
    if parameter.text('scaleType') in _LOG_SCALES and not _is_positive(smallest):
        raise parameter['scaleType'].error(f'a logarithmic scale cannot hold {smallest}: begin above 0')
    return spec


def _values(spec: Node) -> list[Node]:
    """The values that must be tested: the ends of a range, or every value of a list."""
    values = spec.get('values')
    return values.items if values else [spec['minValue'], spec['maxValue']]


def _is_positive(text: str) -> bool:
    try:
        return float(text) > 0
    except ValueError:
        return False
