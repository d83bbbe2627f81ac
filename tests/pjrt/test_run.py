"""Whole runs on four devices: everything that a run has, and from one runtime to the other in one folder."""

from __future__ import annotations

import itertools
import logging
import os
import pathlib
import re
import shlex
import signal
import time
from collections.abc import Iterator

import pytest
import tensorflow as tf

from tests.conftest import ROOT, TINY_FLAGS, tiny_hparams
from tests.pjrt.conftest import DEVICES
from tests.processes import Started, start_module
from tests.xla import FAST
from trainer import errors
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints
from trainer.options import DataOptions, RunOptions
from trainer.run import device_timing, experiment

PJRT = {'runtime': 'pjrt'}
TINY = {'sample_steps': 4, 'save_steps': 4, 'eval_steps': 4, 'log_steps': 2, 'sample_count': 4, 'eval_samples': 16}
OPTIONS = {**TINY, 'extractor': 'pixels'}
MODEL = {'compute_dtype': 'float32', 'update': 'joint'}


def run(data: str, model_dir: pathlib.Path, train_steps: int, machine: dict, **changes) -> int:
    hparams = tiny_hparams(train_steps=train_steps, **MODEL, **changes)
    options = RunOptions(str(model_dir), **OPTIONS)
    return experiment.run(hparams, DataOptions(train_data=data), options, MachineOptions(**machine))


def saved(model_dir: pathlib.Path) -> set[int]:
    return {checkpoints.step_of(path) for path in checkpoints.newest_first(str(model_dir))}


@pytest.mark.usefixtures('jax')
def test_a_run_changes_its_runtime_and_does_all_at_the_exact_steps(dataset32, tmp_path, caplog):
    """Visits of two steps, a shorter one to step 4, where the first evaluation is due, and one at the end."""
    caplog.set_level(logging.INFO, 'absl')
    model_dir = tmp_path / 'run'
    assert run(dataset32, model_dir, 3, {}) == 0
    caplog.clear()
    assert run(dataset32, model_dir, 11, PJRT) == 0
    log = caplog.text
    assert re.search(rf'JAX [\d.]+: {DEVICES} x cpu', log)
    assert 'resuming' in log
    assert re.search(rf'compiled the step for {DEVICES} x cpu in \d+\.\d s', log)
    assert re.findall(r'hold-out at step (\d+): D\(real\)', log) == ['4', '8', '11']
    assert re.findall(r'step (\d+)/11 \|.*loss D \d', log) == ['6', '8', '10', '11']
    assert 'KID' in log
    assert 'verdict at step 11' in log
    assert re.search(r'input(-bound)?: ', log)
    assert saved(model_dir) >= {4, 8, 11}
    assert {path.name for path in (model_dir / 'samples').glob('step_*.png')} >= {
        f'step_{step:06d}.png' for step in (4, 8, 11)
    }
    assert (model_dir / 'saved_model' / 'saved_model.pb').exists()
    assert checkpoints.best(str(model_dir))

    newest = next(model_dir.glob('model.ckpt-11.data-*'))
    newest.write_bytes(newest.read_bytes()[:1000])
    caplog.clear()
    assert run(dataset32, model_dir, 12, PJRT) == 0
    assert 'model.ckpt-11 is not whole' in caplog.text
    assert 'at step 8' in caplog.text
    assert run(dataset32, model_dir, 13, {}) == 0
    assert saved(model_dir) >= {12, 13}


@pytest.mark.usefixtures('jax')
def test_a_nan_on_the_devices_ends_in_one_return_and_a_line(dataset32, tmp_path, caplog):
    with pytest.raises(errors.TrainingDiverged, match='also with another seed'):
        run(dataset32, tmp_path / 'run', 12, PJRT, learning_rate=1e38)
    assert len(re.findall('going back to step 0 once', caplog.text)) == 1
    assert saved(tmp_path / 'run') == {0}


@pytest.fixture
def other_cache(jax) -> Iterator[None]:
    """Lets a test keep compiled programs elsewhere: JAX opens a cache once."""
    from jax.experimental.compilation_cache import compilation_cache

    before = jax.config.jax_compilation_cache_dir
    compilation_cache.reset_cache()
    yield
    jax.config.update('jax_compilation_cache_dir', before)
    compilation_cache.reset_cache()


@pytest.mark.usefixtures('other_cache')
def test_the_devices_are_timed_alone_and_the_step_is_kept_in_a_bucket(tmp_path, gcs, caplog):
    caplog.set_level(logging.INFO, 'absl')
    hparams, options = tiny_hparams(train_steps=8, **MODEL), RunOptions(str(tmp_path / 'run'), log_steps=2)
    machine = MachineOptions(**PJRT, compile_cache_dir=f'{gcs.bucket}/compiled')
    assert device_timing.time_device(hparams, options, machine) == 0
    assert re.search(r'the device alone: \d+ images/s', caplog.text)
    assert any('jit_visit' in name for name in tf.io.gfile.listdir(machine.compile_cache_dir))
    assert not (tmp_path / 'run').exists()


@pytest.mark.usefixtures('jax')
def test_signals_save_and_kill_9_loses_little(dataset32, tmp_path, monkeypatch):
    words = documented_command()
    for word in itertools.takewhile(lambda word: word != 'python', words):
        monkeypatch.setenv(*word.split('=', 1))
    monkeypatch.setenv('XLA_FLAGS', f'{os.environ["XLA_FLAGS"]} {FAST}')
    flags = (
        *words[words.index('trainer.task') + 1 :],
        *TINY_FLAGS,
        f'--train_data={dataset32}',
        '--model_dir=run',
        '--train_steps=100000',
        '--log_steps=4',
    )
    flags += ('--sample_steps=1000', '--save_steps=20', '--eval_steps=0', '--update=joint', '--compile_cache_dir=cache')
    model_dir = tmp_path / 'run'
    with start_module('trainer.task', *flags, cwd=tmp_path) as process:
        seen = int(re.search(r'step (\d+)/', wait_for(process, ' images/s ')[-1])[1])
        process.send_signal(signal.SIGTERM)
        log = process.stderr.read()
        assert process.wait(30) == 143, log
    ended = checkpoints.step_of(checkpoints.recover(str(model_dir)))
    assert ended >= seen
    assert any((tmp_path / 'cache').iterdir())
    with start_module('trainer.task', '--use_tpu=true', *flags, cwd=tmp_path) as process:
        lines = wait_for(process, ' images/s ')
        assert any(f'at step {ended}' in line for line in lines)
        while not any(step > ended for step in saved(model_dir)):
            time.sleep(0.01)
        process.kill()
    assert checkpoints.step_of(checkpoints.recover(str(model_dir))) >= ended


def documented_command() -> list[str]:
    """The command of docs/tpu.md that trains on four CPU devices."""
    text = (ROOT / 'docs' / 'tpu.md').read_text().replace('\\\n', ' ')
    (command,) = re.findall(r'^JAX_PLATFORMS=.*$', text, re.MULTILINE)
    return shlex.split(command)


def wait_for(process: Started, words: str) -> list[str]:
    lines: list[str] = []
    for line in process.stderr:
        lines.append(line)
        if words in line:
            return lines
    raise AssertionError(''.join(lines))
