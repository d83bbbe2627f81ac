"""Numbers from flags, files and callers are exact, finite, and within bounds that have a reason."""

from __future__ import annotations

import dataclasses
import math

import pytest
from absl import flags

from convert.audit import AuditOptions
from convert.inspect_tfrecords import InspectOptions
from convert.options import ConvertOptions
from trainer import cli, errors
from trainer.dcgan.hparams import HParams
from trainer.evaluate import EvaluateOptions
from trainer.explore import ExploreOptions
from trainer.flags import declaration
from trainer.generate import GenerateOptions
from trainer.machine.options import MachineOptions
from trainer.options import DataOptions, RunOptions
from trainer.vertex_config import FileOptions, ProjectOptions

GROUPS = (
    HParams, DataOptions, RunOptions, MachineOptions, EvaluateOptions, ExploreOptions, GenerateOptions, ConvertOptions,
    InspectOptions, AuditOptions, ProjectOptions, FileOptions,
)  # fmt: skip
NUMBERS = [
    pytest.param(group, field.name, kind, id=f'{group.__name__}.{field.name}')
    for group in GROUPS
    for field, kind in declaration.typed_fields(group)
    if kind in (int, float)
]


@pytest.mark.parametrize(
    ('kind', 'text', 'expected'),
    [
        (int, '7', 7), (int, '+7', 7), (int, '-0', 0), (int, '7.0', 7), (int, '1e3', 1000), (int, ' 7 ', 7),
        (int, str(2**63), 2**63), (int, str(2**53 + 1), 2**53 + 1), (float, '1', 1.0), (float, '.5', 0.5),
        (float, '1e-4', 1e-4), (float, '2.', 2.0),
    ],
)  # fmt: skip
def test_a_number_is_read_exactly(kind, text, expected):
    found = declaration.parsed(kind, text)
    assert found == expected and type(found) is kind


@pytest.mark.parametrize('kind', [int, float])
@pytest.mark.parametrize('text', ['', 'x', '²', '１', '٣', '1_000', '0x10', '1,5', '1 2', 'nan', 'inf', '-inf', '--1'])
def test_what_is_no_number_is_none(kind, text):
    assert declaration.parsed(kind, text) is None


def test_a_fraction_is_no_whole_number_and_digits_by_the_million_are_none():
    assert declaration.parsed(int, '1.5') is None
    assert declaration.parsed(int, '9' * 5_000_000) is None
    assert declaration.parsed(int, '1e400') is None


def test_zero_has_no_sign():
    for value in (declaration.parsed(float, '-0.0'), HParams(learning_rate=-0.0).learning_rate):
        assert math.copysign(1.0, value) == 1.0


@pytest.mark.parametrize(('group', 'name', 'kind'), NUMBERS)
def test_extremes_of_every_number_are_refused_with_a_rule(group, name, kind):
    """By the flag, before anything uses the value, and by the dataclass, which also checks files and callers."""
    given = [-(2**63), 2**63, 10**30] + ([math.nan, math.inf, -math.inf] if kind is float else [])
    values = flags.FlagValues()
    cli.define_flags(group, values)
    for value in given:
        if kind is float and value in (2**63, 10**30) and declaration.rule_of(field_of(group, name)).upper == 3e38:
            continue  # The weight of a loss may be as large as float32 allows.
        with pytest.raises(flags.IllegalFlagValueError) as raised:
            values(['program', f'--{name}={value}'])
        assert 'must be' in str(raised.value) or 'choose one of' in str(raised.value) or 'expected' in str(raised.value)
        with pytest.raises(errors.UserError, match=f'--{name}='):
            made(group, **{name: value})


@pytest.mark.parametrize(('group', 'name', 'kind'), NUMBERS)
def test_an_upper_bound_has_a_reason(group, name, kind):
    rule = declaration.rule_of(field_of(group, name))
    assert rule.choices or rule.upper is None or rule.why


@pytest.mark.parametrize('value', ['32', 32.5, True, None, b'32'])
def test_a_value_of_another_type_is_refused(value):
    with pytest.raises(errors.UserError, match='--base_filters=.* must be of type int'):
        HParams(base_filters=value)
    if value != 32.5:
        with pytest.raises(errors.UserError, match='--beta1=.* must be of type float'):
            HParams(beta1=value)


def test_a_whole_number_is_a_float_too():
    assert HParams(learning_rate=1) == HParams(learning_rate=1.0)


@pytest.mark.parametrize('group', GROUPS, ids=lambda group: group.__name__)
def test_an_empty_path_is_refused_or_documented(group):
    """`--model_dir=$UNSET` must not mean the folder `/`."""
    for field, _ in declaration.typed_fields(group):
        rule = declaration.rule_of(field)
        if rule.path and not rule.empty:
            values = flags.FlagValues()
            cli.define_flags(group, values)
            values(['program', f'--{field.name}='])
            with pytest.raises(errors.UserError, match=f'--{field.name} is empty: give it a value, or leave it out'):
                cli.from_flags(group, values)
        elif rule.path:
            assert 'mpty' in rule.help or 'left out' in rule.help or not field.default, field.name


def field_of(group: type, name: str) -> dataclasses.Field:
    return group.__dataclass_fields__[name]


def made(group: type, **values):
    needed = {'input_dir': 'in', 'output_dir': 'out', 'data': 'd', 'model_dir': 'm'}
    fields = group.__dataclass_fields__
    return group(**{**{name: value for name, value in needed.items() if name in fields}, **values})
