"""One whole run: check the data, train, draw, evaluate, export; resume from wherever the last run ended."""

from __future__ import annotations

import dataclasses
import os

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer import (
    checkpoints,
    dataset,
    errors,
    export,
    input_report,
    inputs,
    lock,
    machine,
    manifest,
    preflight,
    samples,
    schedule,
    tuning,
)
from trainer import hparams as hparams_file
from trainer.dataset import DataSource
from trainer.estimator import make_estimator
from trainer.event_log import EventListener, EventLog
from trainer.hparams import HParams
from trainer.lock import Lock, LockHook
from trainer.machine import Machine
from trainer.options import DataOptions, RunOptions, TpuOptions
from trainer.progress import ProgressHook
from trainer.signals import GracefulStop, StopHook
from trainer.watchdog import Watchdog, WatchdogHook


@dataclasses.dataclass(frozen=True)
class _Job:
    """What is trained, on what, and where, once all of it has been found and checked."""

    hparams: HParams
    data: DataOptions
    options: RunOptions
    machine: Machine
    source: DataSource
    holdout: DataSource | None
    events: EventLog
    lock: Lock

    @property
    def in_memory(self) -> bool:
        """Whether all images are kept: where they fit, they would have to be read into memory only to be shuffled."""
        return self.data.cache or inputs.fits(self.source, self.hparams, self.data.shuffle_mib)

    @property
    def eval_batch_size(self) -> int:
        """Images in a batch of the hold-out; 0 if there are not enough for one."""
        records = self.holdout.records if self.holdout else 0
        return self.machine.eval_batch_size(self.hparams.train_batch_size, records)

    @property
    def evaluates(self) -> bool:
        """Whether there is something to evaluate on, and a wish for it."""
        return bool(self.eval_batch_size and (self.options.eval_steps or self.options.hptuning_metric))


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
    count = min(options.sample_count, job.source.records)
    samples.write_real(options.model_dir, inputs.first_batch(job.source, hparams, count))
    with GracefulStop() as stop, Watchdog(tpu.stall_timeout_s) as watchdog, job.events:
        try:
            images_per_s = _train(job, stop, watchdog)
        except tf.errors.DataLossError as error:
            reason = str(error).splitlines()[0]
            raise errors.DataError(f'a record is damaged ({reason}): find its shard with --verify_data=full') from error
    if stop.signum:
        logging.info('stopped; the same command resumes')
        return stop.exit_code
    _finish(hparams, options)
    input_report.log(job.source, hparams, job.in_memory, images_per_s)
    return 0


def _open_data(hparams: HParams, data: DataOptions) -> tuple[DataSource, DataSource | None]:
    """The verified training set, and the hold-out if there is one."""
    source = _verified(data.train_data, manifest.TRAIN, hparams, data)
    if source is None:
        raise errors.DataError(f'{data.train_data} has no training images: convert them again')
    logging.info('%s training images in %d shards', f'{source.records:,}', len(source.paths))
    if source.records < hparams.train_batch_size:
        raise errors.DataError(
            f'{data.train_data} holds {source.records} training images, fewer than --train_batch_size='
            f'{hparams.train_batch_size}: give a batch of at most {source.records}, or more images'
        )
    named = data.holdout_data or data.train_data
    if not data.holdout_data and not tf.io.gfile.isdir(named):
        return source, None
    return source, _verified(named, manifest.HOLDOUT, hparams, data)


def _verified(name: str, split: str, hparams: HParams, data: DataOptions) -> DataSource | None:
    shards = dataset.find(name, split)
    if not shards:
        return None
    return dataset.verify(shards, hparams.image_size, hparams.channels, data.record_layout, data.verify_data)


def _check_holdout(job: _Job) -> None:
    if job.options.hptuning_metric and not job.eval_batch_size:
        raise errors.UserError(
            f'--hptuning_metric={job.options.hptuning_metric} is measured on a hold-out, and {job.data.train_data} has '
            'none that fills a batch: give --holdout_data, or convert with a larger --holdout_percent'
        )
    if job.holdout and not job.eval_batch_size:
        logging.warning('no evaluation: %d hold-out images do not fill a batch on the TPU', job.holdout.records)


def _train(job: _Job, stop: GracefulStop, watchdog: Watchdog) -> float:
    """Trains from one evaluation to the next; in between, checkpoints and sample grids are drawn as they fall due.

    Returns:
      Images a second.
    """
    hparams, options, source = job.hparams, job.options, job.source
    eval_batch_size = job.eval_batch_size or hparams.train_batch_size
    estimator = make_estimator(hparams, options, job.machine, eval_batch_size, job.events.steps_dir)
    window = 0 if job.in_memory else inputs.shuffle_window(source, hparams, job.data.shuffle_mib)
    drawing = samples.SampleListener(hparams, options.model_dir, options.sample_count, options.sample_steps)
    sending = EventListener(job.events)
    progress = ProgressHook(hparams, options.model_dir, source.records, options.log_steps)
    stopping = StopHook(stop, before_first_step=not job.machine.use_tpu)
    watching = [LockHook(job.lock, options.model_dir), WatchdogHook(watchdog, 'train')]
    hooks = [checkpoints.ResumeHook(), progress, stopping, *watching]
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
            _evaluate(estimator, job, stop, watchdog)
    if options.hptuning_metric and not evaluated and not stop.signum:  # A trial restarted after its last step.
        _evaluate(estimator, job, stop, watchdog)
    return progress.images_per_s


def _evaluate(estimator: v1.estimator.tpu.TPUEstimator, job: _Job, stop: GracefulStop, watchdog: Watchdog) -> None:
    assert job.holdout
    steps = job.holdout.records // job.eval_batch_size
    hooks = [StopHook(stop), WatchdogHook(watchdog, 'evaluate')]
    results = estimator.evaluate(inputs.eval_input_fn(job.holdout), steps=steps, hooks=hooks)
    if stop.signum:  # It ended early: its means are of some batches only.
        return
    logging.info(
        'hold-out at step %d: %d images, D(real) %.2f, D(fake) %.2f, loss %.3f',
        results['global_step'],
        steps * job.eval_batch_size,
        results['D(real)'],
        results['D(fake)'],
        results['loss'],
    )
    if job.options.hptuning_metric:
        tuning.report(job.options.hptuning_metric, results)


def _finish(hparams: HParams, options: RunOptions) -> None:
    """Writes what a finished run leaves behind: the exported generator, and the film of its grids."""
    model_dir = options.model_dir
    checkpoint = tf.train.latest_checkpoint(model_dir)
    export.export(hparams, checkpoint, options.export_dir)
    gif = samples.write_gif(model_dir)
    logging.info('pictures: %s, %s', samples.grid_path(model_dir, checkpoints.step_of(checkpoint)), gif)
    logging.info('generator: %s (python -m trainer.generate --model_dir=%s --count=16)', options.export_dir, model_dir)
