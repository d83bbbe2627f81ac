"""From --use_tpu to a machine that can train, or to a one-line error."""

from __future__ import annotations

import logging
import socket

import pytest

from tests.fakes import tpu_program
from trainer import errors
from trainer.dcgan.hparams import HParams
from trainer.machine import preparation, tpu_runtime
from trainer.machine.options import MachineOptions
from trainer.machine.preparation import Machine
from trainer.machine.watchdog import Watchdog
from trainer.options import RunOptions


def prepare(tpu: MachineOptions, batch_size: int = 1024, environ: dict | None = None) -> Machine:
    return preparation.prepare(tpu, RunOptions(), HParams(train_batch_size=batch_size), environ or {}, Watchdog(0))


@pytest.fixture
def tpu_vm(monkeypatch):
    """Stands for a TPU VM with its runtime; the checks of the runtime have their own tests."""
    monkeypatch.setattr(tpu_runtime, 'check_runtime', lambda environ: None)


def test_without_a_tpu_nothing_is_looked_for():
    assert prepare(MachineOptions(), batch_size=7) == Machine(None, 1, 1)


@pytest.mark.parametrize(
    ('flags', 'compute_dtype', 'is_told'),
    [
        ('sse2 avx2', 'bfloat16', True),
        ('sse2 avx512f avx512_bf16', 'bfloat16', True),  # Also slower than float32, but less so (docs/speed.md).
        ('sse2 avx512_bf16 amx_bf16', 'bfloat16', False),
        ('fp asimd bf16', 'bfloat16', False),  # An Arm CPU.
        ('sse2 avx2', 'auto', False),
        (None, 'bfloat16', False),
    ],
)
def test_bfloat16_on_a_cpu_that_imitates_it_is_told(flags, compute_dtype, is_told, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(preparation, '_CPU_INFO', str(tmp_path / 'cpuinfo'))
    if flags is not None:
        (tmp_path / 'cpuinfo').write_text(f'processor\t: 0\nflags\t\t: {flags}\n')
    preparation.prepare(MachineOptions(), RunOptions(), HParams(compute_dtype=compute_dtype), {}, Watchdog(0))
    assert ('give --compute_dtype=float32' in caplog.text) == is_told


def test_a_tpu_vm_shares_the_batch_and_loops(tpu_vm, caplog):
    caplog.set_level(logging.INFO, 'absl')
    with tpu_program.tpu_system(8):
        found = prepare(MachineOptions(use_tpu=True))
    assert (found.use_tpu, found.cores, found.iterations_per_loop) == (True, 8, 500)
    assert found.cluster.master() == ''
    assert 'phase: resolve' in caplog.text
    assert 'phase: init' in caplog.text
    assert '8 TPU cores; 128 images a step each; 500 steps a loop' in caplog.text
    assert 'idle' not in caplog.text


def test_a_batch_that_leaves_a_tpu_idle_is_told(tpu_vm, caplog):
    with tpu_program.tpu_system(8):
        prepare(MachineOptions(use_tpu=True), 16)
    assert '--train_batch_size=16 gives each TPU core 2 images' in caplog.text
    assert 'at best 128, with --train_batch_size=1024' in caplog.text


def test_a_tpu_by_address_is_probed_before_tensorflow_waits_for_it():
    with socket.create_server(('127.0.0.1', 0)) as server, tpu_program.tpu_system(8):
        port = server.getsockname()[1]
        found = prepare(MachineOptions(use_tpu=True, tpu=f'grpc://127.0.0.1:{port}'))
    assert found.cluster.master() == f'grpc://127.0.0.1:{port}'
    with pytest.raises(errors.UserError, match=f'nothing answers at 127.0.0.1:{port}'):
        prepare(MachineOptions(use_tpu=True, tpu=f'grpc://127.0.0.1:{port}', tpu_ready_timeout_s=0))


@pytest.mark.parametrize('known', [{'TPU_ACCELERATOR_TYPE': 'v3-32'}, {}])
def test_a_batch_that_the_cores_cannot_share_is_refused(tpu_vm, known):
    with tpu_program.tpu_system(32), pytest.raises(errors.UserError) as refused:
        prepare(MachineOptions(use_tpu=True), 1000, known)
    assert str(refused.value) == (
        '--train_batch_size=1000 cannot be shared by 32 TPU cores: it must be a multiple of 32, such as 992 or 1024'
    )


def test_this_machine_is_no_tpu_vm():
    """The real checks, on the machine that runs the tests, which has no TPU."""
    with pytest.raises(errors.UserError, match='--use_tpu=false'):
        prepare(MachineOptions(use_tpu=True))


def test_a_tpu_without_cores_is_refused(tpu_vm):
    """TensorFlow's own answer on a machine without a TPU, as one line with a fix."""
    with pytest.raises(errors.UserError, match='--tpu=local shows no TPU cores: .*--use_tpu=false') as refused:
        prepare(MachineOptions(use_tpu=True))
    assert '\n' not in str(refused.value)


@pytest.mark.parametrize('records, expected', [(100, 96), (2000, 1024), (8, 8), (7, 0), (0, 0)])
def test_the_batch_of_an_evaluation_fits_the_cores(records, expected):
    assert Machine(cores=8).eval_batch_size(1024, records) == expected
    assert Machine().eval_batch_size(1024, records) == min(records, 1024)


def test_a_tpu_vm_of_a_kind_that_has_only_pjrt_is_refused_to_tpu_estimator():
    with pytest.raises(errors.UserError, match='the TPU is a v5litepod-8: .*have only PJRT'):
        prepare(MachineOptions(use_tpu=True, runtime='estimator'), environ={'TPU_ACCELERATOR_TYPE': 'v5litepod-8'})
