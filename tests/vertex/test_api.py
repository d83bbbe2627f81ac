"""Compares gcloud's definition of the API with our checks: both accept the same jobs and refuse the same mistakes."""

from __future__ import annotations

import os
import shutil
import subprocess

import pytest
import yaml

from tests.conftest import ROOT
from tests.fakes.cloud import vertex_api
from tests.fakes.cloud.fake_vertex import FakeVertex
from tests.vertex.test_check import VARIANTS
from tests.vertex.test_config import SOURCES, filled
from trainer import errors, vertex_config

pytestmark = pytest.mark.skipif(
    shutil.which('gcloud') is None, reason='gcloud is not installed: it has the definition of the API to check with'
)
# The job, the text to replace, its replacement, and words of the API's error.
REFUSED = [
    ('gpu', 'replicaCount: 1', 'replicas: 1', 'Unknown name "replicas" at'),
    ('gpu', 'replicaCount: 1', 'replica_count: 1', 'Unknown name "replica_count"'),
    ('gpu', 'scheduling:', 'schedulin:', "Unknown name \"schedulin\" at 'custom_job.job_spec'"),
    ('gpu', 'replicaCount: 1', 'replicaCount: 0', 'replica_count must be at least 1'),
    ('tpu_v3', 'TPU_V3\n', 'TPU_V33\n', 'aiplatform.v1.AcceleratorType), "TPU_V33"'),
    ('tpu_v3', 'replicaCount: 1', 'replicaCount: 2', 'exactly one worker pool with one replica'),
    ('tpu_v3', 'acceleratorCount: 8', 'acceleratorCount: 4', 'Accelerator count 4 is not supported'),
    ('tpu_v3', 'cloud-tpu', 'n1-standard-8', 'does not support the accelerator "TPU_V3"'),
    ('tpu_v3_spot', 'strategy: SPOT', 'strategy: PREEMPTIBLE', 'aiplatform.v1.Strategy), "PREEMPTIBLE"'),
    ('gpu', '    acceleratorCount: 1\n', '', 'must both be set, or neither'),
    ('gpu', 'n1-standard-8', 'n1-standrd-8', 'Machine type "n1-standrd-8" is not supported'),
    ('gpu', 'timeout: 86400s', 'timeout: 24h', 'google.protobuf.Duration'),
    ('python_package', '    pythonModule: trainer.task\n', '', 'python_module is required'),
    ('hptuning', 'goal: MINIMIZE', 'goal: MINIMISE', 'aiplatform.v1.Goal), "MINIMISE"'),
    ('hptuning', 'metricId: ', 'metric: ', "at 'hyperparameter_tuning_job.study_spec.metrics[0]'"),
]  # fmt: skip


def check(text: str) -> None:
    spec = yaml.safe_load(text)
    if 'studySpec' in spec:
        body = {'displayName': 'name', 'maxTrialCount': '2', 'parallelTrialCount': '2', **spec}
        vertex_api.check(body, vertex_api.TUNING_JOB)
    else:
        vertex_api.check({'displayName': 'name', 'jobSpec': spec}, vertex_api.JOB)


@pytest.mark.parametrize('path', SOURCES, ids=lambda path: path.stem)
def test_the_api_takes_every_job(path):
    check(filled(path.stem))


@pytest.mark.parametrize(('job', 'old', 'new'), VARIANTS)
def test_the_api_takes_what_our_check_takes(job, old, new, monkeypatch):
    monkeypatch.chdir(ROOT)
    check(filled(job).replace(old, new, 1))


@pytest.mark.parametrize(('job', 'old', 'new', 'words'), REFUSED)
def test_our_check_refuses_what_the_api_refuses(job, old, new, words):
    head, body = filled(job).split('\n\n', 1)
    assert old in body
    wrong = f'{head}\n\n{body.replace(old, new, 1)}'
    with pytest.raises(vertex_api.BadRequest) as refused:
        check(wrong)
    assert words in str(refused.value)
    with pytest.raises(errors.UserError, match=rf'^{job}\.yaml:\d+: '):
        vertex_config.check_job(f'{job}.yaml', wrong)


@pytest.mark.parametrize(('job', 'old', 'new', 'words'), [REFUSED[0], REFUSED[4]])
def test_gcloud_posts_them_as_they_are(job, old, new, words, gcs, tmp_path):
    path = tmp_path / f'{job}.yaml'
    path.write_text(filled(job).replace(old, new, 1))
    with FakeVertex(gcs.server, tmp_path / 'machines', {}) as service:
        environment = {**os.environ, **service.gcloud_environment(tmp_path)}
        command = ['gcloud', 'ai', 'custom-jobs', 'create', '--region=us-central1', '--display-name=a']
        command.append(f'--config={path}')
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 1
    assert 'INVALID_ARGUMENT' in ended.stderr
    assert words in ended.stderr
    assert not service.jobs
