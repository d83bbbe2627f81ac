"""Rules of a job's flags and its machine together: nothing idle, a batch that can be shared, the right runtime."""

from __future__ import annotations

import dataclasses
import os
import re

from trainer import errors
from trainer.machine import runtime, schedule
from trainer.machine.options import ESTIMATOR, PJRT
from trainer.vertex.machines import GPU, TPU, Hardware
from trainer.vertex.task_flags import Arguments


def check(arguments: Arguments, hardware: Hardware) -> None:
    """Checks that the arguments use the machine that the job asks for.

    Raises:
      errors.UserError: they contradict each other, leave the machine idle, or its cores cannot share the batch.
    """
    tpu = arguments.tpu
    if hardware.kind != TPU and tpu.use_tpu:
        raise arguments.error('use_tpu', f'--use_tpu=true on a {hardware.kind.upper()}: write --use_tpu=false')
    if hardware.kind != GPU and tpu.use_gpu:
        raise arguments.error('use_gpu', f'--use_gpu=true on a {hardware.kind.upper()}: write --use_gpu=false')
    if hardware.kind == TPU:
        _check_tpu(arguments, hardware)
    elif hardware.kind == GPU:
        _check_gpu(arguments, hardware)
    if hardware.kind == TPU and hardware.pjrt:  # What --runtime=auto finds there.
        tpu = dataclasses.replace(tpu, runtime=PJRT)
    try:  # Looks at the flags only: neither a variable nor a chip of this machine is shown to it.
        runtime.choose(tpu, {}, pci=os.devnull)
    except errors.UserError as error:
        named = [name for name in re.findall(r'--(\w+)', str(error)) if name in arguments.given]
        raise arguments.error(named[0] if named else '', str(error)) from None
    if hardware.kind == TPU or tpu.use_gpu:
        _check_share(arguments, hardware)


def _check_tpu(arguments: Arguments, hardware: Hardware) -> None:
    tpu = arguments.tpu
    if not tpu.use_tpu:
        raise arguments.error('use_tpu', 'the job pays for a TPU and does not use it: write --use_tpu=true')
    if tpu.tpu not in ('local', ''):
        raise arguments.error('tpu', f'--tpu={tpu.tpu}: the TPU of a job is on its own machine: write --tpu=local')
    if hardware.pjrt and tpu.runtime == ESTIMATOR:
        raise arguments.error('runtime', '--runtime=estimator: a v5e or v6e has PJRT only: write --runtime=pjrt')
    if not hardware.pjrt and tpu.runtime == PJRT:
        raise arguments.error('runtime', '--runtime=pjrt: JAX does not support a v2 or v3: write --runtime=estimator')


def _check_gpu(arguments: Arguments, hardware: Hardware) -> None:
    machine = arguments.tpu
    if hardware.pjrt and not machine.use_gpu:
        raise arguments.error(
            'use_gpu', 'the job pays for a GPU, which this image uses through JAX only: write --use_gpu=true'
        )
    if hardware.pjrt is False and (machine.use_gpu or machine.runtime == PJRT):
        name, value = ('use_gpu', 'true') if machine.use_gpu else ('runtime', PJRT)
        fix = 'write an imageUri that ends with -gpu-pjrt and its tag, or delete the flag'
        raise arguments.error(name, f'--{name}={value} needs JAX, which this image does not have: {fix}')


def _check_share(arguments: Arguments, hardware: Hardware) -> None:
    """Checks the batch of an accelerator, its replicas and its steps in a loop."""
    machine, batch_size = arguments.tpu, arguments.hparams.train_batch_size
    if machine.replicas > hardware.cores:
        raise arguments.error(
            'replicas',
            f'--replicas={machine.replicas}: the machine has {hardware.cores} devices: write no more, or 0 for all',
        )
    cores, what = machine.replicas or hardware.cores, 'devices'
    if hardware.kind == TPU and not hardware.pjrt:  # TPUEstimator uses all of them.
        cores, what = hardware.cores, 'TPU cores'
    if batch_size % cores:
        raise arguments.error(
            'train_batch_size',
            f'--train_batch_size={batch_size} cannot be shared by {cores} {what}: it must be a multiple',
        )
    try:
        schedule.iterations_per_loop(machine.iterations_per_loop, arguments.run)
    except errors.UserError as error:
        raise arguments.error('iterations_per_loop', str(error)) from None
