"""One whole run: check the data, train, draw, evaluate, export; resume where the last run ended."""

from __future__ import annotations

import os

import tensorflow as tf
from absl import logging

from trainer import environment, errors
from trainer.data import image_set
from trainer.data.image_set import ImageSet
from trainer.dcgan import architecture, fitting, input_fn
from trainer.dcgan.hparams import HParams
from trainer.filesystem.lock import Lock
from trainer.generator import samples
from trainer.machine import preparation
from trainer.machine.options import MachineOptions
from trainer.machine.signals import GracefulStop
from trainer.machine.watchdog import Watchdog
from trainer.model_dir import checkpoint_check, checkpoints, classes_file, hparams_file, run_data, run_folder
from trainer.model_dir.event_log import EventLog
from trainer.model_dir.run_data import RunData
from trainer.monitoring import best, early_stopping
from trainer.monitoring.monitor import Monitor
from trainer.monitoring.record import Record
from trainer.options import KID, DataOptions, RunOptions
from trainer.pretrained import transfer
from trainer.run import classes, ending, input_report, memory, preflight, training

_REAL = 1024  # Real images to compare sample grids with.


def run(hparams: HParams, data: DataOptions, options: RunOptions, tpu: MachineOptions) -> int:
    """Trains from the newest checkpoint in model_dir, or from scratch, until `train_steps` or early stopping.

    Returns:
      The exit code: 0, or 128 + the signal that ended the run early.

    Raises:
      errors.UserError: the data, the machine, the flags and model_dir do not fit together, another job trains in
        model_dir, a bucket refuses access, or training diverged twice.
    """
    preflight.check([data.train_data, data.holdout_data], options, tpu.compile_cache_dir)
    with run_folder.claimed(options.model_dir, os.environ) as held:
        return _run_alone(hparams, data, options, tpu, held)


def _run_alone(hparams: HParams, data: DataOptions, options: RunOptions, tpu: MachineOptions, held: Lock) -> int:
    checkpoint = checkpoints.recover(options.model_dir)
    start_step = checkpoints.step_of(checkpoint)
    hparams = _completed(hparams, options.model_dir, checkpoint)
    if start_step >= hparams.train_steps and hparams.image_size and hparams.channels and not options.hptuning_metric:
        return _already_finished(hparams, options, checkpoint, _why_finished(hparams, start_step))
    with Watchdog(tpu.stall_timeout_s) as watchdog:
        found = preparation.prepare(tpu, options, hparams, environment.as_given(), watchdog)
    train, holdout = _open_data(hparams, data)
    hparams = hparams.sized(train.image_size, train.channels)
    classed = classes.of_run(hparams, options.model_dir, train, holdout, resumes=bool(checkpoint))
    hparams = hparams.sized(train.image_size, train.channels, len(classed.classes.names) if classed else 0)
    hparams = fitting.fit_to_data(hparams, len(train))
    if found.trains_in_host_memory:
        memory.check(hparams)
    if checkpoint:
        checkpoint_check.check(checkpoint, hparams, to_train=True)
    trained_on = run_data.of(options.model_dir, data, train, holdout)
    _take_note_of_changed_data(options.model_dir, trained_on, start_step)
    ended = early_stopping.reason_to_end(options, start_step, trained_on.checksum)
    if ended and not options.hptuning_metric:
        return _already_finished(hparams, options, checkpoint, ended)

    def remember() -> None:
        hparams_file.write(options.model_dir, hparams)
        run_data.write(options.model_dir, trained_on)
        if classed:
            classes_file.write(options.model_dir, classed.classes)

    if not checkpoint:  # Otherwise after the restore: if that fails, the wrong values must not stay behind.
        remember()
        if hparams.init_from:
            transfer.begin(hparams, options.model_dir)
            checkpoints.recover(options.model_dir)
    events = EventLog(options, found.is_this_host)
    job = training.Job(
        hparams, data, options, found, train, holdout, classed, events, held, trained_on.checksum, on_restored=remember
    )
    _check_holdout(job)
    return _train(job, tpu, start_step)


def _train(job: training.Job, tpu: MachineOptions, start_step: int) -> int:
    hparams, options = job.hparams, job.options
    if start_step:
        logging.info('resuming %s at step %d', options.model_dir, start_step)
    first = input_fn.first_batch(job.train.source, hparams, min(_REAL, len(job.train)), job.train_labels)
    real = {name: values.numpy() for name, values in first.items()}
    samples.write_real(options.model_dir, real['images'][: options.sample_count])
    record = Record(options.model_dir, start_step, job.checksum)
    held_out = job.holdout_labels.of_images if job.holdout_labels else None
    monitor = Monitor(hparams, options, job.train, job.holdout, real, record, held_out)
    with GracefulStop() as stop:
        with Watchdog(tpu.stall_timeout_s) as watchdog, job.events:
            try:
                images_per_s = training.train(job, monitor, stop, watchdog)
            except errors.TrainingDiverged as error:
                record.end_diverged(str(error))
                raise
            except tf.errors.DataLossError as error:
                reason = str(error).splitlines()[0]
                raise errors.DataError(
                    f'a record is damaged ({reason}): find its shard with --verify_data=full'
                ) from error
        if stop.signum:
            logging.info('stopped; the same command resumes')
            return stop.exit_code
        record.draw()
        ending.finish(hparams, options, job.classes)
        if stop.signum:  # A signal does not cut the export short; only the exit code reports it.
            return stop.exit_code
    input_report.log(job.train.source, hparams, job.in_memory, images_per_s)
    return 0


def _completed(hparams: HParams, model_dir: str, checkpoint: str) -> HParams:
    """Completes the flags from the run's files; if there is a checkpoint, checks which flags have changed."""
    if not checkpoint:
        return transfer.sized(hparams)
    if not hparams_file.read(model_dir):
        logging.warning('%s has no %s: using the flags', model_dir, hparams_file.FILE_NAME)
        return hparams
    hparams = hparams_file.continued(model_dir, hparams)
    hparams_file.check_change(model_dir, hparams)
    return hparams


def _already_finished(hparams: HParams, options: RunOptions, checkpoint: str, why: str) -> int:
    logging.info('%s %s', options.model_dir, why)
    checkpoint_check.check(checkpoint, hparams, to_train=False)
    ending.finish(hparams, options, classes_file.of_run(options.model_dir, hparams))
    return 0


def _why_finished(hparams: HParams, step: int) -> str:
    return f'is finished at step {step}: raise --{"train_kimg" if hparams.train_kimg else "train_steps"} to go on'


def _take_note_of_changed_data(model_dir: str, now: RunData, step: int) -> None:
    """Warns if a run continues with other data, and sets aside what was measured on the data before."""
    before = run_data.read(model_dir)
    if before and before.differs_from(now) and step:
        logging.warning(
            '%s was trained to step %s on %s images (%s), and continues with %s images (%s): KID, the best checkpoint '
            'and the count of evaluations without a better one start again',
            model_dir, f'{step:,}', f'{before.images:,}', before.train_data, f'{now.images:,}', now.train_data,
        )  # fmt: skip
    aside = best.set_aside(model_dir, now.checksum)
    if aside:
        logging.warning('the best checkpoint on other data is kept in %s', aside)


def _open_data(hparams: HParams, data: DataOptions) -> tuple[ImageSet, ImageSet | None]:
    """The verified training set, and the hold-out if there is one."""
    train, holdout = image_set.open_both(
        data.train_data, hparams.image_size, hparams.channels, data.holdout_data, data.record_layout, data.verify_data
    )
    size = f'{train.image_size}x{train.image_size}x{train.channels}'
    logging.info('%s training images of %s in %d shards', f'{len(train):,}', size, len(train.shards))
    if train.image_size not in architecture.IMAGE_SIZES:
        raise errors.DataError(
            f'{data.train_data} holds images of {size}, but there are only networks for '
            f'{", ".join(map(str, architecture.IMAGE_SIZES))} px: convert the images again'
        )
    least = HParams.__dataclass_fields__['train_batch_size'].metadata['rule'].lower
    if len(train) < least:
        raise errors.DataError(
            f'{data.train_data} holds {len(train)} training image, but a batch has at least {least:g}: give more '
            'images, or convert with --holdout_percent=0'
        )
    if len(train) < hparams.train_batch_size:
        raise errors.DataError(
            f'{data.train_data} holds {len(train)} training images, fewer than --train_batch_size='
            f'{hparams.train_batch_size}: give a batch of at most {len(train)}, or more images'
        )
    return train, holdout


def _check_holdout(job: training.Job) -> None:
    if job.options.hptuning_metric not in ('', KID) and not job.eval_batch_size:
        raise errors.UserError(
            f'--hptuning_metric={job.options.hptuning_metric} is measured on a hold-out, but {job.data.train_data} has '
            'none that fills a batch: give --holdout_data, or convert with a larger --holdout_percent'
        )
    if job.holdout and not job.eval_batch_size:
        logging.warning('no loss on the hold-out: its %d images do not fill a batch on the TPU', len(job.holdout))
