"""Jobs of Vertex AI that fail: mistakes, preempted machines, two jobs in one folder."""

from __future__ import annotations

import signal

import tensorflow as tf
import yaml

from tests.fakes.cloud.faults import IDENTITY
from tests.fakes.cloud.vertex_fixtures import (  # noqa: F401  Fixtures among them.
    FORKED,
    GCLOUD,
    SMALL,
    UNCHANGED,
    assert_left_nothing,
    cloud_fixture,
    made_fixture,
)
from trainer import errors, vertex_config
from trainer.model_dir import checkpoints

pytestmark = GCLOUD
LONG = ('--train_batch_size=8', '--train_steps=1000000', '--sample_steps=1000', '--save_steps=1000', '--eval_steps=0',
        '--log_steps=10')  # fmt: skip


def test_jobs_fail_with_our_exit_code_and_our_line_in_the_log(cloud):
    gcs = cloud.gcs
    absent = cloud.submit(cloud.fill(data=f'{gcs.bucket}/nothing', name='absent', tag=FORKED)['cpu_smoke'])
    assert absent.wait() == 'FAILED'
    stream = cloud.gcloud('custom-jobs', 'stream-logs', absent.id, '--polling-interval=5')
    closed = f'{gcs.bucket}-closed'
    gcs.server.create_bucket(closed[len('gs://') :])
    gcs.server.fault(403, match=closed[len('gs://') :], times=None)
    denied = cloud.submit(cloud.fill(data=f'{closed}/data', name='denied', tag=FORKED)['cpu_smoke'])
    assert denied.wait() == 'FAILED'

    for job, code in ((absent, errors.DataError.exit_code), (denied, errors.AccessDenied.exit_code)):
        assert job.exit_codes == [code]  # disableRetries: one start only.
        assert f'exited with a non-zero status of {code}.' in job.error
        assert 'Traceback' not in job.text()
        assert_left_nothing(job)
    assert absent.text().splitlines()[-1].startswith(f'error: {gcs.bucket}/nothing')
    line = denied.text().splitlines()[-1]
    assert line.startswith(f'error: {closed}/data: {IDENTITY} may not do this')
    assert 'add-iam-policy-binding' in line
    assert line.endswith('--role=roles/storage.objectViewer')
    out, err = stream.communicate(timeout=60)
    assert f'error: {gcs.bucket}/nothing' in out, err
    assert all(text in out for text in absent.text().splitlines())


def test_a_package_job_whose_machine_dies_is_restarted_and_goes_on(cloud):
    """The package comes from the bucket. The job ends without a signal, so its lock stays behind."""
    cloud.gcs.server.put(f'{cloud.gcs.bucket}/packages/tpu_dcgan-0.1.0.tar.gz', cloud.sdist.read_bytes())
    job = cloud.submit(cloud.fill()['python_package'])
    job.wait_for('step_000002.png')
    job.preempt(signal.SIGKILL)
    assert job.wait() == 'SUCCEEDED', job.text()
    assert job.exit_codes == [137, 0]
    run = f'{cloud.gcs.bucket}/runs/dcgan-python-package'
    assert f'took over from job {job.id}' in job.text()
    assert f'resuming {run}/checkpoints at step 2' in job.text()
    assert f'{run}/model/saved_model.pb' in cloud.gcs.server.paths(run)
    assert not [path for path in cloud.gcs.server.paths(run) if 'lock' in path]


def test_one_folder_takes_one_job_and_a_preempted_one_resumes(cloud):
    path = cloud.fill(tag=UNCHANGED)['cpu_smoke']
    spec = yaml.safe_load(path.read_text())
    spec['workerPoolSpecs'][0]['containerSpec']['args'] += [*SMALL, *LONG]
    path.write_text(yaml.safe_dump(spec))
    vertex_config.check_job(str(path), path.read_text())
    # While it uploads its first checkpoint, which takes no CPU, it holds the folder and renews its lock.
    stalled = cloud.gcs.server.fault('stall', method='PUT', match=r'model\.ckpt-0.*\.data-', times=3)
    first = cloud.submit(path)
    first.wait_for('training images')
    second = cloud.submit(path)
    assert second.wait() == 'FAILED'
    assert second.exit_codes == [errors.UserError.exit_code]
    run = f'{cloud.gcs.bucket}/runs/dcgan-cpu-smoke'
    line = second.text().splitlines()[-1]
    assert line.startswith(f'error: {run}/checkpoints is in use by job {first.id}, process ')
    assert stalled.hits
    assert not first.ended

    steps = first.text().count(' images/s ')
    first.wait_for(' images/s ', times=steps + 1)
    first.preempt()
    assert first.wait() == 'FAILED'
    assert first.exit_codes == [143]
    assert 'non-zero status of 143' in first.error
    assert_left_nothing(first)
    assert f'{run}/checkpoints/lock.json' not in cloud.gcs.server.paths(run)

    saved = newest_step(run)
    assert saved > 0
    again = cloud.submit(path)
    again.wait_for(f'resuming {run}/checkpoints at step {saved}')
    again.wait_for(' images/s ')
    cancel = cloud.gcloud('custom-jobs', 'cancel', again.id)
    assert cancel.communicate(timeout=60) and cancel.returncode == 0
    assert again.wait() == 'CANCELLED'
    assert again.exit_codes == [143]
    assert newest_step(run) > saved
    listed = cloud.gcloud('custom-jobs', 'list', '--format=value(state)').communicate(timeout=60)[0]
    assert listed.split() == ['JOB_STATE_CANCELLED', 'JOB_STATE_FAILED', 'JOB_STATE_FAILED']


def newest_step(run: str) -> int:
    return checkpoints.step_of(tf.train.latest_checkpoint(f'{run}/checkpoints') or '')
