"""Which runtime the flags, the variables and the chips of a machine lead to."""

from __future__ import annotations

import pathlib

import pytest

from trainer import errors
from trainer.machine import runtime
from trainer.machine.options import MachineOptions

TPU = {'use_tpu': True}


def pci(folder: pathlib.Path, *chips: tuple[str, str]) -> str:
    """A machine's PCI devices, as /sys describes them: vendor and device of each."""
    for number, (vendor, device) in enumerate(chips):
        place = folder / f'0000:00:0{number}.0'
        place.mkdir()
        (place / 'vendor').write_text(f'{vendor}\n')
        (place / 'device').write_text(f'{device}\n')
    return str(folder)


@pytest.mark.parametrize(
    ('flags', 'environ', 'chips', 'chosen'),
    [
        ({}, {}, [], 'estimator'),
        ({}, {'JAX_PLATFORMS': 'cpu'}, [], 'estimator'),  # Without an accelerator only the flag chooses PJRT.
        ({'runtime': 'pjrt'}, {}, [], 'pjrt'),
        ({'use_gpu': True}, {}, [], 'pjrt'),
        (TPU, {}, [('0x1ae0', '0x0027')], 'estimator'),  # A v2 or v3.
        (TPU, {}, [('0x1ae0', '0x005e')], 'estimator'),  # A v4, which has both.
        (TPU, {}, [('0x8086', '0x0063'), ('0x1ae0', '0x001f')], 'estimator'),  # Other vendor; Google's disk.
        (TPU, {}, [('0x8086', '0x1237'), ('0x1ae0', '0x0063')], 'pjrt'),  # A v5e.
        (TPU, {}, [('0x1ae0', '0x0062')], 'pjrt'),
        (TPU, {}, [('0x1ae0', '0x006f')], 'pjrt'),
        ({**TPU, 'runtime': 'estimator'}, {}, [('0x1ae0', '0x006f')], 'estimator'),  # Refused later, with the reason.
        (TPU, {'TPU_ACCELERATOR_TYPE': 'v6e-8'}, [], 'pjrt'),
        (TPU, {'TPU_ACCELERATOR_TYPE': 'v3-8'}, [], 'estimator'),
        (TPU, {'NEXT_PLUGGABLE_DEVICE_USE_C_API': 'true'}, [], 'pjrt'),
        (TPU, {'NEXT_PLUGGABLE_DEVICE_USE_C_API': '0', 'PJRT_DEVICE': 'TPU'}, [], 'estimator'),
        (TPU, {'TF_PLUGGABLE_DEVICE_LIBRARY_PATH': '/lib/libtpu.so'}, [], 'pjrt'),
        (TPU, {'JAX_PLATFORMS': 'cpu'}, [], 'pjrt'),
        ({**TPU, 'tpu': 'mytpu'}, {'TPU_ACCELERATOR_TYPE': 'v6e-8'}, [], 'estimator'),  # Elsewhere: the API tells.
    ],
)
def test_the_runtime_is_what_the_machine_has(flags, environ, chips, chosen, tmp_path):
    assert runtime.choose(MachineOptions(**flags), environ, pci(tmp_path, *chips)) == chosen


@pytest.mark.parametrize(
    ('flags', 'words'),
    [
        ({'use_tpu': True, 'use_gpu': True}, 'give one of them'),
        ({'use_gpu': True, 'runtime': 'estimator'}, 'leave out --runtime=estimator'),
        ({'replicas': 2}, '--replicas=2 is for --runtime=pjrt'),
        ({'use_tpu': True, 'runtime': 'pjrt', 'tpu': 'mytpu'}, 'run the same command on that TPU VM, with --tpu=local'),
    ],
)
def test_flags_that_contradict_each_other_are_refused(flags, words, tmp_path):
    with pytest.raises(errors.UserError, match=words):
        runtime.choose(MachineOptions(**flags), {}, str(tmp_path))
