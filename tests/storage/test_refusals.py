"""What the user is told about a Cloud Storage error, from either client."""

from __future__ import annotations

import pytest
import requests
import tensorflow as tf
from google.api_core import exceptions as api
from google.auth import exceptions as auth

from trainer import errors
from trainer.storage import gcs, refusals
from trainer.storage.refusals import ADMIN, VIEWER

HTTP = "Error executing an HTTP request: HTTP response code {} with body '<Error>page</Error>'\n\t when {} gs://b-1/x/y"


def of_tensorflow(kind, status: int, doing: str = 'reading'):
    return kind(None, None, HTTP.format(status, doing))


@pytest.mark.parametrize(
    'error, kind, words',
    [
        (of_tensorflow(tf.errors.PermissionDeniedError, 403), errors.AccessDenied, ('gs://b-1/x/y: ', VIEWER)),
        (of_tensorflow(tf.errors.PermissionDeniedError, 401, 'writing to'), errors.AccessDenied, (ADMIN,)),
        (of_tensorflow(tf.errors.AbortedError, 503), errors.Transient, ('HTTP response code 503 when reading',)),
        (tf.errors.FailedPreconditionError(None, None, 'libcurl code 6 when reading gs://b/o'), errors.Transient, ()),
        (ValueError('ABORTED: All 8 retry attempts failed. gs://b/ckpt-2'), errors.Transient, ('gs://b/ckpt-2: ',)),
        (tf.errors.NotFoundError(None, None, 'The specified bucket does not exist. gs://b/o'), errors.AccessDenied,
         ('there is no bucket b', 'gcloud storage buckets create gs://b')),
    ],
)  # fmt: skip
def test_tensorflows_errors_name_their_path_themselves(error, kind, words, monkeypatch):
    monkeypatch.setattr(refusals, 'identity', lambda: 'me@example.com')
    known = refusals.explain(error)
    assert type(known) is kind
    for word in (*words, 'gs://'):
        assert word in str(known)
    assert '\n' not in str(known) and '<Error>' not in str(known)


@pytest.mark.parametrize(
    'error, kind',
    [
        (api.Forbidden('no'), errors.AccessDenied),
        (auth.DefaultCredentialsError('none'), errors.AccessDenied),
        (api.ServiceUnavailable('later'), errors.Transient),
        (api.TooManyRequests('later'), errors.Transient),
        (requests.ConnectionError('reset'), errors.Transient),
    ],
)
def test_googles_errors_are_explained_where_the_path_is_known(error, kind, monkeypatch):
    monkeypatch.setattr(refusals, 'identity', lambda: '')
    with pytest.raises(kind, match=r'^gs://bucket/folder: '), refusals.explained('gs://bucket/folder', VIEWER):
        raise error


@pytest.mark.parametrize(
    'error',
    [
        ValueError('gs://bucket/x is odd'),
        tf.errors.NotFoundError(None, None, 'Object gs://bucket/x does not exist.'),
        api.NotFound('No such object: bucket/x'),
        errors.DataError('gs://bucket/x: HTTP response code 403'),
        tf.errors.AbortedError(None, None, 'not of storage'),
    ],
)
def test_other_errors_stay_what_they_are(error):
    assert refusals.explain(error) is None
    with pytest.raises(type(error)), refusals.explained('' if 'not of' in str(error) else 'gs://b/x', VIEWER):
        raise error


@pytest.mark.parametrize('account, member', [('me@example.com', 'user:me@example.com'), ('', 'user:ACCOUNT')])
def test_people_are_granted_roles_too(account, member, monkeypatch):
    monkeypatch.setattr(refusals, 'identity', lambda: account)
    assert f'--member={member} --role={ADMIN}' in str(refusals.explain(api.Forbidden(''), 'gs://b/x', ADMIN))


def test_nobody_is_told_to_log_in(monkeypatch):
    monkeypatch.setattr(refusals, 'identity', lambda: '')
    error = api.Unauthorized('Anonymous caller does not have storage.objects.list access to the bucket.')
    assert 'gcloud auth application-default login' in str(refusals.explain(error, 'gs://b/x', VIEWER))


@pytest.mark.parametrize('path', ['gs://', 'gs:///x', 's3://bucket/x', 'bucket/x'])
def test_a_path_without_a_bucket(path):
    with pytest.raises(errors.UserError, match='names no bucket'):
        gcs.split(path)
