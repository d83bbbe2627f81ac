"""Waits until a TPU that is reached over the network is ready to train.

TensorFlow alone asks the Cloud TPU API once, accepts an unhealthy TPU, and retries an address where nothing listens
for a day without logging it. A local TPU needs no wait, and nothing here uses the network for it.
"""

from __future__ import annotations

import dataclasses
import http.client
import re
import socket
import time
from typing import Any

import cloud_tpu_client  # TensorFlow has imported this and the other clients already, so they cost no time.
import httplib2
import oauth2client.client as oauth2
from absl import logging
from googleapiclient import errors as api_errors

from trainer import errors
from trainer.machine import tpu_runtime
from trainer.machine.tpu_address import LOCAL, TpuAddress

_PROBES = 3
_WAIT = ('CREATING', 'STARTING', 'RESTARTING', 'REIMAGING', 'REPAIRING', 'UNHIDING')
_RECREATE = 'gcloud compute tpus tpu-vm delete {node}, create it again and repeat this command'
_START = 'gcloud compute tpus tpu-vm start {node}'
_REMEDIES = {
    'PREEMPTED': f'Google took the machine back: {_RECREATE}',
    'TERMINATED': f'maintenance or its time limit ended it: {_RECREATE}',
    'STOPPED': f'start it: {_START}',
    'STOPPING': f'when it has stopped, start it: {_START}',
    'DELETING': 'create it again, or name another TPU',
    'UNKNOWN': f'its repair failed: {_RECREATE}',
}
_OTHER_REMEDY = 'it cannot be used: look at gcloud compute tpus tpu-vm describe {node}, or replace it: ' + _RECREATE
_UNREACHABLE = (OSError, httplib2.HttpLib2Error, http.client.HTTPException)
_TROUBLES = (ValueError, RuntimeError, api_errors.Error, oauth2.Error, *_UNREACHABLE)
_LOGIN = 'run gcloud auth application-default login, or set GOOGLE_APPLICATION_CREDENTIALS to a key file'


@dataclasses.dataclass(frozen=True)
class Node:
    """A TPU that is ready."""

    accelerator_type: str = ''  # Such as 'v3-8'; '' if the API was not asked.
    endpoints: tuple[str, ...] = ()  # 'ip:port' of each worker; none for a local TPU.


def cores_of(accelerator_type: str) -> int | None:
    """The cores that TPUEstimator sees: 8 for 'v3-8'; None if the name does not tell.

    Raises:
      errors.UserError: TPUEstimator cannot train on this type.
    """
    name = accelerator_type.lower()
    if tpu_runtime.is_pjrt_type(name):
        raise errors.UserError(
            f'the TPU is a {accelerator_type}: {tpu_runtime.PJRT_ONLY}; run the same command on its own VM with '
            f'--tpu=local and without --runtime=estimator, or take {tpu_runtime.SE_TPUS} with a '
            f'{tpu_runtime.SE_RUNTIME} runtime'
        )
    # A v4-8 has eight cores in its name but may show TensorFlow four pairs, so its name does not tell.
    known = re.fullmatch(r'v[23]-(\d+)', name)
    return int(known[1]) if known else None


def wait_until_ready(
    address: TpuAddress, timeout_s: float, *, poll_s: float = 10.0, connect_s: float = 5.0, service: Any = None
) -> Node:
    """Waits while the TPU is being created or repaired, and checks that its workers answer.

    Args:
      address: what `tpu_address.locate` returned.
      timeout_s: how long to wait, in seconds.
      poll_s: seconds between two requests to the API.
      connect_s: seconds that a worker has to accept a connection.
      service: a googleapiclient service of the Cloud TPU API; None makes it with this machine's credentials.

    Raises:
      errors.UserError: the TPU will not become ready, the API or a worker does not answer, or the time is up.
    """
    if address.tpu == LOCAL:
        return Node()
    deadline = time.monotonic() + timeout_s
    if address.endpoints:
        node = Node(endpoints=address.endpoints)
    else:
        node = _await_node(address, timeout_s, deadline, poll_s, service)
    for endpoint in node.endpoints:
        _probe(endpoint, address, deadline, poll_s, connect_s)
    return node


def _await_node(address: TpuAddress, timeout_s: float, deadline: float, poll_s: float, service: Any) -> Node:
    # `locate` always gives a zone and a project. Without them, the client would ask Compute Engine's metadata server,
    # and outside Compute Engine end with a bare URLError.
    client = cloud_tpu_client.Client(tpu=address.tpu, zone=address.zone, project=address.project, service=service)
    told = ''
    while True:
        seen = _look(client, address)
        if isinstance(seen, Node):
            return seen
        left = deadline - time.monotonic()
        if left <= 0:
            raise errors.UserError(
                f'--tpu={address.tpu}: {seen} after --tpu_ready_timeout_s={timeout_s:g}: give it longer, or look at '
                f'gcloud compute tpus tpu-vm describe {address.gcloud}'
            )
        if seen != told:
            logging.info('TPU %s: %s; waiting up to %.0f s', address.tpu, seen, left)
            told = seen
        time.sleep(min(poll_s, left))


def _look(client: cloud_tpu_client.Client, address: TpuAddress) -> Node | str:
    """The node if it is ready, else the reason to wait."""
    try:
        accelerator_type = client.accelerator_type() or ''
        cores_of(accelerator_type)  # Raises at once for a TPU that cannot be used.
        state = client.state() or 'STATE_UNSPECIFIED'
        if state in _WAIT:
            return f'it is {state}'
        if state != 'READY':
            remedy = _REMEDIES.get(state, _OTHER_REMEDY).format(node=address.gcloud)
            raise errors.UserError(f'--tpu={address.tpu} is {state}: {remedy}')
        health = client.health() or ''
        if health == 'UNHEALTHY_MAINTENANCE':  # It comes back by itself.
            return f'its health is {health}'
        if 'UNHEALTHY' in health or health == 'TIMEOUT':
            remedy = _OTHER_REMEDY.format(node=address.gcloud)
            raise errors.UserError(f'--tpu={address.tpu} is READY, but its health is {health}: {remedy}')
        return Node(accelerator_type, _endpoints(client, address))
    except _TROUBLES as error:
        # The client hides the error behind a ValueError, which has it only as its __context__.
        return _trouble(error.__context__ if isinstance(error, ValueError) and error.__context__ else error, address)


def _endpoints(client: cloud_tpu_client.Client, address: TpuAddress) -> tuple[str, ...]:
    try:
        found = client.network_endpoints()
    except KeyError:
        found = []
    if not found or not all(endpoint.get('ipAddress') for endpoint in found):
        raise errors.UserError(
            f'--tpu={address.tpu} is READY, but has no address: look at gcloud compute tpus tpu-vm describe '
            + address.gcloud
        )
    return tuple(f'{endpoint["ipAddress"]}:{endpoint.get("port") or 8470}' for endpoint in found)


def _trouble(error: BaseException, address: TpuAddress) -> str:
    """The reason that the API did not answer, if it may answer later; otherwise raises UserError with the fix."""
    reason = ' '.join(str(error).split()) or type(error).__name__
    if isinstance(error, oauth2.ApplicationDefaultCredentialsError):
        raise errors.UserError(f'--tpu={address.tpu} is a name, and this machine has no credentials: {_LOGIN}')
    status = int(error.resp.status) if isinstance(error, api_errors.HttpError) else 0
    if isinstance(error, api_errors.HttpError):
        reason = ' '.join(f'{status} {error.reason}'.split())
    if isinstance(error, oauth2.AccessTokenRefreshError) or status == 401:
        raise errors.UserError(f'--tpu={address.tpu}: Google rejects the credentials ({reason}): {_LOGIN}')
    if status == 403:
        raise errors.UserError(
            f'--tpu={address.tpu}: the Cloud TPU API refuses ({reason}): run gcloud services enable tpu.googleapis.com '
            f'--project={address.project}, and give this account roles/tpu.viewer (to create TPUs, roles/tpu.admin)'
        )
    if status == 404:
        raise errors.UserError(
            f'--tpu={address.tpu} is not in zone {address.zone} of project {address.project} ({reason}): see gcloud '
            f'compute tpus tpu-vm list --zone={address.zone} --project={address.project}'
        )
    if status == 429 or status >= 500:
        return f'the Cloud TPU API answers {reason}'
    if isinstance(error, _UNREACHABLE):
        return f'the Cloud TPU API cannot be reached ({reason})'
    if isinstance(error, RuntimeError):  # It left READY between two requests.
        return reason
    raise errors.UserError(
        f'--tpu={address.tpu}: the Cloud TPU API gave no answer ({type(error).__name__}: {reason}): check --tpu_zone='
        f'{address.zone} and --gcp_project={address.project}'
    )


def _probe(endpoint: str, address: TpuAddress, deadline: float, poll_s: float, connect_s: float) -> None:
    host, port = endpoint.rsplit(':', 1)
    for attempt in range(_PROBES):
        try:
            socket.create_connection((host, int(port)), timeout=connect_s).close()
            return
        except OSError as error:
            left = deadline - time.monotonic()
            if attempt + 1 < _PROBES and left > 0:
                time.sleep(min(poll_s, left))
                continue
            reason = error.strerror or str(error)
    raise errors.UserError(
        f'nothing answers at {endpoint} of --tpu={address.tpu} ({reason}): a TPU VM runs the job itself, with '
        '--tpu=local; only a machine that serves the gRPC runtime of TensorFlow (port 8470) answers other machines, '
        'from the same VPC network and if the firewall allows it'
    )
