"""One whole run: check the data, train, draw, evaluate, export; resume from wherever the last run ended."""

from __future__ import annotations

import dataclasses
import os

import tensorflow as tf
from absl import logging

from trainer import (
    augmentation,
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
    training,
    tuning,
)
from trainer import hparams as hparams_file
from trainer.event_log import EventLog
from trainer.hparams import HParams
from trainer.image_set import ImageSet
from trainer.lock import Lock
from trainer.monitoring import patience
from trainer.monitoring.monitor import Monitor
from trainer.options import DataOptions, RunOptions, TpuOptions
from trainer.signals import GracefulStop
from trainer.watchdog import Watchdog

_REAL = 1024  # Images to compare sample grids with.
_MANY_EPOCHS = 1000


def run(hparams: HParams, data: DataOptions, options: RunOptions, tpu: TpuOptions) -> int:
    """Trains from the newest checkpoint in model_dir, or from scratch, to `train_steps` or until it is of no more use.

    Returns:
      The exit code: 0, or 128 + the signal that ended the run early.

    Raises:
      errors.UserError: the data, the machine, the flags and model_dir do not fit together, another job trains in
        model_dir, a bucket refuses, or training diverged twice.
    """
    preflight.check([data.train_data, data.holdout_data], options)
    with lock.hold(options.model_dir, os.environ) as held:
        return _run_alone(hparams, data, options, tpu, held)


def _run_alone(hparams: HParams, data: DataOptions, options: RunOptions, tpu: TpuOptions, held: Lock) -> int:
    checkpoint = checkpoints.recover(options.model_dir)
    start_step = checkpoints.step_of(checkpoint)
    if checkpoint:
        hparams_file.check_change(options.model_dir, hparams)
    finished = _why_finished(hparams, options, start_step)
    if finished and not options.hptuning_metric:
        logging.info('%s %s', options.model_dir, finished)
        _finish(hparams, options)
        return 0
    with Watchdog(tpu.stall_timeout_s) as watchdog:
        found = machine.prepare(tpu, options, hparams, os.environ, watchdog)
    train, holdout = _open_data(hparams, data)
    hparams = _fit_to_data(hparams, len(train))
    job = training.Job(hparams, data, options, found, train, holdout, EventLog(options, found.is_this_host), held)
    _check_holdout(job)
    hparams_file.write(options.model_dir, hparams)
    if start_step:
        logging.info('resuming %s at step %d', options.model_dir, start_step)
    real = inputs.first_batch(job.train.source, hparams, min(_REAL, len(job.train))).numpy()
    samples.write_real(options.model_dir, real[: options.sample_count])
    monitor = Monitor(hparams, options, job.train, job.holdout, real, start_step)
    with GracefulStop() as stop, Watchdog(tpu.stall_timeout_s) as watchdog, job.events:
        try:
            images_per_s = training.train(job, monitor, stop, watchdog)
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


def _why_finished(hparams: HParams, options: RunOptions, step: int) -> str:
    """Why there is nothing to train beyond `step`, in one line; '' if there is."""
    if step < hparams.train_steps:
        return patience.reason_to_end(options, step)
    return f'is finished at step {step}: raise --{"train_kimg" if hparams.train_kimg else "train_steps"} to go on'


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


def _fit_to_data(hparams: HParams, images: int) -> HParams:
    """Puts what --augment=auto stands for in its place; warns of too many passes over so many training images."""
    epochs = hparams.train_steps * hparams.train_batch_size / images
    if hparams.augment == augmentation.AUTO:
        hparams = _augment_by_data(hparams, images)
        begins = hparams.augment_after_steps
        logging.info(
            '--augment=auto is %s%s, for %s passes over %s images',
            hparams.augment, f' from step {begins:,} on' if begins else '', f'{epochs:,.0f}', f'{images:,}',
        )  # fmt: skip
    if epochs > _MANY_EPOCHS and not hparams.augmentations:
        logging.warning(
            '%s steps of %d images are %s passes over %s images, and --augment=none: beyond about %s a discriminator '
            'knows its images by heart (arXiv 2006.06676); give --augment=auto, fewer --train_kimg, or more images',
            f'{hparams.train_steps:,}', hparams.train_batch_size, f'{epochs:,.0f}', f'{images:,}', f'{_MANY_EPOCHS:,}',
        )  # fmt: skip
    return hparams


def _augment_by_data(hparams: HParams, images: int) -> HParams:
    """With what --augment=auto stands for; none where the run ends before it would begin, as it has a cost."""
    chosen, passes = augmentation.resolve(images, hparams.channels)
    after_kimg = hparams.augment_after_kimg or passes * images / 1000
    fitted = dataclasses.replace(hparams, augment=chosen, augment_after_kimg=after_kimg)
    if fitted.augment_after_steps < hparams.train_steps:
        return fitted
    return dataclasses.replace(hparams, augment=augmentation.NONE, augment_after_kimg=0.0)


def _check_holdout(job: training.Job) -> None:
    if job.options.hptuning_metric not in ('', tuning.KID) and not job.eval_batch_size:
        raise errors.UserError(
            f'--hptuning_metric={job.options.hptuning_metric} is measured on a hold-out, and {job.data.train_data} has '
            'none that fills a batch: give --holdout_data, or convert with a larger --holdout_percent'
        )
    if job.holdout and not job.eval_batch_size:
        logging.warning('no loss on the hold-out: its %d images do not fill a batch on the TPU', len(job.holdout))


def _finish(hparams: HParams, options: RunOptions) -> None:
    """Writes what a finished run leaves behind: the exported generator, and the film of its grids."""
    model_dir = options.model_dir
    checkpoint = tf.train.latest_checkpoint(model_dir)
    exported = checkpoints.best(model_dir) if options.export_checkpoint == checkpoints.BEST else checkpoint
    if not exported:
        logging.warning('no evaluation has found a best checkpoint: exporting the last')
    export.export(hparams, exported or checkpoint, options.export_dir)
    grids = samples.grid_paths(model_dir)
    if grids:
        logging.info('pictures: %s, %s', grids[-1], samples.write_gif(model_dir))
    logging.info('measures: %s', samples.chart_path(model_dir))
    logging.info('generator: %s (python -m trainer.generate --model_dir=%s --count=16)', options.export_dir, model_dir)
