"""Whole builds, which the real gcloud submits to a fake Cloud Build.

In them bash, python, `gcloud storage` and the packaging are real. Three programs are not: `make` runs one quick test
file on the source as it arrived, and docker and `gcloud ai` only take notes. All steps share this test's environment.
"""

from __future__ import annotations

import io
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tarfile
import zipfile

import pytest
import yaml

from tests import source_tree
from tests.conftest import ROOT
from tests.fakes.cloud.fake_build import FakeBuild
from tests.fakes.cloud.gcs import PROJECT

pytestmark = pytest.mark.skipif(
    shutil.which('gcloud') is None, reason='gcloud is not installed: it is what submits the builds'
)
REGISTRY = f'us-central1-docker.pkg.dev/{PROJECT}/dcgan'

NOTE = """#!{python}
import json, pathlib, sys
with open('{notes}', 'a') as notes:
    notes.write(json.dumps([pathlib.Path(sys.argv[0]).name, *sys.argv[1:]]) + '\\n')
"""
# No image is in the registry yet; a build needs its recipe and the folder's files.
DOCKER = """
if sys.argv[1] == 'pull':
    sys.exit('manifest unknown')
if sys.argv[1] == 'build':
    recipe = next(word for word in sys.argv if word.startswith('--file=')).split('=')[1]
    assert pathlib.Path(recipe).is_file() and pathlib.Path(sys.argv[-1], 'setup.py').is_file()
"""
MAKE = """
import os
program = pathlib.Path('.venv/bin/python')
program.parent.mkdir(parents=True)
program.write_text('#!/bin/sh\\nexec {python} "$@"\\n')
program.chmod(0o755)
os.execv(program, [program, '-m', 'pytest', '-p', 'no:cacheprovider', 'tests/dcgan/test_hparams.py'])
"""
GCLOUD = """
import os
if sys.argv[1] != 'ai':
    os.execv('{gcloud}', ['gcloud', *sys.argv[1:]])
"""


def program(path: pathlib.Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def cloud(gcs_server, tmp_path):
    """A Cloud Build whose images are folders of stand-ins that note how they were called, and its notes."""
    notes = tmp_path / 'notes'
    notes.touch()
    values = {'python': sys.executable, 'notes': notes, 'gcloud': shutil.which('gcloud')}
    folders = {'python:3.10': 'python', 'gcr.io/cloud-builders/docker': 'docker'}
    folders['gcr.io/google.com/cloudsdktool/google-cloud-cli:slim'] = 'gcloud'
    for name, rest in (('python/make', MAKE), ('docker/docker', DOCKER), ('gcloud/gcloud', GCLOUD)):
        program(tmp_path / 'images' / name, (NOTE + rest).format(**values))
    images = {image: tmp_path / 'images' / folder for image, folder in folders.items()}
    with FakeBuild(gcs_server, tmp_path / 'builds', images) as service:
        yield service, notes


def submit(source: pathlib.Path, service: FakeBuild, folder: pathlib.Path, **substitutions: str):
    """Submits a build as the head of cloudbuild.yaml says, and waits for its end."""
    given = ','.join(f'{name}={value}' for name, value in substitutions.items())
    command = ['gcloud', 'builds', 'submit', '--region=us-central1', f'--substitutions={given}', '.']
    command += ['--default-buckets-behavior=regional-user-owned-bucket']
    environment = {**os.environ, **service.gcloud_environment(folder)}
    return subprocess.run(command, cwd=source, env=environment, capture_output=True, text=True, timeout=120)


def test_a_build_ends_with_packages_images_and_a_job(cloud, gcs_server, tmp_path):
    service, notes = cloud
    gcs_server.create_bucket('packages-bucket')
    ended = submit(ROOT, service, tmp_path, _BUCKET='packages-bucket', _TARGETS='cpu tpu', _SUBMIT='true')
    assert ended.returncode == 0, ended.stderr + ended.stdout
    (build,) = service.builds.values()
    assert build['status'] == 'SUCCESS'
    assert re.search(r'Step "check": \d+ passed', ended.stdout)

    uploaded = gcs_server.paths('gs://packages-bucket/')
    assert [re.sub(r'-[\d.]+\d', '', path) for path in uploaded] == [
        'gs://packages-bucket/packages/tpu_dcgan-py3-none-any.whl', 'gs://packages-bucket/packages/tpu_dcgan.tar.gz',
    ]  # fmt: skip
    wheel, sdist = (io.BytesIO(gcs_server.get(path)) for path in uploaded)
    assert 'trainer/task.py' in zipfile.ZipFile(wheel).namelist()
    with tarfile.open(fileobj=sdist) as archive:
        assert any(name.endswith('/convert/samples/flags/nz.png') for name in archive.getnames())

    calls = [json.loads(line) for line in notes.read_text().splitlines()]
    images = [f'{REGISTRY}/dcgan-{target}' for target in ('cpu', 'tpu')]
    both = [(image, tag) for image in images for tag in (build['id'], 'latest')]
    assert [call[2] for call in calls if call[:2] == ['docker', 'push']] == [f'{image}:{tag}' for image, tag in both]
    built = [call for call in calls if call[:2] == ['docker', 'build']]
    assert [word for call in built for word in call if word.startswith('--cache-from=')] == [
        f'--cache-from={image}:latest' for image in images
    ]
    assert [word for call in built for word in call if word.startswith('--tag=')] == [
        f'--tag={image}:{tag}' for image, tag in both
    ]
    assert calls[-1] == [
        'gcloud', 'ai', 'custom-jobs', 'create', f'--project={PROJECT}', '--region=us-central1',
        f'--display-name=cpu_smoke-{build["id"]}', '--config=jobs/cpu_smoke.yaml',
    ]  # fmt: skip
    job = yaml.safe_load((tmp_path / 'builds' / build['id'] / 'workspace' / 'jobs' / 'cpu_smoke.yaml').read_text())
    assert job['workerPoolSpecs'][0]['containerSpec']['imageUri'] == f'{images[0]}:{build["id"]}'


def test_a_failing_test_ends_the_build_before_anything_leaves_it(cloud, tmp_path):
    service, notes = cloud
    source_tree.copy_to(tmp_path / 'source')
    with (tmp_path / 'source' / 'tests' / 'dcgan' / 'test_hparams.py').open('a') as file:
        file.write("\n\ndef test_that_fails():\n    assert 'right' == 'wrong'\n")
    ended = submit(tmp_path / 'source', service, tmp_path)
    assert ended.returncode == 1
    (build,) = service.builds.values()
    assert build['status'] == 'FAILURE'
    assert "assert 'right' == 'wrong'" in ended.stdout
    assert [json.loads(line) for line in notes.read_text().splitlines()] == [['make', 'check']]
