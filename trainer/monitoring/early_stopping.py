"""Early stopping: a run ends before its last step if several evaluations in a row were no better than the best."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainer.model_dir import checkpoints, hparams_file
from trainer.monitoring.best import Keeper
from trainer.monitoring.history import History, Point
from trainer.options import RunOptions


def evaluations_after(points: Sequence[Point], step: int) -> int:
    """The number of evaluations after `step` that measured a KID."""
    return sum(point.kid is not None and point.step > step for point in points)


def reason_to_end(options: RunOptions, step: int, data: str = '') -> str:
    """Why --stop_after_evals_without_best ends the run in --model_dir at `step`, in one line; '' if the run goes on.

    Args:
      options: the run's.
      step: the run's current step.
      data: checksum of the data that it is trained on: evaluations on other data do not count.

    The answer depends only on files in the run's folder, so a run that has ended does not go on when it is started
    again. Evaluations before augmentation begins do not count: if pictures stop getting better then, it will help.
    """
    most = options.stop_after_evals_without_best
    if not most or not options.extractor:
        return ''
    best = Keeper(options.model_dir, options.extractor, data)
    points = History(options.model_dir, step, data).current
    waited = evaluations_after(points, max(best.step, _augmentation_begins(options.model_dir)))
    if best.kid == math.inf or waited < most:
        return ''
    return (
        f'ended at step {step:,}: {waited} evaluations in a row were no better than that of step {best.step:,}, KID '
        f'{best.kid:.4f}, kept in {checkpoints.best_folder(options.model_dir)}; to go on, give '
        f'--stop_after_evals_without_best=0, or more than {waited}'
    )


def _augmentation_begins(model_dir: str) -> int:
    """The first step with augmentation in the run of model_dir; 0 if there is none."""
    trained = hparams_file.read(model_dir)
    return trained.augment_after_steps if trained and trained.augmentations else 0
