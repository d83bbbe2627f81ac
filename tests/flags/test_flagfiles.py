"""Recipes in the encodings that editors save."""

from __future__ import annotations

import codecs

import pytest
from absl import flags

from trainer import cli, errors
from trainer.dcgan.hparams import HParams
from trainer.flags import flagfiles

LINES = '# a comment\r\n\r\n  --image_size=64  \r\n--model_dir=runs/Ünï\r\n// another\r\n--seed=1\r\n'
FLAGS = ['--image_size=64', '--model_dir=runs/Ünï', '--seed=1']


@pytest.mark.parametrize(
    'data',
    [
        LINES.encode(), LINES.replace('\r\n', '\n').encode(), codecs.BOM_UTF8 + LINES.encode(), LINES.encode('utf-16'),
        codecs.BOM_UTF16_BE + LINES.encode('utf-16-be'), LINES.rstrip().encode(),
    ],
    ids=['crlf', 'lf', 'utf-8 with a mark', 'utf-16', 'utf-16 of the other order', 'no end of line'],
)  # fmt: skip
@pytest.mark.parametrize('words', [['--flagfile={}'], ['--flagfile', '{}'], ['-flagfile={}']])
def test_what_an_editor_saves_is_read(data, words, tmp_path):
    (tmp_path / 'recipe.cfg').write_bytes(data)
    given = [word.format(tmp_path / 'recipe.cfg') for word in words]
    assert flagfiles.expanded(['task', '--seed=0', *given, '--seed=2']) == ['task', '--seed=0', *FLAGS, '--seed=2']


def test_a_recipe_may_name_another_and_home(tmp_path, monkeypatch):
    monkeypatch.setenv('HOME', str(tmp_path))
    (tmp_path / 'outer.cfg').write_text('--a\n--flagfile=~/inner.cfg\n--c\n')
    (tmp_path / 'inner.cfg').write_text('--b')
    assert flagfiles.expanded(['task', '--flagfile=~/outer.cfg']) == ['task', '--a', '--b', '--c']


def test_after_two_dashes_nothing_is_a_flag(tmp_path):
    assert flagfiles.expanded(['task', '--', '--flagfile=x']) == ['task', '--', '--flagfile=x']


@pytest.mark.parametrize(
    'word', ['x' * 5000, '--' + 'x' * 5000, '-' * 5000, '--no' + 'x' * 200 + '=1'], ids=['word', 'flag', 'dashes', 'no']
)
def test_a_name_of_any_length_is_only_unknown(word):
    """absl would search for a similar name by recursion."""
    values = flags.FlagValues()
    cli.define_flags(HParams, values)
    if word.startswith('x'):
        assert cli.parse_words(['task', word], values) == [word]
        return
    with pytest.raises(errors.UserError, match='unknown flag|[Uu]nknown command line flag'):
        cli.parse_words(['task', word], values)


def test_a_switch_that_is_off_takes_no_value():
    values = flags.FlagValues()
    cli.define_flags(HParams, values)
    with pytest.raises(errors.UserError, match='--noflip=1 does not take an argument'):
        cli.parse_words(['task', '--noflip=1'], values)


def test_what_is_no_recipe_is_named(tmp_path):
    (tmp_path / 'loop.cfg').write_text(f'--flagfile={tmp_path}/loop.cfg')
    (tmp_path / 'picture.png').write_bytes(b'\x89PNG\r\n\x1a\n\xff')
    (tmp_path / 'long.cfg').write_text('--x\n' * 20_000)
    for path, message in (
        ('loop.cfg', 'included too deep: a recipe must not include itself'), ('picture.png', 'is not UTF-8 text'),
        ('none.cfg', 'cannot be read .No such file or directory.'), ('.', 'cannot be read .Is a directory.'),
        ('long.cfg', 'more than 10,000 flags'),
    ):  # fmt: skip
        with pytest.raises(errors.UserError, match=message):
            flagfiles.expanded(['task', f'--flagfile={tmp_path}/{path}'])
    for words in (['--flagfile='], ['--flagfile']):
        with pytest.raises(errors.UserError, match='--flagfile is empty'):
            flagfiles.expanded(['task', *words])


@pytest.mark.parametrize(
    'recipe, given, expected',
    [
        ('--train_kimg=512', '--train_steps=100', (100, 0.0)),
        ('--train_steps=64000', '--train_kimg=1.6', (100, 1.6)),
        ('--train_kimg=512', '--train_kimg=1.6', (100, 1.6)),
        ('--train_kimg=1.6', '--train_steps=0', (100, 1.6)),
        ('--train_steps=100', '--train_kimg=0', (100, 0.0)),
    ],
)
def test_a_length_takes_the_place_of_the_recipes_in_whatever_it_is_said(recipe, given, expected, tmp_path):
    (tmp_path / 'recipe.cfg').write_text(recipe)
    for expand in (flagfiles.expanded, list):  # absl also reads a recipe, if a job names one.
        values = flags.FlagValues()
        cli.define_flags(HParams, values)
        cli.parse_words(expand(['task', f'--flagfile={tmp_path}/recipe.cfg', given]), values)
        hparams = cli.from_flags(HParams, values)
        assert (hparams.train_steps, hparams.train_kimg) == expected
