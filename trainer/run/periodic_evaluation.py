"""An evaluation during training: losses on the hold-out, and measures of the generated pictures."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import tensorflow.compat.v1 as v1
from absl import logging

from trainer.data.image_set import ImageSet
from trainer.dcgan import input_fn
from trainer.dcgan.reading import Labels
from trainer.generator.sampler import CheckpointGenerator
from trainer.machine.signals import GracefulStop, StopHook
from trainer.machine.watchdog import Watchdog, WatchdogHook
from trainer.model_dir import checkpoints
from trainer.monitoring import tuning
from trainer.monitoring.history import Point
from trainer.monitoring.monitor import Monitor
from trainer.options import KID


@dataclasses.dataclass(frozen=True)
class PeriodicEvaluation:
    """Evaluates a run's newest checkpoint.

    Attributes:
      estimator: of the run.
      model_dir: of the run.
      generator: the same model, on the host.
      holdout: images that are not trained on, if there are any.
      holdout_labels: their classes, of a run with classes.
      eval_batch_size: hold-out images in a batch; 0 if they do not fill one.
      monitor: measures the pictures.
      stop: ends an evaluation early, which then records nothing.
      watchdog: notified of all progress.
    """

    estimator: v1.estimator.tpu.TPUEstimator
    model_dir: str
    generator: CheckpointGenerator
    holdout: ImageSet | None
    holdout_labels: Labels | None
    eval_batch_size: int
    monitor: Monitor
    stop: GracefulStop
    watchdog: Watchdog

    def run(self, hptuning_metric: str = '') -> None:
        """Evaluates, and reports `hptuning_metric`, a key of options.HPTUNING_METRICS, if one is given."""
        try:
            results = self._on_holdout()
            self.watchdog.phase('evaluate: pictures')
            point = self.monitor.evaluate(checkpoints.latest(self.model_dir), self.generator, self._tick)
        except _Stopped:
            return
        _log(point, results)
        self.monitor.record.say_verdict()
        if hptuning_metric:
            found = {**results, 'global_step': point.step}
            tuning.report(hptuning_metric, found if point.kid is None else {**found, KID: point.kid})

    def _on_holdout(self) -> dict[str, float]:
        if not self.holdout or not self.eval_batch_size:
            return {}
        steps = len(self.holdout) // self.eval_batch_size
        hooks = [StopHook(self.stop), WatchdogHook(self.watchdog, 'evaluate')]
        batches = input_fn.eval_input_fn(self.holdout.source, self.holdout_labels)
        results = self.estimator.evaluate(batches, steps=steps, hooks=hooks)
        self._tick(0)  # Raises if the evaluation ended early: its means cover only some batches.
        return results

    def _tick(self, _: int) -> None:
        self.watchdog.progress()
        if self.stop.signum:
            raise _Stopped


class _Stopped(Exception):
    """A signal arrived."""


def _log(point: Point, results: Mapping[str, float]) -> None:
    if results:
        gap = '' if point.d_gap is None else f', gap to training images {point.d_gap:.2f}'
        logging.info(
            'hold-out at step %d: D(real) %.2f, D(fake) %.2f, loss %.3f%s',
            point.step,
            results['D(real)'],
            results['D(fake)'],
            results['loss'],
            gap,
        )
    if point.kid is not None:
        floor = '' if point.kid_real is None else f' (hold-out {point.kid_real:.4f})'
        copied = '' if point.close is None else f', {point.close:.1%} close to a training image (hold-out 5%)'
        logging.info('pictures at step %d: KID %.4f%s%s', point.step, point.kid, floor, copied)
