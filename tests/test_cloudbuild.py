"""cloudbuild.yaml by itself: its schema, what the schema misses, its scripts, and what is sent of the source."""

from __future__ import annotations

import copy
import importlib.util
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.conftest import ROOT
from tests.fakes.cloud.fake_build import BadBuild, plan
from tests.fakes.cloud.gcs import PROJECT

PATH = ROOT / 'cloudbuild.yaml'
BUILD = yaml.safe_load(PATH.read_text())
BUILTINS = {'PROJECT_ID': PROJECT, 'BUILD_ID': 'b-1'}
REGISTRY = f'us-central1-docker.pkg.dev/{PROJECT}/dcgan'
needs_gcloud = pytest.mark.skipif(
    shutil.which('gcloud') is None, reason='gcloud is not installed: it is what submits the builds'
)


def changed(path: str, value) -> dict:
    """The build with one value replaced; `path` is such as 'steps.0.waitFor'."""
    build = copy.deepcopy(BUILD)
    *parents, last = path.split('.')
    node = build
    for key in parents:
        node = node[int(key) if key.isdigit() else key]
    node[last] = value
    return build


def check_schema(path: pathlib.Path) -> subprocess.CompletedProcess:
    command = [sys.executable, '-m', 'check_jsonschema', '--builtin-schema', 'vendor.cloudbuild', str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.mark.skipif(
    importlib.util.find_spec('check_jsonschema') is None,
    reason='check-jsonschema is not installed: it comes with the extra "dev"',
)
def test_the_schema_of_cloud_build_holds(tmp_path):
    ended = check_schema(PATH)
    assert ended.returncode == 0, ended.stdout
    (tmp_path / 'wrong.yaml').write_text(yaml.safe_dump(changed('steps.0.waitsFor', ['check'])))
    assert check_schema(tmp_path / 'wrong.yaml').returncode == 1


def test_the_build_is_one_that_the_service_takes():
    steps = plan(BUILD, BUILTINS)
    assert [step['id'] for step in steps] == [
        'settings',
        'check',
        'package',
        'upload',
        'build',
        'push',
        'configure',
        'submit',
    ]
    text = json.dumps(steps)
    assert f'{REGISTRY}/dcgan' in text
    assert f'gs://{PROJECT}-dcgan/packages/' in text
    assert 'SHA' not in PATH.read_text()  # `gcloud builds submit` leaves those of a commit empty.
    assert BUILD['substitutions']['_SUBMIT'] == 'false'
    assert BUILD['options']['defaultLogsBucketBehavior'] == 'REGIONAL_USER_OWNED_BUCKET'


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        ('steps.2.waitFor', ['chekc'], "waits for 'chekc'"),
        ('steps.7.id', 'push', "two build steps are called 'push'"),
        ('steps.5.args', ['-c', 'docker push $target'], '"target" is no substitution'),
        ('steps.5.args', ['-c', 'docker push ${_TARGET}'], '"_TARGET" is no substitution'),
        ('substitutions._UNUSED', 'x', '"_UNUSED" is not matched'),
        ('timeout', '20min', "timeout '20min'"),
    ],
)
def test_a_mistake_that_the_schema_misses_is_seen(path, value, message):
    with pytest.raises(BadBuild, match=re.escape(message)):
        plan(changed(path, value), BUILTINS)


@pytest.mark.parametrize('step', plan(BUILD, BUILTINS), ids=lambda step: step['id'])
def test_each_script_is_bash(step):
    if step['entrypoint'] != 'bash' or step['args'][0] == '.ci/run':
        assert step['entrypoint'] == 'gcloud' or (ROOT / step['args'][0]).exists()
        return
    ended = subprocess.run(['bash', '-n', '-c', step['args'][-1]], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, '')


@pytest.mark.parametrize(
    ('given', 'message'),
    [
        ({}, ''),
        ({'_SUBMIT': 'true'}, ''),
        ({'_SUBMIT': 'true', '_JOB': 'tpu_v3'}, ''),
        ({'_SUBMIT': 'true', '_JOB': 'gpu_pjrt', '_TARGETS': 'cpu gpu-pjrt'}, ''),
        ({'_SUBMIT': 'true', '_JOB': 'tpu_v5e'}, '_JOB=tpu_v5e needs tpu-pjrt in _TARGETS=cpu tpu'),
        ({'_TARGETS': 'cpu-pjrt'}, "'cpu-pjrt' is none of cpu, gpu, tpu, gpu-pjrt, tpu-pjrt, serve, convert"),
        ({'_TARGETS': 'cpu tpus'}, "'tpus' is none of cpu, gpu, tpu"),
        ({'_TARGETS': 'cpu $(touch run)'}, "'$(touch' is none of cpu, gpu, tpu"),
        ({'_SUBMIT': 'yes'}, '_SUBMIT=yes is neither true nor false'),
        ({'_BUCKET': '"; touch run; "'}, '_BUCKET="; touch run; " is no bucket'),
        ({'_REGION': 'us-central1; touch run'}, '_REGION=us-central1; touch run is no region'),
        ({'_REPO': 'dcgan/`touch run`'}, '_REPO=dcgan/`touch run` is no repository'),
        ({'_SUBMIT': 'true', '_JOB': '../../run'}, '_JOB=../../run is no job'),
        ({'_SUBMIT': 'true', '_JOB': 'nothing'}, 'there is no configs/vertex/nothing.yaml'),
        ({'_SUBMIT': 'true', '_JOB': 'gpu'}, '_JOB=gpu needs gpu in _TARGETS=cpu tpu'),
        ({'_SUBMIT': 'true', '_JOB': 'hptuning'}, '_JOB=hptuning is a tuning job'),
        ({'_SUBMIT': 'true', '_JOB': 'python_package'}, '_JOB=python_package does not use the images'),
    ],
    ids=lambda value: '-'.join(value.values()) if isinstance(value, dict) else '',
)
def test_wrong_settings_end_the_build_at_once(given, message):
    ended = run_script('settings', given, ROOT)
    assert (ended.returncode, message in ended.stderr) == (1 if message else 0, True), ended.stderr
    assert ended.stderr.count('\n') == bool(message)


@pytest.mark.parametrize('step', plan(BUILD, BUILTINS), ids=lambda step: step['id'])
def test_no_substitution_is_pasted_into_a_script(step):
    """It would be run, as Cloud Build fills it in before bash reads the text."""
    (given,) = (one for one in BUILD['steps'] if one['id'] == step['id'])
    if given['entrypoint'] == 'bash':
        pasted = set(re.findall(r'(?<!\$)\$\{?(\w+)', given['args'][-1]))
        assert pasted <= {'BUILD_ID', 'PROJECT_ID'}  # Which Google makes.


def test_what_a_substitution_says_is_never_run(tmp_path):
    (tmp_path / 'gcloud').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'gcloud').chmod(0o755)
    wrong = '$(touch run)"; touch run; `touch run`'
    ended = run_script('submit', {'_SUBMIT': 'true', '_JOB': wrong, '_REGION': wrong}, tmp_path)
    assert f'--region={wrong}\n' in ended.stdout and f'--config=jobs/{wrong}.yaml\n' in ended.stdout
    assert not (tmp_path / 'run').exists()


def test_no_job_is_submitted_unless_asked_for(tmp_path):
    (tmp_path / 'gcloud').write_text('#!/bin/sh\necho called: "$@"\n')
    (tmp_path / 'gcloud').chmod(0o755)
    assert run_script('submit', {}, tmp_path).stdout == '_SUBMIT=false: no job is started\n'
    assert 'called: ai custom-jobs create' in run_script('submit', {'_SUBMIT': 'true'}, tmp_path).stdout


def test_each_target_has_its_recipe(tmp_path):
    (tmp_path / 'docker').write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    (tmp_path / 'docker').chmod(0o755)
    targets = ['cpu', 'gpu', 'tpu', 'gpu-pjrt', 'tpu-pjrt', 'serve', 'convert']
    ended = run_script('build', {'_TARGETS': ' '.join(targets)}, tmp_path)
    recipes = re.findall(r'--file=(\S+)', ended.stdout)
    assert sorted(ROOT / recipe for recipe in recipes) == sorted((ROOT / 'configs' / 'docker').glob('*.Dockerfile'))
    assert re.findall(r'--tag=\S+/dcgan-(\S+):latest', ended.stdout) == targets


def run_script(step_id: str, given: dict[str, str], folder: pathlib.Path) -> subprocess.CompletedProcess:
    """Runs one step with other substitutions, in `folder`, which comes first on PATH too."""
    steps = plan({**BUILD, 'substitutions': {**BUILD['substitutions'], **given}}, BUILTINS)
    (step,) = (step for step in steps if step['id'] == step_id)
    environment = {**os.environ, 'PATH': f'{folder}:{os.environ["PATH"]}'}
    environment.update(pair.split('=', 1) for pair in step.get('env', []))
    command = [step['entrypoint'], *step['args']]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60)


@needs_gcloud
def test_what_is_sent_has_all_that_a_build_needs_and_no_more(tmp_path):
    shutil.copy(ROOT / '.gcloudignore', tmp_path)
    shutil.copy(ROOT / '.gitignore', tmp_path)
    needed = {'.ci/run', '.dockerignore', '.gcloudignore', '.gitignore', 'cloudbuild.yaml', 'configs/vertex/gpu.yaml'}
    needed |= {'setup.py', 'trainer/task.py', 'convert/samples/flags/nz.png', 'tests/conftest.py', 'docs/demo.png'}
    refused = {'.git/HEAD', '.venv/bin/python', 'runs/demo/model.ckpt', 'data/x.png', 'dist/x.whl', 'build/x.py'}
    refused |= {'trainer/__pycache__/task.pyc', '.mypy_cache/x', '.pytest_cache/x', '.ruff_cache/x', 'a/b.tfrecord'}
    refused |= {'.venv-tpu/x', 'generated/x.png', 'tpu_dcgan.egg-info/PKG-INFO'}
    for name in needed | refused:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    environment = {**os.environ, 'CLOUDSDK_CONFIG': str(tmp_path.parent / 'gcloud')}
    command = ['gcloud', 'meta', 'list-files-for-upload', str(tmp_path)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert set(ended.stdout.split()) == needed
