"""Where a session ends, and how many steps a TPU takes per loop."""

from __future__ import annotations

import pytest

from trainer import errors
from trainer.machine import schedule
from trainer.options import RunOptions

OPTIONS = RunOptions(sample_steps=200, save_steps=600, eval_steps=1000)


@pytest.mark.parametrize(
    'step, evaluates, expected',
    [
        (0, True, 1000),
        (0, False, 2400),
        (1000, True, 2000),
        (2000, True, 2400),
        (1234, True, 1400),  # Stopped between two checkpoints: first to the next checkpoint step.
        (1234, False, 1400),
        (1400, False, 2400),
        (2390, True, 2400),
    ],
)
def test_the_next_stop(step, evaluates, expected):
    assert schedule.next_stop(step, 2400, OPTIONS, evaluates) == expected


@pytest.mark.parametrize(
    'sample_steps, save_steps, eval_steps, expected',
    [(200, 600, 1200, 200), (500, 500, 1000, 500), (250, 500, 0, 250), (200, 600, 500, 100), (7, 7, 5, 1)],
)
def test_a_loop_is_as_long_as_exact_steps_allow(sample_steps, save_steps, eval_steps, expected):
    options = RunOptions(sample_steps=sample_steps, save_steps=save_steps, eval_steps=eval_steps)
    assert schedule.iterations_per_loop(0, options) == expected
    assert schedule.iterations_per_loop(1, options) == 1


def test_a_loop_that_would_miss_a_checkpoint_is_refused():
    assert schedule.iterations_per_loop(50, OPTIONS) == 50
    with pytest.raises(errors.UserError, match='--iterations_per_loop=300: .* must divide --sample_steps=200.* of 200'):
        schedule.iterations_per_loop(300, OPTIONS)


@pytest.mark.parametrize(
    'log_steps, mebibytes, expected',
    [(100, 1, 50), (100, 12, 50), (100, 48, 10), (100, 2000, 1), (30, 1, 10), (7, 1, 1)],
)
def test_a_visit_is_as_long_as_exact_steps_and_memory_allow(log_steps, mebibytes, expected):
    options = RunOptions(sample_steps=200, save_steps=600, eval_steps=1000, log_steps=log_steps)
    assert schedule.steps_a_visit(options, mebibytes * 2**20) == expected
