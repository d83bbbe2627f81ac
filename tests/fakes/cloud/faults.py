"""Faults between a client and Cloud Storage, and how Google words them."""

from __future__ import annotations

import dataclasses
import http.client
import json
import re
import threading
from urllib.parse import unquote, urlsplit

IDENTITY = 'trainer@demo-project.iam.gserviceaccount.com'
KINDS = ('reset', 'truncate', 'stall', 'lost')
_OBJECT = re.compile(r'/b/([^/]+)/o/([^/]+)(?:/compose)?$')
_TEXTS = {
    400: ('invalid', 'Invalid argument.'),
    401: ('authError', 'Invalid Credentials'),
    403: ('forbidden', ''),
    404: ('notFound', ''),
    412: ('conditionNotMet', 'At least one of the pre-conditions you specified did not hold.'),
    429: ('rateLimitExceeded', 'The object exceeded the rate limit for object mutation operations.'),
    503: ('backendError', 'We encountered an internal error. Please try again.'),
}
_XML_CODES = {401: 'AuthenticationRequired', 403: 'AccessDenied', 404: 'NoSuchKey', 503: 'ServiceUnavailable'}


@dataclasses.dataclass
class Fault:
    """One fault, for the requests that it matches; `hits` counts the requests that it has made fail."""

    kind: int | str
    method: str
    match: str
    times: int | None
    after: int
    hits: int = 0

    def bites(self, method: str, path: str) -> bool:
        """Whether this request must fail; counts it."""
        if self.method not in ('', method) or (self.times is not None and self.hits >= self.times):
            return False
        if not (re.search(self.match, path) or re.search(self.match, unquote(path))):
            return False
        if self.after > 0:
            self.after -= 1
            return False
        self.hits += 1
        return True


class Faults:
    """The active faults, oldest first; thread-safe."""

    def __init__(self) -> None:
        self._all: list[Fault] = []
        self._on: list[Fault] = []
        self._lock = threading.Lock()
        self.cleared = threading.Event()

    def add(self, fault: Fault) -> int:
        """Turns a fault on; returns its number, for `hits`."""
        with self._lock:
            self._all.append(fault)
            self._on.append(fault)
            return len(self._all) - 1

    def hits(self, number: int) -> int:
        """How many requests a fault has made fail, also if it is over."""
        with self._lock:
            return self._all[number].hits

    def clear(self) -> None:
        """Ends all faults and releases requests that hang."""
        with self._lock:
            self._on.clear()
            self.cleared.set()
            self.cleared = threading.Event()

    def next(self, method: str, path: str) -> Fault | None:
        """The first fault that makes this request fail."""
        with self._lock:
            return next((fault for fault in self._on if fault.bites(method, path)), None)


def is_json_api(path: str) -> bool:
    """Whether a path belongs to the JSON API; TensorFlow downloads with the other one, XML."""
    return path.startswith(('/storage/v1/', '/upload/storage/v1/', '/download/storage/v1/', '/batch/storage/v1'))


def target(path: str) -> tuple[str, str] | None:
    """The bucket and the name of the object that a JSON API request reads or changes."""
    found = _OBJECT.search(urlsplit(path).path)
    return (unquote(found[1]), unquote(found[2])) if found else None


def error(status: int, method: str, path: str, message: str = '') -> tuple[str, bytes]:
    """The content type and the body of Google's answer to a request that failed."""
    reason, text = _TEXTS.get(status, ('unknown', http.client.responses.get(status, 'Error')))
    text = message or text or (_denied(method, path) if status == 403 else _missing(path))
    if not is_json_api(path) and not path.endswith('token'):
        code = _XML_CODES.get(status, reason)
        xml = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{code}</Code><Message>{text}</Message></Error>"
        return 'application/xml; charset=UTF-8', xml.encode()
    errors = [{'message': text, 'domain': 'global', 'reason': reason}]
    return 'application/json; charset=UTF-8', json.dumps(
        {'error': dict(code=status, message=text, errors=errors)}
    ).encode()


def _denied(method: str, path: str) -> str:
    bare = urlsplit(path).path
    listed = re.search(r'/b/[^/]+/o$', bare) and method == 'GET'
    verbs = {'DELETE': 'delete', 'PATCH': 'update', 'POST': 'create', 'PUT': 'create'}
    permission, kind = f'storage.objects.{"list" if listed else verbs.get(method, "get")}', 'object'
    if re.fullmatch(r'/storage/v1/b(/[^/]+)?', bare):
        permission = f'storage.buckets.{verbs.get(method, "get")}'
    if listed or 'buckets' in permission:
        kind = 'bucket'
    return (
        f'{IDENTITY} does not have {permission} access to the Google Cloud Storage {kind}. '
        f"Permission '{permission}' denied on resource (or it may not exist)."
    )


def _missing(path: str) -> str:
    if not is_json_api(path):
        return 'The specified key does not exist.'
    found = target(path)
    return f'No such object: {found[0]}/{found[1]}' if found else 'The specified bucket does not exist.'
