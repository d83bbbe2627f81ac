"""Trains a run from one evaluation to the next; after a divergence, goes back to a checkpoint once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import tensorflow.compat.v1 as v1
from absl import logging

from trainer import errors
from trainer.data.image_set import ImageSet
from trainer.dcgan import input_fn
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.dcgan.reading import Labels
from trainer.filesystem.lock import Lock, LockHook
from trainer.generator import samples
from trainer.machine import schedule
from trainer.machine.preparation import Machine
from trainer.machine.signals import GracefulStop, StopHook
from trainer.machine.watchdog import Watchdog, WatchdogHook
from trainer.model_dir import checkpoints, divergence
from trainer.model_dir.event_log import EventListener, EventLog
from trainer.monitoring import early_stopping
from trainer.monitoring.monitor import Monitor
from trainer.options import DataOptions, RunOptions
from trainer.run.classes import ClassedData
from trainer.run.estimator import make_estimator
from trainer.run.periodic_evaluation import PeriodicEvaluation
from trainer.run.progress import ProgressHook


@dataclasses.dataclass(frozen=True)
class Job:
    """What to train, on which data and machine, after all checks.

    Attributes:
      hparams, data, options: the flags, completed from the data and the run.
      machine: to train on.
      train, holdout: the data.
      classed: the classes of the data, None for an unconditional run.
      checksum: of both splits (`run_data.checksum`).
      events: for TensorBoard.
      lock: on model_dir.
      on_restored: called after the run's checkpoint, if there is one, has been restored.
    """

    hparams: HParams
    data: DataOptions
    options: RunOptions
    machine: Machine
    train: ImageSet
    holdout: ImageSet | None
    classed: ClassedData | None
    events: EventLog
    lock: Lock
    checksum: str
    on_restored: Callable[[], None]

    @property
    def classes(self) -> Classes | None:
        """The classes of the run; None for an unconditional one."""
        return self.classed.classes if self.classed else None

    @property
    def train_labels(self) -> Labels | None:
        """The classes of the training images, of a run with classes."""
        return self.classed.train if self.classed else None

    @property
    def holdout_labels(self) -> Labels | None:
        """The classes of the hold-out, of a run with classes."""
        return self.classed.holdout if self.classed else None

    @property
    def in_memory(self) -> bool:
        """Whether all images stay in memory. If they fit, shuffling would read all of them into memory anyway."""
        return self.data.cache or input_fn.fits(self.train.source, self.hparams, self.data.shuffle_mib)

    @property
    def eval_batch_size(self) -> int:
        """Images in a batch of the hold-out; 0 if there are not enough for one."""
        records = len(self.holdout) if self.holdout else 0
        return self.machine.eval_batch_size(self.hparams.train_batch_size, records)

    @property
    def evaluates(self) -> bool:
        """Whether the options ask for evaluations."""
        return bool(self.options.eval_steps or self.options.hptuning_metric)


def train(job: Job, monitor: Monitor, stop: GracefulStop, watchdog: Watchdog) -> float:
    """Trains to the end, to a signal, or to early stopping.

    After a NaN or infinite value, training goes back to the newest whole checkpoint and continues with another seed:
    noise and order follow from seed and step, so the same seed would diverge again. hparams.json keeps the old seed.

    Returns:
      Images per second.

    Raises:
      errors.TrainingDiverged: training diverged a second time.
    """
    try:
        return _train(job, monitor, stop, watchdog)
    except divergence.NotFinite as error:
        monitor.go_back(divergence.go_back(job.options.model_dir, error))
    other = dataclasses.replace(job.hparams, seed=job.hparams.seed + 1)
    try:
        return _train(dataclasses.replace(job, hparams=other), monitor, stop, watchdog)
    except divergence.NotFinite as error:
        raise error.again() from error


def _train(job: Job, monitor: Monitor, stop: GracefulStop, watchdog: Watchdog) -> float:
    """Trains from one evaluation to the next; saves checkpoints and draws sample grids when they are due."""
    hparams, options, source = job.hparams, job.options, job.train.source
    eval_batch_size = job.eval_batch_size or hparams.train_batch_size
    estimator = make_estimator(hparams, options, job.machine, eval_batch_size, job.events.steps_dir)
    window = 0 if job.in_memory else input_fn.shuffle_window(source, hparams, job.data.shuffle_mib)
    drawing = samples.SampleListener(
        hparams, job.classes, options.model_dir, options.sample_count, options.sample_steps, monitor.take_grid
    )
    progress = ProgressHook(hparams, options.model_dir, source.records, options.log_steps, monitor.take_losses)
    stopping = StopHook(stop, before_first_step=not job.machine.use_tpu)
    watching = [LockHook(job.lock, options.model_dir), WatchdogHook(watchdog, 'train')]
    remembering = checkpoints.RestoredHook(job.on_restored)
    hooks = [checkpoints.ResumeHook(), remembering, progress, stopping, *watching]
    listeners = [drawing, EventListener(job.events)]
    evaluation = PeriodicEvaluation(
        estimator,
        options.model_dir,
        drawing.generator,
        job.holdout,
        job.holdout_labels,
        job.eval_batch_size,
        monitor,
        stop,
        watchdog,
    )
    step, evaluated = checkpoints.step_of(checkpoints.latest(options.model_dir)), False
    while step < hparams.train_steps and not stop.signum:
        early = early_stopping.reason_to_end(options, step, job.checksum)
        if early:
            logging.info('%s %s', options.model_dir, early)
            break
        target = schedule.next_stop(step, hparams.train_steps, options, job.evaluates)
        batches = input_fn.train_input_fn(source, window, step, job.in_memory, job.train_labels)
        try:
            estimator.train(batches, hooks=hooks, max_steps=target, saving_listeners=listeners)
        except v1.train.NanLossDuringTrainingError:  # Estimator's own, on a TPU, where `progress` sees no loss.
            raise divergence.NotFinite('the loss is nan', progress.step) from None
        step = checkpoints.step_of(checkpoints.latest(options.model_dir))
        if step < target and not stop.signum:
            raise errors.Transient(f'training ended at step {step}, before {target}: run the same command again')
        due = step >= hparams.train_steps or (options.eval_steps and step % options.eval_steps == 0)
        evaluated = bool(job.evaluates and due and not stop.signum)
        if evaluated:
            evaluation.run(options.hptuning_metric)
    if options.hptuning_metric and not evaluated and not stop.signum:  # A trial restarted after its last step.
        evaluation.run(options.hptuning_metric)
    return progress.images_per_s
