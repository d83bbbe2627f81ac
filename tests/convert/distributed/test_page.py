"""docs/dataflow.md says what the programs do; needs no Beam and no project."""

from __future__ import annotations

import re
import shlex
import string

from absl import flags

from convert.options import DATAFLOW, DIRECT, ConvertOptions, RunnerOptions
from tests.conftest import ROOT
from trainer import cli
from trainer.storage import refusals

PAGE = (ROOT / 'docs' / 'dataflow.md').read_text()
VARIABLES = {'PROJECT': 'my-project', 'REGION': 'us-central1', 'BUCKET': 'my-bucket', 'IMAGE': 'registry/dcgan'}


def commands() -> list[list[str]]:
    blocks = re.findall(r'```sh\n(.*?)```', PAGE, re.DOTALL)
    lines = [line for block in blocks for line in block.replace('\\\n', ' ').splitlines()]
    known = {**VARIABLES, 'WORKER': 'worker@example.com'}
    return [shlex.split(string.Template(line).substitute(known), comments=True) for line in lines]


def test_the_converter_takes_its_commands():
    found = []
    for _, _, module, *words in (words for words in commands() if words[:2] == ['python', '-m']):
        assert module == 'convert.images_to_tfrecords'
        values = flags.FlagValues()
        for group in (ConvertOptions, RunnerOptions):
            cli.define_flags(group, values)
        assert values([module, *words]) == [module]
        cli.from_flags(ConvertOptions, values)
        found.append(cli.from_flags(RunnerOptions, values))
    assert [options.runner for options in found] == [DIRECT, DATAFLOW]
    assert f'--project={VARIABLES["PROJECT"]}' in shlex.split(found[1].beam_flags)


def test_the_recipe_the_roles_and_the_versions_are_those_of_the_code():
    assert (ROOT / 'configs' / 'docker' / 'convert.Dockerfile').exists()
    assert {refusals.VIEWER, refusals.ADMIN} <= set(re.findall(r'`(roles/[\w.]+)`', PAGE))
    extra = re.search(r"'beam': \[(.*?)\]", (ROOT / 'setup.py').read_text(), re.DOTALL)
    assert extra
    for version in re.findall(r'apache-beam>=([\d.]+)', extra[1]):
        assert version in PAGE


def test_the_rooms_that_do_not_run_beam_do_not_import_it():
    for path in (ROOT / 'convert').rglob('*.py'):
        if path.parent.name != 'distributed':
            assert 'apache_beam' not in path.read_text(), path
