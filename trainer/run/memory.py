"""Refuses a model or a batch that this machine's memory cannot hold, before the system kills the process."""

from __future__ import annotations

import contextlib
import math
import os
import pathlib

import tensorflow as tf

from trainer import errors
from trainer.dcgan.architecture import BOTTOM_SIZE, FULL_SIZE_KERNEL, Architecture
from trainer.dcgan.hparams import HParams

_FLOAT_BYTES = 4
_COPIES = 4  # Of each weight: its value, its gradient, and Adam's two moments.
_PASSES = 3  # Through layers of these sizes: the generator, and the discriminator on real and on generated images.
# Limits of containers: a process may use less memory than the machine has.
_LIMITS = ('/sys/fs/cgroup/memory.max', '/sys/fs/cgroup/memory/memory.limit_in_bytes')


def check(hparams: HParams) -> None:
    """Compares the least memory that a training step needs on a CPU with the memory of this machine.

    Args:
      hparams: with image size and channels.

    Raises:
      errors.UserError: the step needs more than there is.
    """
    if tf.config.list_physical_devices('GPU'):  # Most of the memory is then on the GPU.
        return
    weights, images = weight_bytes(hparams.architecture), image_bytes(hparams.architecture) * hparams.train_batch_size
    available = physical_bytes()
    if weights + images > available:
        raise errors.UserError(
            f'--base_filters={hparams.base_filters} --noise_dim={hparams.noise_dim} --train_batch_size='
            f'{hparams.train_batch_size} at {hparams.image_size} px need more than {(weights + images) / 2**30:,.1f} '
            f'GiB of memory, {weights / 2**30:,.1f} GiB of it for the networks, but this machine has '
            f'{available / 2**30:,.1f} GiB: give smaller values'
        )


def weight_bytes(architecture: Architecture) -> int:
    """The least memory, in bytes, that the kernels of both networks take during training."""
    filters = (architecture.channels, *architecture.filters)
    convolutions = 2 * sum(architecture.kernel_size**2 * before * after for before, after in zip(filters, filters[1:]))
    strided, full_size = architecture.kernel_size**2 * filters[1], FULL_SIZE_KERNEL**2 * architecture.channels
    convolutions += (architecture.refining_filters + architecture.input_filters) * (strided + full_size)
    dense = BOTTOM_SIZE**2 * filters[-1] * (architecture.noise_dim + 1)
    return (convolutions + dense) * _FLOAT_BYTES * _COPIES


def image_bytes(architecture: Architecture) -> int:
    """The least memory, in bytes, that the activations of one image take until the backward pass."""
    sides = (architecture.image_size >> i for i in range(1, len(architecture.filters) + 1))
    strided = sum(side**2 * filters for side, filters in zip(sides, architecture.filters)) * _PASSES
    full_size = architecture.refining_filters + (_PASSES - 1) * architecture.input_filters
    return (strided + architecture.image_size**2 * full_size) * _FLOAT_BYTES


def physical_bytes() -> float:
    """The most memory, in bytes, that this process can use; infinity if unknown."""
    found = [math.inf]
    with contextlib.suppress(ValueError, OSError, AttributeError):
        found.append(os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES'))
    for path in _LIMITS:
        with contextlib.suppress(ValueError, OSError):  # 'max' means no limit.
            found.append(int(pathlib.Path(path).read_text()))
    return min(found)
