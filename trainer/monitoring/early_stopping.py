"""When a run ends before its last step: several evaluations in a row were no better than the best one."""

from __future__ import annotations

import math
from collections.abc import Sequence

from trainer.model_dir import checkpoints, hparams_file
from trainer.monitoring.best import Keeper
from trainer.monitoring.history import History, Point
from trainer.options import RunOptions


def evaluations_after(points: Sequence[Point], step: int) -> int:
    """How many evaluations beyond `step` have measured a KID."""
    return sum(point.kid is not None and point.step > step for point in points)


def reason_to_end(options: RunOptions, step: int, data: str = '') -> str:
    """Why the run in --model_dir ends at `step` for --stop_after_evals_without_best, in one line; '' if it goes on.

    Args:
      options: the run's.
      step: where it is.
      data: checksum of what it is trained on: evaluations on other data do not count.

    It follows from what a run leaves in its folder, so that a run that has ended does not go on when it is started
    again. Before augmentation begins no evaluation counts: pictures stop getting better, and it is what helps them.
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
    """The first step that is augmented in the run of model_dir; 0 if none is."""
    trained = hparams_file.read(model_dir)
    return trained.augment_after_steps if trained and trained.augmentations else 0
