"""Schedules checkpoints, sample grids and evaluations, so that they fall on exact steps."""

from __future__ import annotations

import math

from trainer import errors
from trainer.options import RunOptions

_VISIT_BYTES = 640 * 2**20
MOST_STEPS_A_VISIT, MOST_ON_A_CPU = 50, 5


def next_stop(step: int, train_steps: int, options: RunOptions, evaluates: bool) -> int:
    """The step at which a session that starts at `step` ends.

    It is the next evaluation or the end of training. A run that was stopped between two checkpoints first stops at the
    next checkpoint step. Estimator counts the steps to a checkpoint from the start of a session, and a TPU leaves its
    loop after a fixed number of steps, so all later checkpoints would be off as well.
    """
    stops = [train_steps]
    if step % options.checkpoint_steps:
        stops.append(_next_multiple(step, options.checkpoint_steps))
    if evaluates and options.eval_steps:
        stops.append(_next_multiple(step, options.eval_steps))
    return min(stops)


def iterations_per_loop(flag: int, options: RunOptions) -> int:
    """Steps per loop of a TPU with which checkpoints and evaluations still fall on exact steps.

    Args:
      flag: --iterations_per_loop; 0 chooses the largest possible.
      options: the run's.

    Raises:
      errors.UserError: `flag` does not divide all of these intervals.
    """
    largest = math.gcd(options.checkpoint_steps, options.eval_steps)
    if flag and largest % flag:
        raise errors.UserError(
            f'--iterations_per_loop={flag}: a TPU saves only at the end of a loop, so it must divide --sample_steps='
            f'{options.sample_steps}, --save_steps={options.save_steps} and --eval_steps={options.eval_steps}: give a '
            f'divisor of {largest}, or leave it out for {largest} itself'
        )
    return flag or largest


def steps_a_visit(options: RunOptions, step_bytes: int, most: int = MOST_STEPS_A_VISIT) -> int:
    """Steps of PJRT devices before they return to the host, chosen for --iterations_per_loop=0.

    As many as `iterations_per_loop` allows and the interval of the log does, but at most `most`: more than 50 would
    hardly make the host's share of the time smaller, and a signal waits for the end of a visit, which on CPU devices
    comes after seconds.

    Args:
      options: the run's.
      step_bytes: bytes of the images of a step. Those of three visits are in memory at a time.
    """
    largest = math.gcd(iterations_per_loop(0, options), options.log_steps)
    fit = max(1, min(most, _VISIT_BYTES // step_bytes))
    return max(steps for steps in range(1, fit + 1) if largest % steps == 0)


def _next_multiple(step: int, of: int) -> int:
    return (step // of + 1) * of
