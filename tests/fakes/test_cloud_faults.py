"""Each fault of the Cloud Storage on loopback takes effect, and the real clients recover from it or report it."""

from __future__ import annotations

import io
import time

import pytest
import requests
import tensorflow as tf

from tests.fakes.cloud.fixtures import LEAVES_CONNECTIONS, storage_client
from tests.fakes.cloud.gcs import IDENTITY
from tests.fakes.test_cloud_gcs import BLOB, read, write

pytestmark = LEAVES_CONNECTIONS
SEND = 'uploadType=resumable.*upload_id'  # the request of an upload that has the data


@pytest.fixture
def client(gcs):
    with storage_client() as made:
        yield made


@pytest.fixture
def patience():
    from google.cloud.storage import retry

    return retry.DEFAULT_RETRY.with_delay(initial=0.02, maximum=0.1).with_timeout(10)


@pytest.mark.parametrize('kind', [503, 'reset', 'truncate', 'stall'])
def test_tensorflow_reads_on_after(gcs, kind):
    path = f'{gcs.bucket}/data'
    gcs.server.put(path, BLOB)
    fault = gcs.server.fault(kind, match=f'^/{gcs.bucket[5:]}/data')
    start = time.monotonic()
    assert read(path) == BLOB
    assert fault.hits == 1
    assert [request.status for request in gcs.server.requests][-1] == 206
    waited = time.monotonic() - start
    assert waited < 10  # KNOBS were set before TensorFlow was imported
    assert kind != 'stall' or waited > 2


@pytest.mark.parametrize('kind', [503, 'reset', 'lost'])
def test_tensorflow_writes_on_after(gcs, kind):
    fault = gcs.server.fault(kind, method='PUT', match=SEND)
    write(f'{gcs.bucket}/data', BLOB)
    assert fault.hits == 1
    assert gcs.server.get(f'{gcs.bucket}/data') == BLOB


def test_tensorflow_gives_up_on_what_lasts(gcs):
    path = f'{gcs.bucket}/data'
    gcs.server.put(path, BLOB)
    fault = gcs.server.fault(503, times=None)
    with pytest.raises(tf.errors.AbortedError, match='All 4 retry attempts failed'):
        read(path)
    assert fault.hits == 5
    gcs.server.clear_faults()
    assert read(path) == BLOB


@pytest.mark.parametrize(
    ('status', 'error', 'text'),
    [
        (401, tf.errors.PermissionDeniedError, 'Invalid Credentials'),
        (403, tf.errors.PermissionDeniedError, f'{IDENTITY} does not have storage.objects.get access'),
        (404, tf.errors.NotFoundError, 'not found|does not exist'),
    ],
)
@pytest.mark.parametrize('api', ['/storage/v1/b/.*/o/', '^/test-'], ids=['JSON', 'XML'])
def test_tensorflow_tells_a_refusal_at_once(gcs, status, error, text, api):
    gcs.server.put(f'{gcs.bucket}/data', BLOB)
    fault = gcs.server.fault(status, match=api, times=None)
    with pytest.raises(error, match=text):
        read(f'{gcs.bucket}/data')
    assert fault.hits == 1


@pytest.mark.parametrize('kind', [503, 'reset', 'truncate', 'stall'])
def test_google_cloud_storage_reads_on_after(gcs, client, patience, kind):
    gcs.server.put(f'{gcs.bucket}/data', BLOB)
    fault = gcs.server.fault(kind, match='alt=media')
    blob = client.bucket(gcs.bucket[5:]).blob('data')
    assert blob.download_as_bytes(timeout=0.5, retry=patience) == BLOB
    assert fault.hits == 1


@pytest.mark.parametrize('kind', [503, 'reset', 'lost'])
def test_google_cloud_storage_writes_on_after(gcs, client, patience, kind):
    fault = gcs.server.fault(kind, method='PUT', match=SEND)
    blob = client.bucket(gcs.bucket[5:]).blob('data', chunk_size=256 << 10)
    blob.upload_from_file(io.BytesIO(BLOB * 40), if_generation_match=0, retry=patience)
    assert fault.hits == 1
    assert gcs.server.get(f'{gcs.bucket}/data') == BLOB * 40


@pytest.mark.parametrize(
    ('ask', 'permission'),
    [
        (lambda bucket: bucket.blob('x').upload_from_string(b''), 'storage.objects.create'),
        (lambda bucket: bucket.blob('x').delete(), 'storage.objects.delete'),
        (lambda bucket: list(bucket.list_blobs()), 'storage.objects.list'),
        (lambda bucket: bucket.reload(), 'storage.buckets.get'),
    ],
    ids=['create', 'delete', 'list', 'bucket'],
)
def test_a_403_names_the_identity_and_the_permission(gcs, client, ask, permission):
    from google.api_core import exceptions

    gcs.server.fault(403, times=None)
    with pytest.raises(exceptions.Forbidden, match=f'{IDENTITY} does not have {permission} access'):
        ask(client.bucket(gcs.bucket[5:]))


def test_a_fault_takes_the_requests_that_it_was_given(gcs):
    gcs.server.put(f'{gcs.bucket}/a b', BLOB)
    url = f'{gcs.server.url}/storage/v1/b/{gcs.bucket[5:]}/o/'
    gcs.server.clear_requests()
    fault = gcs.server.fault(503, method='GET', match='/o/a b', after=1, times=2)
    statuses = [requests.get(f'{url}a%20b', timeout=5).status_code for _ in range(4)]
    assert statuses == [200, 503, 503, 200]
    assert requests.get(f'{url}else', timeout=5).status_code == 404
    assert requests.delete(f'{url}a%20b', timeout=5).status_code == 204
    assert fault.hits == 2
    assert [request.status for request in gcs.server.requests] == [200, 503, 503, 200, 404, 204]
    assert {request.path for request in gcs.server.requests[:4]} == {f'/storage/v1/b/{gcs.bucket[5:]}/o/a b'}


def test_an_unknown_fault_is_refused(gcs):
    for wrong in ('resett', 200):
        with pytest.raises(ValueError, match='is no fault'):
            gcs.server.fault(wrong)
