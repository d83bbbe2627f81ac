"""Chooses between the two runtimes: TPUEstimator's own, and PJRT through JAX."""

from __future__ import annotations

import glob
import os
import pathlib
from collections.abc import Mapping

from absl import logging

from trainer import errors
from trainer.machine import tpu_address, tpu_runtime
from trainer.machine.options import ESTIMATOR, PJRT, MachineOptions

_PCI = '/sys/bus/pci/devices'
_GOOGLE = '0x1ae0'
# Of v5p, v5e, v6e and TPU7x; jax/_src/hardware_utils.py has the list.
_PJRT_CHIPS = {'0x0062': 'v5p', '0x0063': 'v5e', '0x006f': 'v6e', '0x0076': 'tpu7x'}


def choose(machine: MachineOptions, environ: Mapping[str, str], pci: str = _PCI) -> str:
    """The runtime to train with, 'estimator' or 'pjrt'.

    Args:
      machine: the flags.
      environ: the environment variables.
      pci: where the system describes its PCI devices.

    Raises:
      errors.UserError: the flags contradict each other.
    """
    if machine.use_tpu and machine.use_gpu:
        raise errors.UserError('--use_tpu=true --use_gpu=true: give one of them')
    if machine.runtime == ESTIMATOR:
        _check_estimator(machine)
        return ESTIMATOR
    if machine.use_tpu and machine.tpu not in (tpu_address.LOCAL, ''):
        if machine.runtime == PJRT:
            raise errors.UserError(
                f'--tpu={machine.tpu}: --runtime=pjrt trains on the TPU of the machine that it runs on: run the same '
                'command on that TPU VM, with --tpu=local'
            )
        return ESTIMATOR
    if machine.runtime == PJRT or machine.use_gpu:
        return PJRT
    why = why_pjrt(environ, pci) if machine.use_tpu else ''
    if why:
        logging.info('--runtime=auto is pjrt: %s', why)
        return PJRT
    _check_estimator(machine)
    return ESTIMATOR


def why_pjrt(environ: Mapping[str, str], pci: str = _PCI) -> str:
    """What shows that the TPU of this machine has a PJRT runtime; '' if nothing does."""
    for name, harmless in tpu_runtime.PJRT_VARIABLES.items():
        value = environ.get(name, '')
        if value.lower() not in harmless:
            return f'{name}={value!r}'
    if environ.get('JAX_PLATFORMS'):
        return f'JAX_PLATFORMS={environ["JAX_PLATFORMS"]!r}'
    kind = environ.get('TPU_ACCELERATOR_TYPE', '')
    if tpu_runtime.is_pjrt_type(kind):
        return f'the TPU is a {kind}'
    chip = _chip(pci)
    return f'the TPU is a {chip}' if chip else ''


def _check_estimator(machine: MachineOptions) -> None:
    if machine.use_gpu:
        raise errors.UserError(
            '--use_gpu=true trains through PJRT: leave out --runtime=estimator, or leave out --use_gpu, if this '
            'TensorFlow is a build with CUDA'
        )
    if machine.replicas > 1:
        raise errors.UserError(
            f'--replicas={machine.replicas} is for --runtime=pjrt: TPUEstimator uses all cores of a '
            'TPU, and a CPU counts as one'
        )


def _chip(pci: str) -> str:
    for vendor in glob.glob(os.path.join(glob.escape(pci), '*', 'vendor')):
        try:
            if pathlib.Path(vendor).read_text().strip() != _GOOGLE:
                continue
            device = pathlib.Path(vendor).with_name('device').read_text().strip()
        except OSError:
            continue
        if device in _PJRT_CHIPS:
            return _PJRT_CHIPS[device]
    return ''
