"""Divergence, when a loss or a weight becomes NaN or infinite: the error, and the return to a checkpoint."""

from __future__ import annotations

from absl import logging

from trainer import errors
from trainer.model_dir import checkpoints


class NotFinite(errors.TrainingDiverged):
    """A loss or a weight is NaN or infinite.

    Attributes:
      finding: which value it is, and at which step.
    """

    def __init__(self, what: str, step: int):
        """Takes what was found, such as 'generator_loss is nan', and the step."""
        self.finding = f'{what} at step {step}'
        super().__init__(
            f'{self.finding}; the checkpoints before it are kept: lower --learning_rate, or start again with another '
            '--seed'
        )

    def again(self) -> errors.TrainingDiverged:
        """The error after a second divergence, with another seed."""
        return errors.TrainingDiverged(
            f'{self.finding}, also with another seed; the checkpoints before it are kept: lower --learning_rate to '
            'continue from them, or start again with --discriminator_norm=spectral or another --loss'
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
    logging.warning('%s: going back to step %d once, and continuing with another seed', error.finding, step)
    return step
