"""A Vertex AI on loopback for whole jobs; a test module imports both fixtures, and uses `cloud`.

The image for CPUs runs the sdist of this tree; the arguments in SMALL reduce its jobs to a tiny model. The images for
GPUs and TPUs only resolve the job's arguments, because there is no such machine here; a fork of this tree does that.
"""

from __future__ import annotations

import dataclasses
import os
import pathlib
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests import test_package
from tests.conftest import ROOT, TINY_FLAGS, write_dataset
from tests.fakes.cloud import vertex_machine
from tests.fakes.cloud.fake_vertex import FakeVertex
from tests.fakes.cloud.fixtures import Gcs
from tests.fakes.cloud.gcs import PROJECT
from tests.fakes.cloud.vertex_job import Job
from tests.fakes.cloud.vertex_machine import Image
from tests.once import made_once
from trainer import vertex_config
from trainer.vertex_config import FileOptions, ProjectOptions

GCLOUD = pytest.mark.skipif(
    shutil.which('gcloud') is None, reason='gcloud is not installed: it is what submits the jobs'
)
REGION = 'us-central1'
REGISTRY = f'{REGION}-docker.pkg.dev/{PROJECT}/dcgan/dcgan'
EXECUTOR = 'us-docker.pkg.dev/vertex-ai/training/tf-cpu.2-15.py310:latest'
# Last, so they win. Batch sizes are the job's own: 32, 64 and, in a tuning job, its parameter.
SMALL = tuple(flag for flag in TINY_FLAGS if 'batch_size' not in flag)
SMALL += ('--train_steps=4', '--sample_steps=2', '--save_steps=2', '--eval_steps=4')
UNCHANGED = 'unchanged'  # The tag of an image that adds no arguments, for a job that a test edits.
FORKED = 'forked'  # The tag of an image that is a fork of this tree, for a job that is neither signalled nor restarted.


class Cloud(NamedTuple):
    """The service, a bucket with a data set, and the folder of the filled jobs."""

    service: FakeVertex
    gcs: Gcs
    folder: pathlib.Path
    sdist: pathlib.Path

    def fill(self, **changes: Any) -> dict[str, pathlib.Path]:
        """The files of configs/vertex by their names, filled; `changes` are ProjectOptions."""
        bucket = self.gcs.bucket[len('gs://') :]
        tensorboard = f'projects/123456/locations/{REGION}/tensorboards/789'
        project = ProjectOptions(PROJECT, bucket, REGION, REGISTRY, image_size=32, tensorboard=tensorboard)
        project = dataclasses.replace(project, **changes)
        files = FileOptions(output_dir=str(self.folder / 'jobs'), source_dir=str(ROOT / 'configs' / 'vertex'))
        return {pathlib.Path(path).stem: pathlib.Path(path) for path in vertex_config.fill_all(project, files)}

    def gcloud(self, *words: str) -> subprocess.Popen[str]:
        """Starts `gcloud ai ...`."""
        environment = {**os.environ, **self.service.gcloud_environment(self.folder)}
        command = ['gcloud', 'ai', *words, f'--region={REGION}']
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def submit(self, path: pathlib.Path, *flags: str, kind: str = 'custom-jobs') -> Job:
        """Submits a file as its head says."""
        before = len(self.service.jobs)
        command = (kind, 'create', f'--display-name={path.stem}', f'--config={path}', '--format=value(name)', *flags)
        process = self.gcloud(*command)
        out, err = process.communicate(timeout=60)
        assert process.returncode == 0, err
        (job,) = self.service.jobs[before:]
        assert job.resource['name'] == out.strip()
        return job


def assert_left_nothing(job: Job) -> None:
    """Checks that a job leaves files only in its bucket."""
    for replica in job.replicas:
        left = [path.name for folder in ('tmp', 'work') for path in (replica.folder / folder).iterdir()]
        assert set(left) <= {'__pycache__'}  # From files that TensorFlow's AutoGraph writes there and removes.


class Made(NamedTuple):
    """What all jobs share: the sdist of this tree, the interpreter of the image that contains it, and a data set."""

    sdist: pathlib.Path
    python: pathlib.Path
    dataset: pathlib.Path


@pytest.fixture(scope='session', name='made')
def made_fixture(tmp_path_factory: pytest.TempPathFactory) -> Made:
    sdist = test_package.sdist_of_this_tree(tmp_path_factory)

    def make(folder: pathlib.Path) -> None:
        vertex_machine.install(folder / 'venv', [sdist])
        write_dataset(folder / 'data', train=64, holdout=16)

    folder = made_once(tmp_path_factory, 'vertex', make)
    return Made(sdist, folder / 'venv' / 'bin' / 'python', folder / 'data')


@pytest.fixture(name='cloud')
def cloud_fixture(made: Made, gcs: Gcs, tmp_path: pathlib.Path) -> Iterator[Cloud]:
    """A separate Vertex AI for each test."""
    for path in made.dataset.iterdir():
        gcs.server.put(f'{gcs.bucket}/data/{path.name}', path.read_bytes())
    targets = ('gpu', 'tpu', 'gpu-pjrt', 'tpu-pjrt')
    images = {f'{REGISTRY}-{target}:latest': Image(None, ('--dry_run',), forked=True) for target in targets}
    images[f'{REGISTRY}-cpu:latest'] = Image(made.python, SMALL)
    images[f'{REGISTRY}-cpu:{UNCHANGED}'] = Image(made.python)
    images[f'{REGISTRY}-cpu:{FORKED}'] = Image(None, SMALL, forked=True)
    images[EXECUTOR] = Image(None, SMALL)
    with FakeVertex(gcs.server, tmp_path / 'machines', images) as service:
        yield Cloud(service, gcs, tmp_path, made.sdist)
