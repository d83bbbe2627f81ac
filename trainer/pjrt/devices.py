"""Finds the PJRT devices that JAX sees, and sets JAX up to use them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from absl import logging

from trainer import errors
from trainer.pjrt import installation, private
from trainer.pjrt.installation import CPU, GPU, TPU

if TYPE_CHECKING:
    import jax

_PLATFORMS = {TPU: 'tpu', GPU: 'cuda', CPU: 'cpu'}  # As JAX_PLATFORMS names them.
_HOSTS = 'TPU_WORKER_HOSTNAMES'  # Set on the hosts of a TPU slice.


def find(kind: str, replicas: int, cache_dir: str, environ: Mapping[str, str]) -> tuple[jax.Device, ...]:
    """The devices to train on.

    Args:
      kind: 'tpu', 'gpu' or 'cpu'. The variable JAX_PLATFORMS, if it is set, may say cpu instead, to try.
      replicas: how many devices to take; 0 takes all.
      cache_dir: where JAX keeps compiled programs, local or gs://; '' keeps none.
      environ: the environment variables.

    Raises:
      errors.UserError: JAX is missing or does not fit, it sees no such device or too few, or there are several hosts.
    """
    asked = environ.get('JAX_PLATFORMS', '')
    kind = CPU if asked == CPU else kind
    _check_one_host(environ.get(_HOSTS, ''))
    installation.check(kind)
    import jax

    private.check_names()
    if not asked:
        jax.config.update('jax_platforms', _PLATFORMS[kind])
    if cache_dir:
        jax.config.update('jax_compilation_cache_dir', cache_dir)
        jax.config.update('jax_persistent_cache_min_compile_time_secs', 0.0)
    try:
        found = jax.devices()
    except RuntimeError as error:
        raise errors.UserError(_why_none(kind, str(error))) from None
    if jax.process_count() > 1:
        raise errors.UserError(_several_hosts(jax.process_count()))
    if kind != CPU and found[0].platform != kind:
        raise errors.UserError(_why_none(kind, f'it sees {found[0].device_kind}'))
    if replicas > len(found):
        raise errors.UserError(f'--replicas={replicas}: JAX sees {len(found)} devices ({found[0].device_kind})')
    logging.info('JAX %s: %d x %s', jax.__version__, replicas or len(found), found[0].device_kind)
    return tuple(found[: replicas or len(found)])


def _check_one_host(hosts: str) -> None:
    """Looks before JAX does: it would wait for the other hosts."""
    if ',' in hosts:
        raise errors.UserError(_several_hosts(hosts.count(',') + 1))


def _several_hosts(count: int) -> str:
    return (
        f'this TPU has {count} hosts, and --runtime=pjrt trains on one: what is missing is that all hosts agree on who '
        'saves, when to stop and which step was restored; take a slice with one host, such as v5litepod-8 or v6e-8'
    )


def _why_none(kind: str, reason: str) -> str:
    others = {TPU: 'end any other process that uses the TPU', GPU: 'see that nvidia-smi shows the GPU'}
    return (
        f'JAX finds no {kind.upper()} ({errors.one_line(reason)[:300]}): {others.get(kind, "unset JAX_PLATFORMS")}, or '
        'train here with --use_tpu=false'
    )
