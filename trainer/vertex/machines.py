"""The machines of Vertex AI that this trainer can use: CPUs, CPUs with a GPU, and TPUs of v2, v3, v5e and v6e."""

from __future__ import annotations

import dataclasses
import re

from trainer.vertex.documents import Node

CPU, GPU, TPU = 'cpu', 'gpu', 'tpu'
HOST_CORES, POD_CORES = 8, 32

_TPU_MACHINE = 'cloud-tpu'
_PJRT_MACHINE = re.compile(r'(ct\d|tpu\d).*')
_NEWER_MACHINE = re.compile(r'tpu\d.*')  # TPU7x, whose names no longer begin with ct.
# A v5e (ct5lp) or v6e (ct6e), and the topology of a slice with one host, by the end of the machine's name: its chips.
_SLICE = re.compile(r'(ct5lp-hightpu|ct6e-standard)-([148]t)')
_ONE_HOST = {'1t': '1x1', '4t': '2x2', '8t': '2x4'}
_TOPOLOGY = re.compile(r'([1-9]\d{0,2})x([1-9]\d{0,2})')
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
      cores: TPU cores or, of a v5e or v6e, chips; GPUs; 1 for a CPU.
      pjrt: whether it trains through PJRT: a v5e and v6e do, a v2 and v3 do not; None for a CPU, and for a GPU, where
        the image decides.
    """

    kind: str
    cores: int = 1
    pjrt: bool | None = None


def hardware(machine: Node) -> Hardware:
    """Reads a machineSpec.

    Raises:
      errors.UserError: there is no such machine, or the trainer cannot use it.
    """
    kind, accelerator, count = (machine.get(key) for key in ('machineType', 'acceleratorType', 'acceleratorCount'))
    if not kind:
        raise machine.error('machineType is missing: it must be given, such as n1-standard-8 or cloud-tpu')
    if _PJRT_MACHINE.fullmatch(kind.value):
        return _pjrt_tpu(machine, kind)
    if accelerator and accelerator.value == 'TPU_V5_LITEPOD':
        raise accelerator.error(
            f'{accelerator.value} is not how a job names a v5e: write machineType: ct5lp-hightpu-8t and tpuTopology: '
            '2x4, and delete both accelerator keys'
        )
    topology = machine.get('tpuTopology')
    if topology:
        raise topology.error(f'{topology.value}: only a v5e or v6e has a topology, not {kind.value}: delete the key')
    if not accelerator or not count:
        one = accelerator or count
        if one:
            raise one.error('acceleratorType and acceleratorCount go together: give both, or none for a CPU')
        return _without_accelerator(kind)
    if int(count.value) < 1:
        raise count.error(f'{count.value} is not a number of accelerators: give at least 1')
    if kind.value == _TPU_MACHINE or accelerator.value.startswith('TPU'):
        return _tpu(kind, accelerator, count)
    return _gpu(kind, accelerator, int(count.value))


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


def _gpu(kind: Node, accelerator: Node, count: int) -> Hardware:
    needed = _built_in(kind.value)
    if needed and accelerator.value != needed:
        raise accelerator.error(f'{kind.value} has {needed} and no other: name that, or take another machineType')
    if needed:
        return Hardware(GPU, count)
    homes = [family for family, gpu in _BUILT_IN.items() if gpu == accelerator.value]
    if homes:
        raise kind.error(f'{accelerator.value} comes with machines of {" or ".join(homes)} only: take one of them')
    if accelerator.value not in _ATTACHED:
        raise accelerator.error(f'{accelerator.value} is not a GPU: name one, or delete both accelerator keys')
    if not re.fullmatch(r'n1-(standard|highmem|highcpu)-\d+', kind.value):
        raise kind.error(f'{accelerator.value} is attached to n1 machines only: write one such as n1-standard-8')
    return Hardware(GPU, count)


def _tpu(kind: Node, accelerator: Node, count: Node) -> Hardware:
    if kind.value != _TPU_MACHINE:
        raise kind.error(f'{accelerator.value} is not attached to {kind.value}: write machineType: cloud-tpu')
    if accelerator.value not in ('TPU_V2', 'TPU_V3'):
        raise accelerator.error(f'cloud-tpu has no {accelerator.value} for training: write TPU_V2 or TPU_V3')
    cores = int(count.value)
    if cores != HOST_CORES and cores % POD_CORES:
        raise count.error(f'{cores} is not a number of TPU cores: give 8, or a multiple of 32 for a Pod')
    return Hardware(TPU, cores, pjrt=False)


def _pjrt_tpu(machine: Node, kind: Node) -> Hardware:
    """Reads the machineSpec of a v5e or v6e, whose size is in its machineType and tpuTopology."""
    if _NEWER_MACHINE.fullmatch(kind.value):
        raise kind.error(
            f'{kind.value!r} cannot be used: a TPU7x needs a newer JAX than fits beside TensorFlow 2.15; take '
            'machineType: ct6e-standard-8t with tpuTopology: 2x4'
        )
    named = _SLICE.fullmatch(kind.value)
    if not named:
        raise kind.error(
            f'{kind.value!r} is not a TPU machine for training: write ct5lp-hightpu-1t, -4t or -8t (v5e), or '
            'ct6e-standard-1t, -4t or -8t (v6e)'
        )
    for key in ('acceleratorType', 'acceleratorCount'):
        if key in machine.keys:
            raise machine[key].error(f'{kind.value} takes no {key}: delete it; tpuTopology gives the size')
    right, chips = _ONE_HOST[named[2]], int(named[2][0])
    topology = machine.get('tpuTopology')
    if not topology:
        raise kind.error(f'{kind.value} needs a topology: add tpuTopology: {right}')
    if topology.value == right:
        return Hardware(TPU, chips, pjrt=True)
    sides = _TOPOLOGY.fullmatch(topology.value)
    hosts = int(sides[1]) * int(sides[2]) // chips if sides and named[2] == '4t' else 1
    if hosts > 1:
        raise topology.error(
            f'{topology.value} of {kind.value} is {hosts} hosts, and the trainer uses one through PJRT, where hosts '
            f'would have to agree on who saves and when to stop: write {right}, or machineType: '
            f'{named[1]}-8t with tpuTopology: {_ONE_HOST["8t"]}'
        )
    raise topology.error(f'{topology.value!r} is not a topology of {kind.value}: write tpuTopology: {right}')


def _built_in(machine: str) -> str:
    family, _, size = machine.rpartition('-')
    return _BUILT_IN.get(family, '') if re.fullmatch(r'\d+g?', size) else ''
