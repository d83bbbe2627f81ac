"""Jobs of Google Cloud Dataflow against a stand-in of its API: what is sent, what is staged, and what comes back."""

from __future__ import annotations

import pytest

from convert.conversion import convert
from convert.options import DATAFLOW, ConvertOptions, RunnerOptions
from tests.convert.distributed.test_direct import OPTIONS, pytestmark, run_locally  # noqa: F401  The marks of a module.
from tests.convert.test_conversion import write_photos
from tests.convert.test_gcs import assert_same, names_in
from tests.fakes.cloud.fake_dataflow import FakeDataflow
from tests.fakes.cloud.gcs import PROJECT
from trainer import errors

IMAGE = f'us-central1-docker.pkg.dev/{PROJECT}/dcgan/dcgan-convert:latest'


@pytest.fixture(name='service')
def service_fixture(gcs, monkeypatch):
    monkeypatch.setenv('HTTPLIB2_CA_CERTS', gcs.server.environment()['SSL_CERT_FILE'])
    with FakeDataflow(gcs.server) as service:
        yield service


@pytest.fixture(name='photos')
def photos_fixture(gcs, tmp_path):
    source = write_photos(tmp_path / 'in', 30)
    (source / 'notes.txt').write_text('no image')
    for path in source.rglob('*.*'):
        gcs.server.put(f'{gcs.bucket}/in/{path.relative_to(source)}', path.read_bytes())
    return source


def flags_of(service: FakeDataflow, *more: str) -> str:
    endpoint = service.url.rstrip('/').replace('127.0.0.1', 'localhost')  # Beam takes no other address with a port.
    words = [f'--project={PROJECT}', '--region=us-central1', f'--dataflow_endpoint={endpoint}', *more]
    return ' '.join(words)


def run(gcs, beam_flags: str, **changes):
    from convert.distributed import driver

    options = {'input_dir': f'{gcs.bucket}/in', 'output_dir': f'{gcs.bucket}/out', **OPTIONS, **changes}
    return convert(ConvertOptions(**options), driver=driver.Driver(RunnerOptions(DATAFLOW, beam_flags)))


def test_a_job_is_accepted_and_its_data_set_published(gcs, service, photos, tmp_path):
    run_locally(photos, tmp_path / 'local')
    flags = ('--max_num_workers=7', f'--sdk_container_image={IMAGE}', '--service_account_email=worker@x.example')
    run(gcs, flags_of(service, *flags, '--job_name=convert-photos'))
    (job,) = service.jobs
    assert (job['projectId'], job['location'], job['name']) == (PROJECT, 'us-central1', 'convert-photos')
    (pool,) = job['environment']['workerPools']
    assert pool['autoscalingSettings']['maxNumWorkers'] == 7
    assert [image['containerImage'] for image in pool['sdkHarnessContainerImages']] == [IMAGE]
    assert job['environment']['serviceAccountEmail'] == 'worker@x.example'
    assert service.options_of(job)['temp_location'].startswith(f'{gcs.bucket}/out/.converting-files/')
    assert 'pipeline.pb' in service.staged[0]
    assert_same(gcs, f'{gcs.bucket}/out', tmp_path / 'local')
    assert not [path for path in gcs.server.paths(f'{gcs.bucket}/') if '.converting' in path]


def test_the_package_is_staged_for_workers_without_an_image(gcs, service, photos, tmp_path):
    package = tmp_path / 'tpu_dcgan-0.1.0.tar.gz'
    package.write_bytes(b'sdist')
    run(gcs, flags_of(service, f'--extra_package={package}'))
    assert package.name in service.staged[0]


def test_a_job_that_fails_ends_with_the_error_of_the_worker(gcs, service, photos):
    gcs.server.fault(403, match='/download/storage/.*/in/', times=None)
    with pytest.raises(errors.AccessDenied, match='lacks roles/storage.objectViewer'):
        run(gcs, flags_of(service, f'--sdk_container_image={IMAGE}'))
    assert names_in(gcs, f'{gcs.bucket}/out') == []


def test_what_is_missing_is_said_before_a_job_is_created(gcs, service, photos, tmp_path):
    with pytest.raises(errors.UserError, match='gives the workers of Dataflow no code'):
        run(gcs, flags_of(service))
    with pytest.raises(errors.UserError, match='lacks --project=PROJECT or --region'):
        run(gcs, f'--sdk_container_image={IMAGE} --region=us-central1')
    with pytest.raises(errors.UserError, match='needs gs:// folders'):
        run(gcs, flags_of(service), output_dir=str(tmp_path / 'out'))
    assert service.jobs == []


def test_an_interruption_cancels_the_job(gcs, service, photos, monkeypatch):
    service.runs = False
    from apache_beam.runners.dataflow import dataflow_runner

    class Result(dataflow_runner.DataflowPipelineResult):
        def wait_until_finish(self, duration=None):
            raise KeyboardInterrupt

    monkeypatch.setattr(dataflow_runner, 'DataflowPipelineResult', Result)
    with pytest.raises(KeyboardInterrupt):
        run(gcs, flags_of(service, f'--sdk_container_image={IMAGE}'))
    assert service.jobs[0]['currentState'] == 'JOB_STATE_CANCELLED'
