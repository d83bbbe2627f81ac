"""Turns errors of Cloud Storage into one line: the bucket, the account, the missing role, and the command.

Two clients report the same error in different ways. TensorFlow's file system raises tf.errors; google-cloud-storage
raises google.api_core, google.auth and requests exceptions.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

import google.auth
import requests
import tensorflow as tf
from google.api_core import exceptions as api
from google.auth import exceptions as auth
from google.auth.transport.requests import Request
from google.cloud.storage import exceptions as transfer

from trainer import errors
from trainer.storage import gcs

VIEWER, ADMIN = 'roles/storage.objectViewer', 'roles/storage.objectAdmin'

_DENIED = (tf.errors.PermissionDeniedError, tf.errors.UnauthenticatedError, api.Forbidden, api.Unauthorized)
_NO_CREDENTIALS = (auth.DefaultCredentialsError, auth.RefreshError)
_TRANSIENT = (
    tf.errors.AbortedError,
    tf.errors.UnavailableError,
    tf.errors.DeadlineExceededError,
    api.ServerError,
    api.TooManyRequests,
    api.RetryError,
    auth.TransportError,
    requests.ConnectionError,
    requests.Timeout,
    transfer.DataCorruption,
    transfer.InvalidResponse,
)
_LOGIN = 'run gcloud auth application-default login, or give the job a service account'
# TensorFlow's checkpoint readers wrap these in errors of any type, but keep their text.
_DENIED_TEXT = re.compile(r'HTTP response code 40[13]\b')
_TRANSIENT_TEXT = re.compile(r'retry attempts failed|libcurl code')
_NO_BUCKET = re.compile(r'bucket does not exist|NoSuchBucket')
_PATH = re.compile(r'gs://[a-z0-9][\w.-]*(?:/[^\s\'",;)]*)?')
_MEMBER = re.compile(r'([\w.+-]+@[\w.-]+\w) does not have')


@contextlib.contextmanager
def explained(path: str, role: str) -> Iterator[None]:
    """Raises what `explain` makes of an error inside, or the error itself if it does not come from storage.

    Args:
      path: the gs:// path that is read or written inside.
      role: the role that this needs, VIEWER or ADMIN.
    """
    try:
        yield
    except Exception as error:
        known = explain(error, path, role)
        if known is None:
            raise
        raise known from error


def explain(error: BaseException, path: str = '', role: str = '') -> errors.UserError | None:
    """What to tell the user about a Cloud Storage error; None if it is another error.

    Args:
      error: from either client.
      path: the gs:// path concerned; '' takes it from the error's text, or returns None if that has none.
      role: VIEWER or ADMIN; '' derives it from the error's text.
    """
    if isinstance(error, errors.UserError):
        return None
    reason = ' '.join(str(error).split())
    found = _PATH.search(path or reason)
    if not found:
        return None
    bucket, _ = gcs.split(found[0])
    role = role or (ADMIN if re.search(r'writ|upload|delet|renam|creat', reason) else VIEWER)
    if isinstance(error, _NO_CREDENTIALS):
        return errors.AccessDenied(f'{found[0]}: Google accepts no credentials from this machine ({reason}): {_LOGIN}')
    if isinstance(error, _DENIED) or _DENIED_TEXT.search(reason):
        return errors.AccessDenied(_denied(found[0], bucket, role, reason))
    if _NO_BUCKET.search(reason):
        return errors.AccessDenied(_missing(found[0], bucket, role))
    if isinstance(error, _TRANSIENT) or _TRANSIENT_TEXT.search(reason):
        return errors.Transient(
            f'{found[0]}: Cloud Storage failed, even after retries ({_short(reason)}): run the same command again, '
            'which resumes; https://status.cloud.google.com lists outages'
        )
    return None


def identity() -> str:
    """The account of this machine's credentials; '' if there are none or it is unknown."""
    try:
        credentials, _ = google.auth.default()
        if getattr(credentials, 'service_account_email', '') == 'default':  # Compute Engine's, before their first use.
            credentials.refresh(Request())
        return getattr(credentials, 'service_account_email', '') or getattr(credentials, 'account', '')
    except auth.GoogleAuthError:
        return ''


def _denied(path: str, bucket: str, role: str, reason: str) -> str:
    named = _MEMBER.search(reason)
    who = named[1] if named else identity()
    if not who and 'Anonymous caller' in reason:
        return f'{path}: bucket {bucket} is not public, and this machine has no credentials: {_LOGIN}'
    who = who or 'this account'
    return f'{path}: {who} may not do this in bucket {bucket} (lacks {role}): {_grant(bucket, who, role)}'


def _missing(path: str, bucket: str, role: str) -> str:
    who = identity() or 'this account'
    return (
        f'{path}: there is no bucket {bucket}, or {who} may not see it (lacks {role}): correct the name, run gcloud '
        f'storage buckets create gs://{bucket} --location=REGION, or {_grant(bucket, who, role)}'
    )


def _grant(bucket: str, who: str, role: str) -> str:
    kind = 'serviceAccount' if who.endswith('gserviceaccount.com') else 'user'
    member = f'{kind}:{who}' if '@' in who else 'user:ACCOUNT'
    return f'run gcloud storage buckets add-iam-policy-binding gs://{bucket} --member={member} --role={role}'


def _short(reason: str, length: int = 300) -> str:
    """The error's text without names of graph nodes and pages of HTML or XML."""
    reason = re.sub(r"\{\{.*?\}\} *| with body '.*?>'", '', reason)
    return reason if len(reason) <= length else f'{reason[:length]} ...'
