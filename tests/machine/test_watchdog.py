"""A job that hangs ends with an exit code, and logs where it hung."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest

from tests.conftest import ROOT, write_dataset
from tests.processes import start_module
from trainer.machine import watchdog

# The real trainer, on an input pipeline that stops after two batches.
STALLED = """
import time
import numpy as np
import tensorflow as tf
from trainer import cli, task
from trainer.dcgan import input_fn as inputs

def two_batches_and_no_more(*_):
    def batches():
        yield from [np.zeros([8, 32, 32, 3], np.uint8)] * 2
        time.sleep(100)
    def input_fn(params):
        signature = tf.TensorSpec([8, 32, 32, 3], tf.uint8)
        data = tf.data.Dataset.from_generator(batches, output_signature=signature)
        return data.map(lambda images: {'images': images})
    return input_fn

inputs.train_input_fn = two_batches_and_no_more
inputs.first_batch = lambda *_: {'images': tf.zeros([4, 32, 32, 3], tf.uint8)}
cli.run(task.main, task.__doc__, task._GROUPS)
"""


class Recorder(watchdog.Watchdog):
    """Records the end instead of ending the process of the tests."""

    def __init__(self, timeout_s: float):
        super().__init__(timeout_s)
        self.ended: list[float] = []

    def _end(self, allowed: float) -> None:
        self.ended.append(allowed)
        self._over.set()


def test_a_training_that_stalls_ends_with_4_and_the_stacks(tmp_path):
    data = write_dataset(tmp_path / 'data')
    flags = ['--base_filters=4', '--noise_dim=8', '--train_batch_size=8', '--sample_count=4', '--extractor=pixels']
    flags += ['--stall_timeout_s=8']  # On a busy machine the start alone takes four.
    ended = subprocess.run(
        [sys.executable, '-c', STALLED, f'--train_data={data}', f'--model_dir={tmp_path / "run"}', *flags],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == watchdog.EXIT_CODE == 4, ended.stderr
    assert re.search(r"no progress for 8 s in phase 'train: step [12]'", ended.stderr)
    assert '--stall_timeout_s=8' in ended.stderr
    assert 'most recent call first' in ended.stderr
    assert 'in _train' in ended.stderr  # Where the main thread was.
    for phase in ('init', 'compile', 'step '):
        assert f'phase: train: {phase}' in ended.stderr


@pytest.mark.parametrize(('work', 'code'), [('dog.progress()', 0), ('pass', watchdog.EXIT_CODE)])
def test_only_time_in_which_the_process_ran_counts(work, code, tmp_path):
    """After Ctrl-Z and fg, a closed laptop or a paused machine: twice the timeout passes, but nothing has stalled."""
    (tmp_path / 'job.py').write_text(f"""
import sys, time
from trainer.machine.watchdog import Watchdog
with Watchdog(1.0) as dog:
    print('begun', file=sys.stderr, flush=True)
    for _ in range(30):
        {work}
        time.sleep(0.1)
""")
    with start_module('job', cwd=tmp_path) as process:
        assert process.stderr.readline() == 'begun\n'
        process.send_signal(signal.SIGSTOP)
        time.sleep(2)
        process.send_signal(signal.SIGCONT)
        log = process.stderr.read()
        assert process.wait(30) == code, log
        assert ('no progress' in log) == bool(code)


def test_silence_ends_it_and_progress_does_not():
    with Recorder(0.3) as dog:
        for _ in range(10):
            time.sleep(0.05)
            dog.progress()
        assert dog.ended == []
        time.sleep(0.6)
    assert dog.ended == [0.3]


def test_a_phase_may_have_more_patience():
    with Recorder(0.2) as dog:
        dog.enter('compile', 100)
        time.sleep(0.4)
        assert dog.ended == []
        dog.enter('train')
        time.sleep(0.5)
    assert dog.ended == [0.2]


def test_0_never_ends_it():
    with Recorder(0) as dog:
        time.sleep(0.2)
    assert dog.ended == []
