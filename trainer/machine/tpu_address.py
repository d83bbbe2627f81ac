"""The TPU's address, from --tpu, --tpu_zone, --gcp_project and Vertex AI's TPU_CONFIG; does not use the network."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from typing import Any

from trainer import errors

LOCAL = 'local'
_GRPC = 'grpc://'
_PORT = 8470
_FLAGS = {'tpu_node_name': '--tpu=NAME', 'zone': '--tpu_zone=ZONE', 'project': '--gcp_project=PROJECT'}


@dataclasses.dataclass(frozen=True)
class TpuAddress:
    """Where a TPU is: 'local', 'grpc://host:port[,host:port...]', or a node's name with its zone and project."""

    tpu: str
    zone: str = ''
    project: str = ''

    @property
    def endpoints(self) -> tuple[str, ...]:
        """'host:port' of each worker that a grpc:// address lists; none for a name or a local TPU."""
        return tuple(self.tpu[len(_GRPC) :].split(',')) if self.tpu.startswith(_GRPC) else ()

    @property
    def gcloud(self) -> str:
        """The arguments that name this TPU in gcloud commands."""
        return f'{self.tpu} --zone={self.zone} --project={self.project}'


def locate(tpu: str, zone: str, project: str, environ: Mapping[str, str]) -> TpuAddress:
    """Completes the flags --tpu, --tpu_zone and --gcp_project from TPU_CONFIG.

    Raises:
      errors.UserError: an address is malformed, or the name, zone or project is missing.
    """
    # Never pass '' on for a local TPU: with TPU_NAME=local, TensorFlow takes "local" for a node's name, and
    # TPUEstimator polls the API for the preemption of a node that does not exist.
    if tpu == LOCAL:
        return TpuAddress(LOCAL)
    if tpu.startswith(_GRPC):
        return TpuAddress(_GRPC + ','.join(_endpoint(part) for part in tpu[len(_GRPC) :].split(',')))
    if tpu and not re.fullmatch(r'[\w-]+', tpu, re.ASCII):
        raise errors.UserError(
            f'--tpu={tpu!r}: give local, the name of a TPU (letters, digits and hyphens), or {_GRPC}HOST:{_PORT}'
        )
    config = {} if tpu and zone and project else _tpu_config(environ)
    given = {'tpu_node_name': tpu, 'zone': zone, 'project': project}
    found = {key: value or config.get(key, '') for key, value in given.items()}
    missing = [key for key, value in found.items() if not value or not isinstance(value, str)]
    if missing:
        raise errors.UserError(_missing(tpu, missing, environ.get('TPU_CONFIG', '')))
    return TpuAddress(found['tpu_node_name'], found['zone'], found['project'])


def _tpu_config(environ: Mapping[str, str]) -> dict[str, Any]:
    """TPU_CONFIG as Vertex AI sets it: tpu_node_name, zone and project.

    TensorFlow reads it only in its own client. The installed cloud_tpu_client replaces that client and does not read
    it.
    """
    text = environ.get('TPU_CONFIG', '')
    try:
        config = json.loads(text or '{}')
    except ValueError:
        config = None
    if isinstance(config, dict):
        return config
    raise errors.UserError(
        f'TPU_CONFIG={text!r} is not a JSON object with {", ".join(_FLAGS)}: correct it, or unset it and give '
        + ' '.join(_FLAGS.values())
    )


def _missing(tpu: str, keys: list[str], config: str) -> str:
    fix = 'give ' + ' '.join(_FLAGS[key] for key in keys)
    if tpu:
        return f'--tpu={tpu} is a name, and a name needs a zone and a project: {fix}'
    if config:
        return f'--tpu= takes the TPU from TPU_CONFIG={config!r}, which lacks {", ".join(keys)}: correct it, or {fix}'
    return (
        f'--tpu= takes the TPU from TPU_CONFIG, which Vertex AI sets and which is not set here: {fix}, '
        'or --tpu=local on a TPU VM'
    )


def _endpoint(text: str) -> str:
    match = re.fullmatch(r'([\w-]{1,63}(?:\.[\w-]{1,63})*)(?::(\d{1,5}))?', text, re.ASCII)
    port = int(match[2] or _PORT) if match else 0
    if not match or not 0 < port < 65536:
        raise errors.UserError(
            f'--tpu={_GRPC}{text!r}: give {_GRPC}HOST:PORT, a host name or IPv4 address and its port (default {_PORT})'
        )
    return f'{match[1]}:{port}'
