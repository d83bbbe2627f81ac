"""Prepares the machine that a run trains on: this one, or a TPU, which it finds, checks and counts the cores of."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import tensorflow as tf
from absl import logging

# TPUEstimator uses the same function; the public one would initialise the TPU system once more.
from tensorflow.python.tpu import tpu_system_metadata

from trainer import errors
from trainer.dcgan.hparams import HParams
from trainer.machine import runtime, schedule, tpu_address, tpu_node, tpu_runtime
from trainer.machine.options import PJRT, MachineOptions
from trainer.machine.watchdog import Watchdog
from trainer.options import RunOptions
from trainer.pjrt import devices, installation

_TILE = 8, 128  # A TPU core computes in tiles of this shape (Cloud TPU performance guide).
_CPU_INFO = '/proc/cpuinfo'  # Exists on Linux; elsewhere the CPU is unknown, and nothing is logged.


@dataclasses.dataclass(frozen=True)
class Machine:
    """Where to train.

    Attributes:
      cluster: where TPUEstimator finds the TPU; None means that TPUEstimator stays on this machine.
      cores: TPU cores that share a batch; 1 without a TPU of TPUEstimator.
      iterations_per_loop: steps of a TPU or of PJRT devices before they return to the host; 1 on a CPU, where more
        would only make the log coarser; 0 leaves the choice to `schedule.steps_a_visit`.
      devices: the PJRT devices that take the training steps; none if TPUEstimator takes them.
      for_tpu: whether those are a TPU.
    """

    cluster: tf.distribute.cluster_resolver.TPUClusterResolver | None = None
    cores: int = 1
    iterations_per_loop: int = 1
    devices: tuple[Any, ...] = ()
    for_tpu: bool = False

    @property
    def use_tpu(self) -> bool:
        """Whether this is a TPU of TPUEstimator."""
        return self.cluster is not None

    @property
    def trains_in_host_memory(self) -> bool:
        """Whether a step needs the memory of this machine, and not that of an accelerator."""
        return not self.use_tpu and all(device.platform == 'cpu' for device in self.devices)

    @property
    def is_this_host(self) -> bool:
        """Whether TensorFlow's host operations run in this process, and may write to its disk."""
        return self.cluster is None or not self.cluster.master()

    def eval_batch_size(self, batch_size: int, records: int) -> int:
        """The largest batch, up to `batch_size`, that `records` images fill and the cores can share; else 0."""
        return min(batch_size, records) // self.cores * self.cores


def prepare(
    tpu: MachineOptions, options: RunOptions, hparams: HParams, environ: Mapping[str, str], watchdog: Watchdog
) -> Machine:
    """Finds the machine that the flags ask for, and checks that it can train before TensorFlow touches it.

    Raises:
      errors.UserError: the TPU cannot be used, or does not fit the batch or the schedule.
    """
    if runtime.choose(tpu, environ) == PJRT:
        return _prepare_devices(tpu, options, hparams, environ, watchdog)
    if not tpu.use_tpu:
        _warn_of_slow_arithmetic(hparams.compute_dtype)
        return Machine()
    return _prepare_tpu(tpu, options, hparams, environ, watchdog)


def _prepare_devices(
    machine: MachineOptions, options: RunOptions, hparams: HParams, environ: Mapping[str, str], watchdog: Watchdog
) -> Machine:
    """Finds the PJRT devices of this machine."""
    if machine.iterations_per_loop:
        schedule.iterations_per_loop(machine.iterations_per_loop, options)
    watchdog.phase('init')
    if tf.config.list_physical_devices('GPU'):  # A TensorFlow build with CUDA would take all of its memory.
        tf.config.set_visible_devices([], 'GPU')
    kind = installation.TPU if machine.use_tpu else installation.GPU if machine.use_gpu else installation.CPU
    found = devices.find(kind, machine.replicas, machine.compile_cache_dir, environ)
    _check_batch(hparams.train_batch_size, len(found), 'devices')
    for_tpu = found[0].platform == installation.TPU
    if for_tpu:
        _warn_of_small_share(hparams.train_batch_size, len(found))
    return Machine(iterations_per_loop=machine.iterations_per_loop, devices=found, for_tpu=for_tpu)


def _prepare_tpu(
    tpu: MachineOptions, options: RunOptions, hparams: HParams, environ: Mapping[str, str], watchdog: Watchdog
) -> Machine:
    """Finds the TPU that TPUEstimator will use."""
    batch_size = hparams.train_batch_size
    iterations = schedule.iterations_per_loop(tpu.iterations_per_loop, options)
    watchdog.phase('resolve', patience=1 + tpu.tpu_ready_timeout_s / max(tpu.stall_timeout_s, 1))
    address = tpu_address.locate(tpu.tpu, tpu.tpu_zone, tpu.gcp_project, environ)
    local = address.tpu == tpu_address.LOCAL
    node = tpu_node.wait_until_ready(address, tpu.tpu_ready_timeout_s)
    kind = environ.get('TPU_ACCELERATOR_TYPE', '') if local else node.accelerator_type
    _check_batch(batch_size, tpu_node.cores_of(kind) or 1)
    if local:
        tpu_runtime.check_runtime(environ)
    cluster = tf.distribute.cluster_resolver.TPUClusterResolver(
        address.tpu, zone=address.zone or None, project=address.project or None
    )
    watchdog.phase('init')
    cores = _count_cores(cluster, address)
    _check_batch(batch_size, cores)
    logging.info('%d TPU cores; %d images a step each; %d steps a loop', cores, batch_size // cores, iterations)
    _warn_of_small_share(batch_size, cores)
    return Machine(cluster, cores, iterations)


def _warn_of_small_share(batch_size: int, cores: int) -> None:
    if batch_size // cores < _TILE[0]:
        logging.warning(
            '--train_batch_size=%d gives each TPU core %d images, so most of the core idles: give it a multiple of %d, '
            'at best %d, with --train_batch_size=%d', batch_size, batch_size // cores, *_TILE, _TILE[1] * cores,
        )  # fmt: skip


def _warn_of_slow_arithmetic(compute_dtype: str) -> None:
    if compute_dtype == 'bfloat16' and not tf.config.list_physical_devices('GPU') and not _multiplies_bfloat16():
        logging.warning(
            '--compute_dtype=bfloat16 is slower than float32 on a CPU without AMX, which must emulate it (with only '
            'AVX2, 8 times slower): give --compute_dtype=float32'
        )


def _multiplies_bfloat16() -> bool:
    """Whether this CPU has AMX; True if unknown, and for CPUs other than x86, which nobody has measured."""
    try:
        words = pathlib.Path(_CPU_INFO).read_text().split()
    except OSError:
        return True
    return 'amx_bf16' in words or 'sse2' not in words


def _check_batch(batch_size: int, cores: int, what: str = 'TPU cores') -> None:
    """Raises UserError unless the cores can share the batch."""
    if batch_size % cores:
        smaller = batch_size // cores * cores
        nearest = f'{smaller} or {smaller + cores}' if smaller else f'{cores}'
        raise errors.UserError(
            f'--train_batch_size={batch_size} cannot be shared by {cores} {what}: it must be a multiple of {cores}, '
            f'such as {nearest}'
        )


def _count_cores(cluster: tf.distribute.cluster_resolver.TPUClusterResolver, address: tpu_address.TpuAddress) -> int:
    metadata = tpu_system_metadata._query_tpu_system_metadata(
        cluster.master(), cluster_def=cluster.cluster_spec().as_cluster_def(), query_topology=False
    )
    if not metadata.num_cores:
        raise errors.UserError(
            f'--tpu={address.tpu} shows no TPU cores: end any other process that uses the TPU, or train here with '
            '--use_tpu=false'
        )
    return metadata.num_cores
