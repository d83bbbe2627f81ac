"""The jobs of configs/vertex: each passes when filled; with one mistake, each is refused with the line."""

from __future__ import annotations

import dataclasses
import pathlib
import re
import shlex
import shutil

import pytest

from tests.conftest import ROOT
from tests.processes import run_module
from trainer import errors, task, vertex_config
from trainer.vertex import schema, task_flags
from trainer.vertex_config import FileOptions, ProjectOptions

SOURCES = sorted(
    path for path in (ROOT / 'configs' / 'vertex').glob('*.yaml') if path.name not in vertex_config.NOT_JOBS
)
PROJECT = ProjectOptions(
    project='my-project',
    bucket='my-bucket',
    region='us-central1',
    image='us-central1-docker.pkg.dev/my-project/dcgan/dcgan',
    tensorboard='projects/123456/locations/us-central1/tensorboards/789',
)
# gcloud contains the API's own definition of these messages.
GCLOUD = pytest.mark.skipif(
    shutil.which('gcloud') is None, reason='gcloud is not installed: it has the definition of the API to compare with'
)
GCLOUD_MESSAGES = 'googlecloudsdk/generated_clients/apis/aiplatform/v1/aiplatform_v1_messages.py'


def filled(name: str) -> str:
    return vertex_config.fill((ROOT / 'configs' / 'vertex' / f'{name}.yaml').read_text(), PROJECT, f'jobs/{name}.yaml')


def test_there_is_a_job_for_each_machine():
    assert [path.stem for path in SOURCES] == [
        'cpu_smoke', 'gpu', 'gpu_pjrt', 'hptuning', 'python_package', 'tpu_v2', 'tpu_v3', 'tpu_v3_spot', 'tpu_v5e',
        'tpu_v6e',
    ]  # fmt: skip


@pytest.mark.parametrize('tensorboard', ['', PROJECT.tensorboard])
def test_every_job_passes_once_it_is_filled(tensorboard, tmp_path):
    project = dataclasses.replace(PROJECT, tensorboard=tensorboard)
    files = FileOptions(output_dir=str(tmp_path / 'jobs'), source_dir=str(ROOT / 'configs' / 'vertex'))
    written = vertex_config.fill_all(project, files)
    assert [pathlib.Path(path).name for path in written] == [path.name for path in SOURCES]
    for path in written:
        text = pathlib.Path(path).read_text()
        assert '${' not in text
        assert bool(re.search(r'^ *tensorboard: ', text, re.MULTILINE)) == bool(tensorboard)
        source = SOURCES[0].with_name(pathlib.Path(path).name)
        assert text.count('\n') == source.read_text().count('\n')


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: path.stem)
def test_the_head_of_a_job_says_what_one_must_know(path):
    text = filled(path.stem)
    head = text.split('\n\n')[0]
    for label in ('Quota', 'Regions', 'Time', 'Price'):
        assert f'# {label}:' in head
    assert 'aiplatform.googleapis.com/custom_model_training_' in head
    assert 'https://cloud.google.com/vertex-ai/pricing' in head
    commands = re.sub(r'\\\n#', '', head).splitlines()
    (submit,) = (shlex.split(line.lstrip('# ')) for line in commands if 'gcloud ai' in line)
    assert submit[2] == ('hp-tuning-jobs' if path.stem == 'hptuning' else 'custom-jobs')
    assert {'--region=us-central1', f'--config=jobs/{path.name}'} <= set(submit)
    assert any('python -m trainer.vertex_config --project=my-project' in line for line in commands)


def test_the_arguments_are_those_of_trainer_task():
    assert task_flags.GROUPS == task._GROUPS


def test_the_smoke_job_ends_soon_and_the_spot_job_comes_back():
    assert 'disableRetries: true' in filled('cpu_smoke')
    assert 'strategy: SPOT' in filled('tpu_v3_spot')
    assert 'restartJobOnWorkerRestart: true' in filled('tpu_v3_spot')


@pytest.mark.parametrize(
    ('changed', 'words'),
    [
        ({'project': ''}, '--project is missing: a project id'),
        ({'project': 'My Project'}, '--project=My Project is not a project id'),
        ({'bucket': 'gs://my-bucket'}, 'a bucket name without gs://'),
        ({'region': 'us-central1-a'}, 'a zone has a letter more'),
        ({'image': 'us-docker.pkg.dev/p/dcgan/dcgan:v1'}, 'without tag'),
        ({'image': 'us-docker.pkg.dev/p/dcgan/dcgan-tpu'}, 'without -cpu, -gpu or -tpu'),
        ({'image': 'us-docker.pkg.dev/p/dcgan/dcgan-tpu-pjrt'}, 'without -cpu, -gpu or -tpu'),
        ({'tag': 'a b'}, 'an image tag'),
        ({'name': 'My_Run'}, 'a short name'),
        ({'data': 'data/photos64'}, 'must be gs://BUCKET/FOLDER'),
        ({'data': 'gs://b/data # all'}, 'without blanks'),
        ({'service_account': 'me@gmail.com'}, 'is not a service account'),
    ],
)
def test_a_wrong_option_fills_nothing(changed, words, tmp_path):
    files = FileOptions(output_dir=str(tmp_path / 'jobs'), source_dir=str(ROOT / 'configs' / 'vertex'))
    with pytest.raises(errors.UserError, match=re.escape(words)):
        vertex_config.fill_all(dataclasses.replace(PROJECT, **changed), files)
    assert not (tmp_path / 'jobs').exists()


def test_one_wrong_job_fills_none_and_some_can_be_chosen(tmp_path):
    sources = tmp_path / 'sources'
    shutil.copytree(ROOT / 'configs' / 'vertex', sources)
    wrong = sources / 'tpu_v3.yaml'
    wrong.write_text(wrong.read_text().replace('acceleratorCount', 'acceleratorCounts'))
    files = FileOptions(output_dir=str(tmp_path / 'jobs'), source_dir=str(sources))
    with pytest.raises(errors.UserError, match=r'sources/tpu_v3\.yaml:\d+: .* did you mean acceleratorCount\?'):
        vertex_config.fill_all(PROJECT, files)
    assert not (tmp_path / 'jobs').exists()
    written = vertex_config.fill_all(PROJECT, dataclasses.replace(files, only='gpu,cpu_smoke'))
    assert sorted(path.name for path in (tmp_path / 'jobs').glob('*.yaml')) == ['cpu_smoke.yaml', 'gpu.yaml']
    assert written == [str(tmp_path / 'jobs' / 'gpu.yaml'), str(tmp_path / 'jobs' / 'cpu_smoke.yaml')]
    with pytest.raises(errors.UserError, match="'gpus' is not one of cpu_smoke, gpu"):
        vertex_config.fill_all(PROJECT, dataclasses.replace(files, only='gpus'))


def test_it_is_a_command(tmp_path):
    flags = [f'--{name}={getattr(PROJECT, name)}' for name in ('project', 'bucket', 'region', 'image')]
    flags += ['--output_dir=jobs', f'--source_dir={SOURCES[0].parent}']
    made = run_module('trainer.vertex_config', *flags, cwd=tmp_path)
    assert made.returncode == 0, made.stderr
    assert len(list((tmp_path / 'jobs').glob('*.yaml'))) == len(SOURCES)
    edited = tmp_path / 'jobs' / 'gpu.yaml'
    edited.write_text(edited.read_text().replace('replicaCount', 'replica_count'))
    line = next(i for i, line in enumerate(edited.read_text().splitlines(), 1) if 'replica_count' in line)
    refused = run_module('trainer.vertex_config', '--check=jobs', cwd=tmp_path)
    assert refused.returncode == 1
    error = refused.stderr.splitlines()[-1]
    assert error.startswith(f'error: jobs/gpu.yaml:{line}: workerPoolSpecs[0].replica_count: ')
    assert 'jobs/cpu_smoke.yaml: nothing wrong' in refused.stderr
    assert 'Traceback' not in refused.stderr


def test_check_and_fill_are_two_things():
    for wrong in ({}, {'check': 'a', 'output_dir': 'b'}, {'output_dir': 'configs/vertex/'}):
        with pytest.raises(errors.UserError):
            FileOptions(**wrong)
    with pytest.raises(errors.UserError, match=r'nowhere\.yaml cannot be read'):
        vertex_config._read('nowhere.yaml')


def api_messages() -> dict[str, str]:
    """The text of each message's class in gcloud's definition of the API, by name."""
    library = pathlib.Path(shutil.which('gcloud')).resolve().parent.parent / 'lib'
    source = (library / GCLOUD_MESSAGES).read_text()
    pattern = r'^class GoogleCloudAiplatformV1(\w+)\(_messages\.Message\):\n(.*?)(?=^class |\Z)'
    return dict(re.findall(pattern, source, re.DOTALL | re.MULTILINE))


def fields_of(body: str) -> dict[str, str]:
    """The fields of a message's class, in the form of schema.MESSAGES."""
    kinds = {'String': 'string', 'Integer': 'int', 'Float': 'double', 'Boolean': 'bool'}
    required = re.findall(r'^    (\w+): (?:Immutable\. )?Required\.', body, re.MULTILINE)
    fields = {}
    field = r"^  (\w+) = _messages\.(\w+)Field\((?:'([\w.]+)', )?(.*)\)"
    for name, kind, message, rest in re.findall(field, body, re.MULTILINE):
        word = re.sub('^GoogleCloudAiplatformV1|ValueValuesEnum$', '', message) or kinds[kind]
        fields[name] = (f'[{word}]' if 'repeated=True' in rest else word) + '!' * (name in required)
    return fields


@GCLOUD
def test_the_tables_of_keys_are_those_of_the_api():
    messages = api_messages()
    tables = dict(schema.MESSAGES)
    tuning = fields_of(messages[schema.TUNING_JOB])  # gcloud sets the other fields, or takes them from flags.
    for name, kind in tables.pop(schema.TUNING_JOB).items():
        assert tuning[name].rstrip('!') == kind.rstrip('!')
    assert len(tables) > 20
    assert tables == {name: fields_of(messages[name]) for name in tables}


@GCLOUD
def test_the_tables_of_values_are_those_of_the_api():
    text = ''.join(api_messages()[message] for message in schema.MESSAGES)
    for name, choices in schema.ENUMS.items():
        (body,) = re.findall(rf'^  class {name}ValueValuesEnum\(_messages\.Enum\):\n(.*?)(?=^  \w)', text, re.S | re.M)
        assert tuple(re.findall(r'^    (\w+) = \d+$', body, re.MULTILINE)) == choices
