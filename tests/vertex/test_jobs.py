"""Whole jobs: the real gcloud submits the filled files of configs/vertex to a fake Vertex AI, which runs them."""

from __future__ import annotations

import json
import pathlib
import re

import tensorflow as tf
import yaml

from tests.fakes.cloud.vertex_fixtures import (  # noqa: F401  Fixtures among them.
    FORKED,
    GCLOUD,
    assert_left_nothing,
    cloud_fixture,
    made_fixture,
)

pytestmark = GCLOUD


def arguments(path: pathlib.Path) -> list[str]:
    spec = yaml.safe_load(path.read_text())
    (pool,) = spec.get('trialJobSpec', spec)['workerPoolSpecs']
    return (pool.get('containerSpec') or pool['pythonPackageSpec'])['args']


def parsed(value: str) -> object:
    try:
        return json.loads(value)
    except ValueError:
        return value


def test_jobs_for_accelerators_get_their_machine_and_arguments(cloud):
    files = cloud.fill()
    machines = {
        'gpu': {'machineType': 'n1-standard-8', 'acceleratorType': 'NVIDIA_TESLA_T4', 'acceleratorCount': 1},
        'gpu_pjrt': {'machineType': 'n1-standard-8', 'acceleratorType': 'NVIDIA_TESLA_T4', 'acceleratorCount': 1},
        'tpu_v2': {'machineType': 'cloud-tpu', 'acceleratorType': 'TPU_V2', 'acceleratorCount': 8},
        'tpu_v3': {'machineType': 'cloud-tpu', 'acceleratorType': 'TPU_V3', 'acceleratorCount': 8},
        'tpu_v3_spot': {'machineType': 'cloud-tpu', 'acceleratorType': 'TPU_V3', 'acceleratorCount': 8},
        'tpu_v5e': {'machineType': 'ct5lp-hightpu-8t', 'tpuTopology': '2x4'},
        'tpu_v6e': {'machineType': 'ct6e-standard-8t', 'tpuTopology': '2x4'},
    }
    jobs = {name: cloud.submit(files[name]) for name in machines}
    assert set(files) - set(jobs) == {'cpu_smoke', 'python_package', 'hptuning'}  # These run in other tests.
    for name, job in jobs.items():
        assert job.wait() == 'SUCCEEDED', job.text()
        (pool,) = job.resource['jobSpec']['workerPoolSpecs']
        assert pool['machineSpec'] == machines[name]
        resolved = json.loads(job.text())
        for argument in arguments(files[name]):
            flag, value = argument[2:].split('=', 1)
            assert resolved[flag] == parsed(value)
        run = f'{cloud.gcs.bucket}/runs/dcgan-{name.split("_")[0]}'
        assert resolved['model_dir'] == f'{run}/checkpoints'
        assert resolved['tensorboard_dir'] == f'{run}/logs'
        assert resolved['export_dir'] == f'{run}/model'
    assert jobs['tpu_v3_spot'].resource['jobSpec']['scheduling']['strategy'] == 'SPOT'


def test_the_smoke_job_succeeds_and_leaves_all_in_its_bucket(cloud):
    job = cloud.submit(cloud.fill()['cpu_smoke'])
    describe = cloud.gcloud('custom-jobs', 'describe', job.id, '--format=value(state)')
    assert describe.communicate(timeout=60)[0].strip() in ('JOB_STATE_RUNNING', 'JOB_STATE_SUCCEEDED')
    assert job.wait() == 'SUCCEEDED', job.text()
    assert job.exit_codes == [0]
    run = f'{cloud.gcs.bucket}/runs/dcgan-cpu-smoke'
    made = {path[len(run) + 1 :] for path in cloud.gcs.server.paths(f'{run}/')}
    assert {
        'checkpoints/checkpoint', 'checkpoints/model.ckpt-4.index', 'checkpoints/hparams.json',
        'checkpoints/samples/step_000004.png', 'checkpoints/samples/real.png', 'checkpoints/samples/progress.gif',
        'model/saved_model.pb', 'model/variables/variables.index',
    } <= made  # fmt: skip
    assert not [name for name in made if '.tmp' in name or '.preflight' in name or 'lock' in name]
    events = sorted(name for name in made if 'tfevents' in name)
    assert {name.rsplit('/', 1)[0] for name in events} == {'logs', 'logs/train', 'logs/eval'}
    tags = {value.tag for name in events for event in tf.compat.v1.train.summary_iterator(f'{run}/{name}')
            for value in event.summary.value}  # fmt: skip
    assert {'samples', 'loss', 'D(real)'} <= tags
    model = tf.saved_model.load(f'{run}/model')
    images = model.signatures['seeds'](seed=tf.constant(0), count=tf.constant(2))['images']
    assert images.shape == (2, 32, 32, 3)
    assert 'Traceback' not in job.text()
    assert 'Warning' not in job.text()
    assert {entry['severity'] for replica in job.replicas for entry in replica.log} == {'INFO'}  # No false alarm.
    assert_left_nothing(job)


def test_two_trials_report_their_metric_from_folders_of_their_own(cloud):
    flags = ('--max-trial-count=2', '--parallel-trial-count=2')
    job = cloud.submit(cloud.fill(tag=FORKED)['hptuning'], *flags, kind='hp-tuning-jobs')
    assert job.wait() == 'SUCCEEDED', job.text()
    assert job.exit_codes == [0, 0]
    run = f'{cloud.gcs.bucket}/runs/dcgan-hptuning'
    found = set()
    for trial, replica, size in zip(job.resource['trials'], job.replicas, (32, 64)):
        assert {'parameterId': 'train_batch_size', 'value': float(size)} in trial['parameters']
        hparams = json.loads(cloud.gcs.server.get(f'{run}/{trial["id"]}/checkpoints/hparams.json'))
        assert hparams['train_batch_size'] == size
        assert [trial['parameters'][0]['value']] == [hparams['learning_rate']]
        assert trial['finalMeasurement']['stepCount'] == '4'
        reported = trial['finalMeasurement']['metrics'][0]['value']
        (logged,) = re.findall(r'pictures at step 4: KID ([\d.]+)', replica.text())
        assert f'{reported:.4f}' == logged
        found.add(reported)
        assert {line['trial'] for line in replica.metrics} == {trial['id']}
        assert f'{run}/{trial["id"]}/model/saved_model.pb' in cloud.gcs.server.paths(f'{run}/{trial["id"]}/')
    assert len(found) == 2
    assert {path[len(run) + 1 :].split('/')[0] for path in cloud.gcs.server.paths(f'{run}/')} - {''} == {'1', '2'}
