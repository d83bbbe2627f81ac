"""docs/cloud.md: its commands are such as the real programs take, and its facts are those of the code."""

from __future__ import annotations

import dataclasses
import json
import os
import pathlib
import re
import shlex
import shutil
import string
import subprocess

import pytest
import yaml
from absl import flags

from convert.options import ConvertOptions
from tests.conftest import ROOT
from trainer import cli, vertex_config
from trainer.filesystem import remote_lock
from trainer.generate import GenerateOptions
from trainer.storage import refusals
from trainer.vertex import task_flags
from trainer.vertex_config import FileOptions, ProjectOptions

PAGE = (ROOT / 'docs' / 'cloud.md').read_text()
JOBS = {
    path.stem: path.read_text()
    for path in (ROOT / 'configs' / 'vertex').glob('*.yaml')
    if path.name not in vertex_config.NOT_JOBS
}
GROUPS = {
    'trainer.task': task_flags.GROUPS,
    'trainer.vertex_config': (ProjectOptions, FileOptions),
    'trainer.generate': (GenerateOptions,),
    'convert.images_to_tfrecords': (ConvertOptions,),
}
# What the services would answer where the page keeps the output of a command in a variable.
ANSWERS = {
    'JOB': 'projects/123456/locations/us-central1/customJobs/789',
    'TENSORBOARD': 'projects/123456/locations/us-central1/tensorboards/789',
}


def read_commands(page: str, **variables: str) -> tuple[list[str], dict[str, str]]:
    """The commands of a page in their order, with `variables` and its own ones filled in, and all of these."""
    commands: list[str] = []
    for block in re.findall(r'```sh\n(.*?)```', page, re.DOTALL):
        for line in block.replace('\\\n', ' ').splitlines():
            line = re.sub(r'\s+#.*', '', line)
            assigned = re.fullmatch(r'(?:export )?([A-Z]+)=(.*)', line)
            asked = re.fullmatch(r'\$\((.*)\)', assigned[2]) if assigned else None
            if not assigned or asked:  # A variable that the page has not set by then is a KeyError.
                commands += string.Template(asked[1] if asked else line).substitute(variables).split(' && ')
            if assigned:
                name, value = assigned.groups()
                variables[name] = ANSWERS[name] if asked else string.Template(value).substitute(variables)
    return commands, variables


COMMANDS, VARIABLES = read_commands(PAGE)
OF_DATAFLOW, _ = read_commands((ROOT / 'docs' / 'dataflow.md').read_text(), **VARIABLES)


def words_of(prefix: str) -> list[list[str]]:
    return [shlex.split(command) for command in COMMANDS if command.startswith(prefix)]


def table(first_column: str) -> list[list[str]]:
    """The rows of the table whose head begins so."""
    rows = re.search(rf'^\| {first_column} \|.*\n\|[-|]+\n((?:\|.*\n)+)', PAGE, re.MULTILINE)[1]
    return [[cell.strip() for cell in row.strip('|').split('|')] for row in rows.splitlines()]


def parse(module: str, arguments: list[str]) -> list:
    """The options that the arguments of `python -m module` come to."""
    values = flags.FlagValues()
    for group in GROUPS[module]:
        cli.define_flags(group, values)
    assert values([module, *arguments]) == [module]
    return [cli.from_flags(group, values) for group in GROUPS[module]]


def test_every_kind_of_command_is_covered():
    assert {command.split()[0] for command in COMMANDS} == {'gcloud', 'python', 'make', 'source', 'sed', 'tensorboard'}
    for _, target in words_of('make'):
        subprocess.run(['make', '--dry-run', target], cwd=ROOT, check=True, capture_output=True)
    assert words_of('tensorboard') == [['tensorboard', f'--logdir=gs://{VARIABLES["BUCKET"]}/runs/dcgan-tpu/logs']]


@pytest.mark.skipif(shutil.which('gcloud') is None, reason='gcloud is not installed: it is what parses its commands')
def test_gcloud_takes_its_commands(tmp_path):
    """Its own linter parses them, without network, and says nothing of values that only the services know."""
    wrong = {
        'gcloud ai custom-jobs start --region=us-central1': 'Invalid choice',
        'gcloud ai custom-jobs create --region=us-central1 --config=a': 'Must be specified',
        'gcloud ai custom-jobs create --region=us-central1 --displayname=a --config=a': 'unrecognized arguments',
    }
    inline = re.findall(r'`(gcloud [^`]*\$[^`]*)`', PAGE)
    right = [string.Template(command).substitute(VARIABLES) for command in inline]
    right += [command for command in COMMANDS + OF_DATAFLOW if command.startswith('gcloud ')]
    assert len(right) > 30
    listed = tmp_path / 'commands.json'
    listed.write_text(json.dumps([{'command_string': command} for command in [*right, *wrong]]))
    settings = {'CONFIG': tmp_path, 'CORE_DISABLE_USAGE_REPORTING': 'true', 'CORE_DISABLE_PROMPTS': '1'}
    environment = {**os.environ, **{f'CLOUDSDK_{name}': str(value) for name, value in settings.items()}}
    ended = subprocess.run(
        ['gcloud', 'meta', 'lint-gcloud-commands', f'--commands-file={listed}'],
        env=environment, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    if 'Invalid choice' in ended.stderr:
        pytest.skip('this gcloud is too old: it has no linter')
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert len(found) == len({*right, *wrong})
    complaints = {result['command_string']: result['error_message'] for result in found if not result['success']}
    assert set(complaints) == set(wrong), complaints
    for command, reason in wrong.items():
        assert reason in complaints[command]


def test_our_programs_take_their_commands():
    commands = words_of('python -m ')
    assert {command[2] for command in commands} == set(GROUPS)
    for _, _, module, *arguments in commands:
        assert all(getattr(options, 'seed_list', True) for options in parse(module, arguments))


def test_flags_in_the_text_exist():
    known = {field.name for groups in GROUPS.values() for group in groups for field in dataclasses.fields(group)}
    mentioned = set(re.findall(r'--(\w*_\w+)', PAGE))
    assert {'stall_timeout_s', 'hptuning_metric'} <= mentioned <= known
    substitutions = yaml.safe_load((ROOT / 'cloudbuild.yaml').read_text())['substitutions']
    used = set(re.findall(r'\b(_[A-Z]+)\b', PAGE))
    assert {'_BUCKET', '_TARGETS', '_SUBMIT'} <= used <= set(substitutions)
    assert f'/{substitutions["_REPO"]}/' in VARIABLES['IMAGE']


def test_jobs_are_filled_before_they_are_submitted(tmp_path, monkeypatch):
    """Those commands run, in their order."""
    monkeypatch.chdir(tmp_path)
    submitted = {}
    for command in COMMANDS:
        words = shlex.split(command)
        if words[0] == 'sed':
            subprocess.run(command, shell=True, check=True)
        elif words[:3] == ['python', '-m', 'trainer.vertex_config']:
            fill_or_check(*parse(words[2], words[3:]))
        elif re.match(r'gcloud ai [\w-]+-jobs create ', command):
            (path,) = (tmp_path / word.partition('=')[2] for word in words if word.startswith('--config='))
            submitted[path.stem] = path.read_text()
            assert ('studySpec' in submitted[path.stem]) == (words[2] == 'hp-tuning-jobs')
    assert set(submitted) == {'cpu_smoke', 'gpu_after_tpu', 'hptuning'}
    assert all(f'serviceAccount: {VARIABLES["TRAINER"]}' in text for text in submitted.values())
    assert f'tensorboard: {ANSWERS["TENSORBOARD"]}' in submitted['hptuning']
    later = yaml.safe_load(submitted['gpu_after_tpu'])
    first = yaml.safe_load(pathlib.Path('jobs/tpu_v3.yaml').read_text())
    assert later['baseOutputDirectory'] == first['baseOutputDirectory']
    assert architecture_of(later) == architecture_of(first)


def fill_or_check(project: ProjectOptions, files: FileOptions) -> None:
    if not files.check:
        vertex_config.fill_all(project, dataclasses.replace(files, source_dir=str(ROOT / 'configs' / 'vertex')))
        return
    named = pathlib.Path(files.check)
    for path in [named] if named.is_file() else sorted(named.glob('*.yaml')):
        vertex_config.check_job(str(path), path.read_text())


def architecture_of(job: dict) -> tuple:
    """What must stay the same for another machine to go on."""
    hparams = parse('trainer.task', job['workerPoolSpecs'][0]['containerSpec']['args'])[0]
    return hparams.image_size, hparams.channels, hparams.base_filters, hparams.noise_dim


def test_every_job_is_there_with_its_quota_and_its_folder():
    rows = {name: row for row in table('job') for name in re.findall(r'`(\w+)`', row[0])}
    assert set(rows) == set(JOBS)
    for name, (_, _, quota, folder) in rows.items():
        head, _, body = JOBS[name].partition('\n\n')
        for metric, amount in re.findall(r'`(\w+)`: (\d+)', quota):
            assert re.search(rf'custom_model_training_{metric}, {amount}\b', head), (name, metric)
        prefix = re.search(r'outputUriPrefix: gs://\$\{BUCKET\}/(\S+)', body)[1]
        assert folder == f'`{prefix.replace("${NAME}", "dcgan")}`'
    (submitted,) = re.findall(r'^NAME=(.*)', PAGE, re.MULTILINE)
    assert set(re.findall(r'\w+', submitted)) - {'then', 'or'} == set(JOBS) - {'hptuning'}


def test_files_that_the_page_names_exist():
    paths = set(re.findall(r'`((?:configs|tests|trainer|docs)/[\w./*-]+)`', PAGE))
    assert len(paths) >= 3
    for path in paths:
        assert list(ROOT.glob(path)), path
    for name in re.findall(r'`(\w+)\.yaml`', PAGE):
        assert name in JOBS


def test_the_roles_are_those_that_the_code_asks_for():
    rows = table('who')
    explained = {role for row in rows for role in re.findall(r'`(roles/[\w.]+)`', row[1])}
    assert len(rows) == 9
    assert {refusals.VIEWER, refusals.ADMIN} <= explained
    for path in ('cloudbuild.yaml', 'trainer/run/preflight.py'):
        asked = set(re.findall(r'roles/[\w.]+\w', (ROOT / path).read_text()))
        assert asked and asked <= explained, path
    granted = [words for words in words_of('gcloud ') if 'add-iam-policy-binding' in words]
    assert len(granted) == 5
    for words in granted:
        given = dict(word[2:].split('=', 1) for word in words if word.startswith('--'))
        assert given['member'].split(':') in (['serviceAccount', VARIABLES[name]] for name in ('TRAINER', 'BUILDER'))
        assert given['role'] in explained
        # A role for buckets is given on a bucket, where it opens no other.
        assert ('storage' in words) == given['role'].startswith('roles/storage.')
    created = {words[4] for words in words_of('gcloud iam service-accounts create')}
    assert created == {VARIABLES[name].split('@')[0] for name in ('TRAINER', 'BUILDER')}


def test_the_wait_for_a_job_that_is_gone_is_that_of_the_code():
    assert 'waits a minute' in PAGE and remote_lock.HEARTBEAT_S * remote_lock._BEATS_MISSED == 60


def test_each_of_the_ten_failures_has_its_threads():
    rows = table('what you see')
    assert len(rows) == 10
    for seen, means, do in rows:
        assert means and do
        links = re.findall(r'\[([\w-]+)#(\d+)\]\(https://github\.com/[\w-]+/([\w-]+)/issues/(\d+)\)', seen)
        assert links, seen
        assert all((shown, number) == (name, issue) for shown, number, name, issue in links)
