"""The machines of Vertex AI that this trainer can use: CPUs, CPUs with a GPU, and TPUs of v2 and v3."""

from __future__ import annotations

import dataclasses
import re

from trainer.machine.tpu_runtime import PJRT_ONLY
from trainer.vertex.documents import Node

CPU, GPU, TPU = 'cpu', 'gpu', 'tpu'
HOST_CORES, POD_CORES = 8, 32

_TPU_MACHINE = 'cloud-tpu'
_PJRT_MACHINE = re.compile(r'(ct\d|tpu\d).*')
_PJRT_TPUS = ('TPU_V5_LITEPOD',)
# The GPU that is part of a family of machines; the others are attached to n1 machines.
_BUILT_IN = {
    'g2-standard': 'NVIDIA_L4',
    'a2-highgpu': 'NVIDIA_TESLA_A100',
    'a2-megagpu': 'NVIDIA_TESLA_A100',
    'a2-ultragpu': 'NVIDIA_A100_80GB',
    'a3-highgpu': 'NVIDIA_H100_80GB',
    'a3-megagpu': 'NVIDIA_H100_MEGA_80GB',
    'a3-ultragpu': 'NVIDIA_H200_141GB',
    'a4-highgpu': 'NVIDIA_B200',
}
_ATTACHED = ('NVIDIA_TESLA_K80', 'NVIDIA_TESLA_P100', 'NVIDIA_TESLA_V100', 'NVIDIA_TESLA_P4', 'NVIDIA_TESLA_T4')
_PLAIN = re.compile(r'(e2|n1|n2|n2d|n4|c2|c2d|c3|c3d|c4|t2d|m1|m2|m3)-(standard|highmem|highcpu|ultramem|megamem)-\d+')


@dataclasses.dataclass(frozen=True)
class Hardware:
    """The machine of a job.

    Attributes:
      kind: 'cpu', 'gpu' or 'tpu'.
      cores: TPU cores; 1 without a TPU.
    """

    kind: str
    cores: int = 1


def hardware(machine: Node) -> Hardware:
    """Reads a machineSpec.

    Raises:
      errors.UserError: there is no such machine, or the trainer cannot use it.
    """
    kind, accelerator, count = (machine.get(key) for key in ('machineType', 'acceleratorType', 'acceleratorCount'))
    if not kind:
        raise machine.error('machineType is missing: it must be given, such as n1-standard-8 or cloud-tpu')
    if _PJRT_MACHINE.fullmatch(kind.value):
        raise kind.error(
            f'{kind.value!r} cannot be used: {PJRT_ONLY}; take machineType: cloud-tpu with TPU_V2 or TPU_V3'
        )
    if accelerator and accelerator.value in _PJRT_TPUS:
        raise accelerator.error(f'{accelerator.value} cannot be used: {PJRT_ONLY}; take TPU_V2 or TPU_V3')
    if not accelerator or not count:
        one = accelerator or count
        if one:
            raise one.error('acceleratorType and acceleratorCount go together: give both, or none for a CPU')
        return _without_accelerator(kind)
    if int(count.value) < 1:
        raise count.error(f'{count.value} is not a number of accelerators: give at least 1')
    if kind.value == _TPU_MACHINE or accelerator.value.startswith('TPU'):
        return _tpu(machine, kind, accelerator, count)
    return _gpu(kind, accelerator)


def _without_accelerator(kind: Node) -> Hardware:
    if kind.value == _TPU_MACHINE:
        raise kind.error('cloud-tpu needs acceleratorType: TPU_V2 or TPU_V3, and acceleratorCount: 8')
    needed = _built_in(kind.value)
    if needed:
        raise kind.error(
            f'{kind.value} comes with a GPU that must be named: add acceleratorType: {needed} and its count'
        )
    if not _PLAIN.fullmatch(kind.value):
        raise kind.error(f'{kind.value!r} is not a machine type for training: write one such as n1-standard-8')
    return Hardware(CPU)


def _gpu(kind: Node, accelerator: Node) -> Hardware:
    needed = _built_in(kind.value)
    if needed and accelerator.value != needed:
        raise accelerator.error(f'{kind.value} has {needed} and no other: name that, or take another machineType')
    if needed:
        return Hardware(GPU)
    homes = [family for family, gpu in _BUILT_IN.items() if gpu == accelerator.value]
    if homes:
        raise kind.error(f'{accelerator.value} comes with machines of {" or ".join(homes)} only: take one of them')
    if accelerator.value not in _ATTACHED:
        raise accelerator.error(f'{accelerator.value} is not a GPU: name one, or delete both accelerator keys')
    if not re.fullmatch(r'n1-(standard|highmem|highcpu)-\d+', kind.value):
        raise kind.error(f'{accelerator.value} is attached to n1 machines only: write one such as n1-standard-8')
    return Hardware(GPU)


def _tpu(machine: Node, kind: Node, accelerator: Node, count: Node) -> Hardware:
    if kind.value != _TPU_MACHINE:
        raise kind.error(f'{accelerator.value} is not attached to {kind.value}: write machineType: cloud-tpu')
    if accelerator.value not in ('TPU_V2', 'TPU_V3'):
        raise accelerator.error(f'cloud-tpu has no {accelerator.value} for training: write TPU_V2 or TPU_V3')
    topology = machine.get('tpuTopology')
    if topology:
        raise topology.error('a v2 or v3 TPU takes no topology: delete the key; acceleratorCount gives its size')
    cores = int(count.value)
    if cores != HOST_CORES and cores % POD_CORES:
        raise count.error(f'{cores} is not a number of TPU cores: give 8, or a multiple of 32 for a Pod')
    return Hardware(TPU, cores)


def _built_in(machine: str) -> str:
    family, _, size = machine.rpartition('-')
    return _BUILT_IN.get(family, '') if re.fullmatch(r'\d+g?', size) else ''
