"""When a run stops to look around: checkpoints, sample grids and evaluations fall on exact steps."""

from __future__ import annotations

import math

from trainer import errors
from trainer.options import RunOptions


def next_stop(step: int, train_steps: int, options: RunOptions, evaluates: bool) -> int:
    """The step to train to from `step`, where the session ends.

    It is the next evaluation or the end of training. A run that was stopped between two checkpoints stops at the next
    one first: Estimator counts the steps to a checkpoint from where a session begins, and a TPU leaves its loop after
    a fixed number of steps, so that all later ones would be off as well.
    """
    stops = [train_steps]
    if step % options.checkpoint_steps:
        stops.append(_next_multiple(step, options.checkpoint_steps))
    if evaluates and options.eval_steps:
        stops.append(_next_multiple(step, options.eval_steps))
    return min(stops)


def iterations_per_loop(flag: int, options: RunOptions) -> int:
    """Steps that a TPU takes without the host, for which checkpoints and evaluations still fall on exact steps.

    Args:
      flag: --iterations_per_loop; 0 chooses the largest possible.
      options: the run's.

    Raises:
      errors.UserError: `flag` divides not all of them.
    """
    largest = math.gcd(options.checkpoint_steps, options.eval_steps)
    if flag and largest % flag:
        raise errors.UserError(
            f'--iterations_per_loop={flag}: a TPU saves at the end of a loop only, so it must divide --sample_steps='
            f'{options.sample_steps}, --save_steps={options.save_steps} and --eval_steps={options.eval_steps}: give a '
            f'divisor of {largest}, or leave it out for {largest} itself'
        )
    return flag or largest


def _next_multiple(step: int, of: int) -> int:
    return (step // of + 1) * of
