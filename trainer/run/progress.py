"""The progress lines in the log, and the check for NaN and infinite values."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import numpy as np
import tensorflow.compat.v1 as v1
from absl import logging

from trainer.dcgan import scalars
from trainer.dcgan.hparams import HParams
from trainer.model_dir import event_log
from trainer.model_dir.divergence import NotFinite


class ProgressHook(v1.train.SessionRunHook):
    """Logs the step, the speed and the losses; stops at the first NaN or infinite loss.

    On a TPU it has only the step and the speed: the losses go to TensorBoard through host_call.
    """

    def __init__(
        self,
        hparams: HParams,
        model_dir: str,
        records: int,
        log_steps: int,
        take_losses: Callable[[int, dict[str, float]], None] | None = None,
    ):
        """Takes the size of the training set, to count epochs, and the number of steps between two lines.

        Each line calls `take_losses` with the step and the means of the scalars.
        """
        self._hparams, self._model_dir, self._records, self._log_steps = hparams, model_dir, records, log_steps
        self._take_losses = take_losses
        self._first_step = self._last_logged = self._counted = -1
        self._since_log, self._in_all = _Pace(), _Pace()
        self._sums: dict[str, float] = {}
        self.step = -1  # The last step seen.

    @property
    def images_per_s(self) -> float:
        """The speed of all steps so far, without the first call of each session; 0 if there were no others."""
        return self._in_all.steps_per_s * self._hparams.train_batch_size

    def begin(self) -> None:
        """See the base class."""
        self.step = -1  # Unknown until the first call, which traces, allocates and compiles: too slow to count.
        self._fetches = {
            'step': v1.train.get_global_step(),
            'scalars': {tensor.op.name.split('/')[-1]: tensor for tensor in v1.get_collection(scalars.COLLECTION)},
        }

    def before_run(self, _: v1.train.SessionRunContext) -> v1.train.SessionRunArgs:
        """See the base class."""
        self._call_began = time.monotonic()
        return v1.train.SessionRunArgs(self._fetches)

    def after_run(self, run_context: v1.train.SessionRunContext, run_values: v1.train.SessionRunValues) -> None:
        """See the base class."""
        now = time.monotonic()
        values = run_values.results['scalars']
        before, self.step = self.step, int(run_context.session.run(self._fetches['step']))
        _check_finite(values, self.step)
        if self._first_step < 0:
            self._first_step = self._last_logged = self._counted = self.step
            self._began = now
            return
        if before >= 0:
            self._since_log.add(self.step - before, now - self._call_began)
            self._in_all.add(self.step - before, now - self._call_began)
        for name, value in values.items():  # Means of the steps of this call.
            self._sums[name] = self._sums.get(name, 0.0) + float(value) * (self.step - self._counted)
        self._counted = self.step
        due = self.step // self._log_steps > self._last_logged // self._log_steps  # A call may take many steps.
        if due or self.step >= self._hparams.train_steps:
            self._log(self.step, now)

    def _log(self, step: int, now: float) -> None:
        steps, batch = step - self._last_logged, self._hparams.train_batch_size
        if not steps:
            return
        per_step = (now - self._began) / (step - self._first_step)
        pace = {'epochs': step * batch / self._records}
        if self._since_log.steps_per_s:  # A TPU's session may be one call that mostly compiles.
            pace['images_per_s'] = self._since_log.steps_per_s * batch
        means = {name: total / steps for name, total in self._sums.items()}
        if self._take_losses:
            self._take_losses(step, means)
        parts = [
            f'step {step:,}/{self._hparams.train_steps:,}',
            f'{step * batch / 1000:,.1f} kimg' if self._hparams.train_kimg else f'{step * batch:,} images',
            f'{pace["epochs"]:.1f} epochs',
            *([f'{pace["images_per_s"]:.0f} images/s'] if 'images_per_s' in pace else []),
            *_losses(means),
            f'ETA {_clock(per_step * (self._hparams.train_steps - step))}',
        ]
        logging.info(' | '.join(parts))
        points = [v1.Summary.Value(tag=name, simple_value=value) for name, value in pace.items()]
        event_log.writer(self._model_dir).add_summary(v1.Summary(value=points), step)
        self._last_logged, self._since_log, self._sums = step, _Pace(), {}


class _Pace:
    """A number of steps, and the time they took."""

    def __init__(self) -> None:
        self._steps, self._seconds = 0, 0.0

    def add(self, steps: int, seconds: float) -> None:
        self._steps += steps
        self._seconds += seconds

    @property
    def steps_per_s(self) -> float:
        return self._steps / self._seconds if self._seconds else 0.0


def _losses(means: dict[str, float]) -> list[str]:
    if not means:
        return []
    return [
        f'loss D {means["discriminator_loss"]:.3f} G {means["generator_loss"]:.3f}',
        f'D(real) {means["D_real"]:.2f} D(fake) {means["D_fake"]:.2f}',
        *([f'{means["augment_share"]:.0%} augmented'] if means.get('augment_share') else []),
    ]


def _check_finite(values: dict[str, np.ndarray], step: int) -> None:
    for name, value in values.items():
        if not math.isfinite(value):
            raise NotFinite(f'{name} is {value}', step)


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f'{hours}:{minutes:02}:{seconds:02}' if hours else f'{minutes}:{seconds:02}'
