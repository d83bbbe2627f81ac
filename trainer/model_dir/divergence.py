"""A run whose numbers are none any more: how that is told, and what it can go back to."""

from __future__ import annotations

from absl import logging

from trainer import errors
from trainer.model_dir import checkpoints


class NotFinite(errors.TrainingDiverged):
    """A loss or a weight is infinite or no number at all.

    Attributes:
      finding: what is, and at which step.
    """

    def __init__(self, what: str, step: int):
        """Takes what was found, such as 'generator_loss is nan', and the step."""
        self.finding = f'{what} at step {step}'
        super().__init__(
            f'{self.finding}; the checkpoints before it are kept: lower --learning_rate, or start again with another '
            '--seed'
        )

    def again(self) -> errors.TrainingDiverged:
        """The same where other random numbers have been tried already."""
        return errors.TrainingDiverged(
            f'{self.finding}, with other random numbers too; the checkpoints before it are kept: lower --learning_rate '
            'to go on from them, or start anew with --discriminator_norm=spectral or another --loss'
        )


def go_back(model_dir: str, error: NotFinite) -> int:
    """Points Estimator at the newest whole checkpoint, and returns its step.

    Raises:
      NotFinite: `error`, if there is no checkpoint.
      errors.UserError: none of the checkpoints is whole.
    """
    checkpoint = checkpoints.recover(model_dir)
    if not checkpoint:
        raise error
    step = checkpoints.step_of(checkpoint)
    logging.warning('%s: going back to step %d, this once, and on with other random numbers', error.finding, step)
    return step
