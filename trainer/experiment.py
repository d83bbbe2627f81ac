"""One whole run: check the data, train, draw, evaluate, export; resume from wherever the last run ended."""

from __future__ import annotations

import dataclasses
import os

import tensorflow as tf
from absl import logging

from trainer import (
    checkpoints,
    errors,
    export,
    image_set,
    input_report,
    inputs,
    lock,
    machine,
    preflight,
    samples,
    schedule,
    tuning,
)
from trainer import hparams as hparams_file
from trainer.checkup import Checkup
from trainer.estimator import make_estimator
from trainer.event_log import EventListener, EventLog
from trainer.hparams import HParams
from trainer.image_set import ImageSet
from trainer.lock import Lock, LockHook
from trainer.machine import Machine
from trainer.monitoring.monitor import Monitor
from trainer.options import DataOptions, RunOptions, TpuOptions
from trainer.progress import ProgressHook
from trainer.signals import GracefulStop, StopHook
from trainer.watchdog import Watchdog, WatchdogHook

_REAL = 1024  # Images to compare sample grids with.


@dataclasses.dataclass(frozen=True)
class _Job:
    """What is trained, on what, and where, once all of it has been found and checked."""

    hparams: HParams
    data: DataOptions
    options: RunOptions
    machine: Machine
    train: ImageSet
    holdout: ImageSet | None
    events: EventLog
    lock: Lock

    @property
    def in_memory(self) -> bool:
        """Whether all images are kept: where they fit, they would have to be read into memory only to be shuffled."""
        return self.data.cache or inputs.fits(self.train.source, self.hparams, self.data.shuffle_mib)

    @property
    def eval_batch_size(self) -> int:
        """Images in a batch of the hold-out; 0 if there are not enough for one."""
        records = len(self.holdout) if self.holdout else 0
        return self.machine.eval_batch_size(self.hparams.train_batch_size, records)

    @property
    def evaluates(self) -> bool:
        """Whether there is a wish to evaluate."""
        return bool(self.options.eval_steps or self.options.hptuning_metric)


def run(hparams: HParams, data: DataOptions, options: RunOptions, tpu: TpuOptions) -> int:
    """Trains from the newest checkpoint in model_dir, or from scratch, to `train_steps`.

    Returns:
      The exit code: 0, or 128 + the signal that ended the run early.

    Raises:
      errors.UserError: the data, the machine, the flags and model_dir do not fit together, another job trains in
        model_dir, a bucket refuses, or training diverged.
    """
    preflight.check([data.train_data, data.holdout_data], options)
    with lock.hold(options.model_dir, os.environ) as held:
        return _run_alone(hparams, data, options, tpu, held)


def _run_alone(hparams: HParams, data: DataOptions, options: RunOptions, tpu: TpuOptions, held: Lock) -> int:
    checkpoint = checkpoints.recover(options.model_dir)
    start_step = checkpoints.step_of(checkpoint)
    if checkpoint:
        hparams_file.check_change(options.model_dir, hparams)
    if start_step >= hparams.train_steps and not options.hptuning_metric:
        logging.info('%s is finished at step %d: raise --train_steps to go on', options.model_dir, start_step)
        _finish(hparams, options)
        return 0
    with Watchdog(tpu.stall_timeout_s) as watchdog:
        found = machine.prepare(tpu, options, hparams.train_batch_size, os.environ, watchdog)
    job = _Job(hparams, data, options, found, *_open_data(hparams, data), EventLog(options, found.is_this_host), held)
    _check_holdout(job)
    hparams_file.write(options.model_dir, hparams)
    if start_step:
        logging.info('resuming %s at step %d', options.model_dir, start_step)
    real = inputs.first_batch(job.train.source, hparams, min(_REAL, len(job.train))).numpy()
    samples.write_real(options.model_dir, real[: options.sample_count])
    monitor = Monitor(hparams, options, job.train, job.holdout, real, start_step)
    with GracefulStop() as stop, Watchdog(tpu.stall_timeout_s) as watchdog, job.events:
        try:
            images_per_s = _train(job, monitor, stop, watchdog)
        except errors.TrainingDiverged as error:
            monitor.end_diverged(str(error))
            raise
        except tf.errors.DataLossError as error:
            reason = str(error).splitlines()[0]
            raise errors.DataError(f'a record is damaged ({reason}): find its shard with --verify_data=full') from error
    if stop.signum:
        logging.info('stopped; the same command resumes')
        return stop.exit_code
    monitor.draw()
    _finish(hparams, options)
    input_report.log(job.train.source, hparams, job.in_memory, images_per_s)
    return 0


def _open_data(hparams: HParams, data: DataOptions) -> tuple[ImageSet, ImageSet | None]:
    """The verified training set, and the hold-out if there is one."""
    train, holdout = image_set.open_both(
        data.train_data, hparams.image_size, hparams.channels, data.holdout_data, data.record_layout, data.verify_data
    )
    logging.info('%s training images in %d shards', f'{len(train):,}', len(train.shards))
    if len(train) < hparams.train_batch_size:
        raise errors.DataError(
            f'{data.train_data} holds {len(train)} training images, fewer than --train_batch_size='
            f'{hparams.train_batch_size}: give a batch of at most {len(train)}, or more images'
        )
    return train, holdout


def _check_holdout(job: _Job) -> None:
    if job.options.hptuning_metric not in ('', tuning.KID) and not job.eval_batch_size:
        raise errors.UserError(
            f'--hptuning_metric={job.options.hptuning_metric} is measured on a hold-out, and {job.data.train_data} has '
            'none that fills a batch: give --holdout_data, or convert with a larger --holdout_percent'
        )
    if job.holdout and not job.eval_batch_size:
        logging.warning('no loss on the hold-out: its %d images do not fill a batch on the TPU', len(job.holdout))


def _train(job: _Job, monitor: Monitor, stop: GracefulStop, watchdog: Watchdog) -> float:
    """Trains from one evaluation to the next; in between, checkpoints and sample grids are drawn as they fall due.

    Returns:
      Images a second.
    """
    hparams, options, source = job.hparams, job.options, job.train.source
    eval_batch_size = job.eval_batch_size or hparams.train_batch_size
    estimator = make_estimator(hparams, options, job.machine, eval_batch_size, job.events.steps_dir)
    window = 0 if job.in_memory else inputs.shuffle_window(source, hparams, job.data.shuffle_mib)
    drawing = samples.SampleListener(
        hparams, options.model_dir, options.sample_count, options.sample_steps, monitor.take_grid
    )
    sending = EventListener(job.events)
    progress = ProgressHook(hparams, options.model_dir, source.records, options.log_steps, monitor.take_losses)
    stopping = StopHook(stop, before_first_step=not job.machine.use_tpu)
    watching = [LockHook(job.lock, options.model_dir), WatchdogHook(watchdog, 'train')]
    hooks = [checkpoints.ResumeHook(), progress, stopping, *watching]
    checkup = Checkup(estimator, drawing.generator, job.holdout, job.eval_batch_size, monitor, stop, watchdog)
    step, evaluated = checkpoints.step_of(tf.train.latest_checkpoint(options.model_dir) or ''), False
    while step < hparams.train_steps and not stop.signum:
        target = schedule.next_stop(step, hparams.train_steps, options, job.evaluates)
        input_fn = inputs.train_input_fn(source, window, step, job.in_memory)
        estimator.train(input_fn, hooks=hooks, max_steps=target, saving_listeners=[drawing, sending])
        step = checkpoints.step_of(estimator.latest_checkpoint())
        if step < target and not stop.signum:
            raise errors.Transient(f'training ended at step {step}, before {target}: run the same command again')
        due = step >= hparams.train_steps or (options.eval_steps and step % options.eval_steps == 0)
        evaluated = bool(job.evaluates and due and not stop.signum)
        if evaluated:
            checkup.run(options.hptuning_metric)
    if options.hptuning_metric and not evaluated and not stop.signum:  # A trial restarted after its last step.
        checkup.run(options.hptuning_metric)
    return progress.images_per_s


def _finish(hparams: HParams, options: RunOptions) -> None:
    """Writes what a finished run leaves behind: the exported generator, and the film of its grids."""
    model_dir = options.model_dir
    checkpoint = tf.train.latest_checkpoint(model_dir)
    exported = checkpoints.best(model_dir) if options.export_checkpoint == checkpoints.BEST else checkpoint
    if not exported:
        logging.warning('no evaluation has found a best checkpoint: exporting the last')
    export.export(hparams, exported or checkpoint, options.export_dir)
    gif = samples.write_gif(model_dir)
    logging.info('pictures: %s, %s', samples.grid_path(model_dir, checkpoints.step_of(checkpoint)), gif)
    logging.info('measures: %s', samples.chart_path(model_dir))
    logging.info('generator: %s (python -m trainer.generate --model_dir=%s --count=16)', options.export_dir, model_dir)
