"""Times the device without an input pipeline: --input=null."""

from __future__ import annotations

import dataclasses
import os

import tensorflow as tf
import tensorflow.compat.v1 as v1
from absl import logging

from trainer import environment
from trainer.dcgan import input_fn
from trainer.dcgan.hparams import HParams
from trainer.filesystem import files, outputs
from trainer.machine import preparation
from trainer.machine.options import MachineOptions
from trainer.machine.signals import GracefulStop, StopHook
from trainer.machine.watchdog import Watchdog, WatchdogHook
from trainer.options import RunOptions
from trainer.run import memory
from trainer.run.estimator import make_estimator
from trainer.run.progress import ProgressHook


def time_device(hparams: HParams, options: RunOptions, tpu: MachineOptions) -> int:
    """Trains on zeros to measure the device without an input pipeline; leaves nothing behind.

    Returns:
      0, or 128 + the signal that ended the run early.
    """
    # The folder is removed at the end, so its name must be unique.
    folder, steps = files.temporary_beside(os.path.join(options.model_dir, 'null_input')), hparams.train_steps
    made = outputs.missing_folders(options.model_dir)
    progress = ProgressHook(hparams, folder, hparams.train_batch_size, options.log_steps)
    try:
        with GracefulStop() as stop, Watchdog(tpu.stall_timeout_s) as watchdog:
            found = preparation.prepare(tpu, options, hparams, environment.as_given(), watchdog)
            if found.trains_in_host_memory:
                memory.check(hparams)
            # One checkpoint, at the end: saving more would slow the device down.
            options = dataclasses.replace(
                options, model_dir=folder, tensorboard_dir=folder, sample_steps=steps, save_steps=steps
            )
            estimator = make_estimator(hparams, options, found, hparams.train_batch_size)
            hooks = [progress, StopHook(stop), WatchdogHook(watchdog, 'train')]
            estimator.train(input_fn.null_input_fn, hooks=hooks, max_steps=steps)
    finally:
        v1.summary.FileWriterCache.clear()  # Otherwise its thread would write to a removed file.
        if tf.io.gfile.exists(folder):
            tf.io.gfile.rmtree(folder)
        outputs.remove_empty(made)
    logging.info('the device alone: %.0f images/s', progress.images_per_s)
    return stop.exit_code
