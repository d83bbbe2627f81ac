"""How a signal ends a session; what it saves is in test_task.py."""

from __future__ import annotations

import signal

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.machine.signals import GracefulStop, StopHook


def steps(stop: GracefulStop, before_first_step: bool) -> int:
    """Runs a session of five steps, and returns how many it made."""
    with tf.Graph().as_default():
        step = v1.assign_add(v1.train.create_global_step(), 1)
        made = 0
        with v1.train.MonitoredSession(hooks=[StopHook(stop, before_first_step)]) as session:
            while made < 5 and not session.should_stop():
                session.run(step)
                made += 1
        return made


@pytest.mark.parametrize('before_first_step, made', [(True, 0), (False, 1)])
def test_a_signal_before_the_first_step_spares_it_where_that_is_known_to_work(before_first_step, made):
    with GracefulStop() as stop:
        signal.raise_signal(signal.SIGTERM)
        assert steps(stop, before_first_step) == made
        assert stop.exit_code == 143


@pytest.mark.parametrize('signum, code', [(signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGHUP, 129)])
def test_each_signal_has_an_exit_code(signum, code):
    before = signal.signal(signum, signal.SIG_DFL)  # Under nohup a hangup is ignored.
    try:
        with GracefulStop() as stop:
            signal.raise_signal(signum)
            assert stop.exit_code == code
    finally:
        signal.signal(signum, before)


def test_without_a_signal_nothing_ends():
    with GracefulStop() as stop:
        assert (steps(stop, True), stop.exit_code) == (5, 0)


def test_a_second_signal_ends_at_once():
    before = signal.getsignal(signal.SIGINT)
    with GracefulStop():
        signal.raise_signal(signal.SIGINT)
        with pytest.raises(SystemExit) as ended:
            signal.raise_signal(signal.SIGINT)
    assert ended.value.code == 130
    assert signal.getsignal(signal.SIGINT) is before
