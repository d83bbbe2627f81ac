"""Files that people edit, copy and truncate are used only if every key, type and number is valid."""

from __future__ import annotations

import dataclasses

import pytest

from trainer import errors
from trainer.filesystem import state_file
from trainer.model_dir import hparams_file
from trainer.model_dir.run_data import RunData
from trainer.monitoring.best import Best


@dataclasses.dataclass(frozen=True)
class Part:
    name: str
    count: int


@dataclasses.dataclass(frozen=True)
class Whole:
    size: int
    parts: tuple[Part, ...] = ()
    rate: float = 0.5


def test_what_fits_is_read():
    found = state_file.parse('{"size": 3, "parts": [{"name": "a", "count": 1}], "rate": 2}', Whole)
    assert found == Whole(3, (Part('a', 1),), 2.0)
    assert state_file.parse('{}', Whole, before={'size': 7}) == Whole(7)


@pytest.mark.parametrize(
    ('text', 'problem'),
    [
        ('', 'truncated'),
        ('null', 'it does not hold a JSON object'),
        ('[]', 'it does not hold a JSON object'),
        ('{"size": "3"}', r'Expected `int`, got `str` - at `\$.size`'),
        ('{"size": 3.5}', 'Expected `int`, got `float`'),
        ('{"size": true}', 'Expected `int`, got `bool`'),
        ('{"size": 3, "rate": NaN}', 'malformed'),
        ('{"size": 3, "rate": 1e999}', 'out of range'),
        ('{"size": 3, "more": 1}', "the key 'more' is unknown"),
        ('{"rate": 1}', 'missing required field `size`'),
        ('{"size": 3, "parts": [{"name": "a"}]}', 'missing required field `count`'),
        ('{"size": 3, "parts": [{"name": "\\udcff", "count": 1}]}', 'surrogate'),
        ('{"size":' * 100_000, 'nested too deep'),
    ],
)
def test_what_does_not_fit_is_named(text, problem):
    with pytest.raises(ValueError, match=problem):
        state_file.parse(text, Whole)


def test_a_file_is_absent_whole_or_refused_in_one_line(tmp_path):
    path = tmp_path / 'file.json'
    assert state_file.read(str(path), Whole, fix='remove it') is None
    path.write_text('{"size": 3}')
    assert state_file.read(str(path), Whole, fix='remove it') == Whole(3)
    for content in (b'\xff', b'{"size":\n"x"}'):
        path.write_bytes(content)
        with pytest.raises(errors.DataError, match=rf'^{path} cannot be read \(.*\): remove it$'):
            state_file.read(str(path), Whole, fix='remove it', error=errors.DataError)


@pytest.mark.parametrize(
    ('kind', 'text'),
    [
        (Best, '{"step": -1, "kid": 1.0, "extractor": "pixels"}'),
        (Best, '{"step": 1, "kid": "low", "extractor": "pixels"}'),
        (RunData, '{"train_data": ["a"]}'),
        (RunData, '{"images": 3}'),
    ],
)
def test_our_own_kinds_check_themselves(kind, text):
    with pytest.raises(ValueError):
        state_file.parse(text, kind)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ('"image_size": 48', 'choose one of 32, 64, 128'),
        ('"image_size": 0', 'has no image_size or channels'),
        ('"base_filters": -4', 'it must be at least 1'),
        ('"base_filters": 1000000000', 'it must be at most 512'),
        ('"noise_dim": "100"', 'Expected `int`, got `str`'),
        ('"seed": 99999999999999999999', 'it must be at most'),
        ('"loss": "l1"', 'choose one of'),
        ('"learning_rate": -0.5', 'at least 0'),
    ],
)
def test_hyper_parameters_of_a_file_follow_the_rules_of_the_flags(tmp_path, changes, message):
    (tmp_path / 'hparams.json').write_text(f'{{"image_size": 32, "channels": 3, {changes}}}')
    with pytest.raises(errors.UserError, match=f'hparams.json .*{message}'):
        hparams_file.read(str(tmp_path))
