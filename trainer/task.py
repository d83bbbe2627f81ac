"""Trains a DCGAN on a folder of images, or on TFRecords of them.

  python -m trainer.task --train_data=photos
      converts the images into runs/photos/data, and trains on them.
  python -m trainer.task --flagfile=configs/dcgan64.cfg --train_data=data/roses64 --model_dir=runs/roses
      trains on records made by python -m convert.images_to_tfrecords.
  python -m trainer.task
      trains on the country flags that come with the package, into runs/demo: a few minutes on a laptop.

Running the same command again resumes at the step where the last run ended. Exit codes: 0 finished, 1 a mistake to
correct, 2 data absent or damaged, 3 training diverged twice, 4 no progress for --stall_timeout_s, 5 a bucket refuses
this account, 6 storage failed for longer than the retries last, or a disk is full; 129, 130 and 143 stopped by SIGHUP
(a closed terminal), SIGINT (Ctrl-C) and SIGTERM (preempted) with a checkpoint saved.
"""

from __future__ import annotations

import dataclasses
import json
import os

from absl import flags, logging

from convert import for_training
from trainer import cli, environment, errors, terminal
from trainer.dcgan.hparams import SMALLEST, HParams
from trainer.filesystem import paths
from trainer.machine.options import MachineOptions
from trainer.model_dir import checkpoints, hparams_file, run_data, run_folder
from trainer.options import DataOptions, RunOptions
from trainer.pretrained import transfer
from trainer.quiet import quieten_tensorflow
from trainer.run import device_timing, experiment, preflight

_GROUPS = (HParams, DataOptions, RunOptions, MachineOptions)
_RUNS, _DEMO = 'runs', 'demo'
_CLASSES = 10  # Of --input=null with a --condition.


def main() -> int:
    """Runs the job that the flags describe; returns the exit code."""
    hparams = cli.from_flags(HParams, flags.FLAGS)
    data = cli.from_flags(DataOptions, flags.FLAGS)
    options = cli.from_flags(RunOptions, flags.FLAGS)
    machine = cli.from_flags(MachineOptions, flags.FLAGS)
    chosen = bool(options.model_dir)
    if not chosen:
        options = dataclasses.replace(options, model_dir=_default_model_dir(data.train_data))
    if options.dry_run:
        _print_resolved(hparams, data, options, machine)
        return 0
    quieten_tensorflow()
    environment.settle(os.environ)
    if data.input == 'null':
        if chosen:  # Times the networks of the run that is there.
            hparams = hparams_file.continued(options.model_dir, hparams)
        return device_timing.time_device(hparams.sized(**SMALLEST, classes=_CLASSES), options, machine)
    if not chosen:
        _check_default_is_of(options.model_dir, data.train_data)
    hparams, data = _with_data_set(hparams, data, options, machine)
    if options.preflight_only:
        preflight.check([data.train_data, data.holdout_data], options, machine.compile_cache_dir)
        return 0
    return experiment.run(hparams, data, options, machine)


def _print_resolved(hparams: HParams, data: DataOptions, options: RunOptions, machine: MachineOptions) -> None:
    if not data.train_data:
        hparams = hparams.sized(**SMALLEST)
    resolved = [dataclasses.asdict(group) for group in (hparams, data, options, machine)]
    terminal.say(json.dumps({name: value for group in resolved for name, value in group.items()}, indent=2))


def _default_model_dir(train_data: str) -> str:
    return os.path.join(_RUNS, (paths.name_of(train_data) if train_data else '') or _DEMO)


def _check_default_is_of(model_dir: str, train_data: str) -> None:
    """Refuses to continue a run on other data only because two folders have the same name; --model_dir allows it."""
    known = run_data.read(model_dir)
    if not known:
        return
    before = for_training.source_of(run_data.options_of(model_dir, '').train_data)
    now = for_training.source_of(train_data) if train_data else for_training.SAMPLES
    if not paths.same(before, now) and not (before.endswith(for_training.SAMPLES_END) and not train_data):
        raise errors.UserError(
            f'{model_dir} is a run on {before}, not on {now}: give another --model_dir, or --model_dir={model_dir} to '
            'go on with it on other data'
        )


def _with_data_set(
    hparams: HParams, data: DataOptions, options: RunOptions, machine: MachineOptions
) -> tuple[HParams, DataOptions]:
    """Completes the options with a data set: the one in --train_data, or one made in model_dir from its images."""
    images, fit = data.train_data, for_training.FIT
    if not images:
        if machine.use_tpu:
            raise errors.UserError('--use_tpu=true needs --train_data: the sample images are for a first try on a CPU')
        logging.info('no --train_data: training on the sample images, country flags stretched to squares')
        images, fit = for_training.SAMPLES, for_training.STRETCH
    elif not for_training.is_folder_of_images(images):
        return hparams, data
    hparams = hparams_file.continued(options.model_dir, hparams)
    if checkpoints.newest_first(options.model_dir):
        hparams_file.check_fits(options.model_dir, hparams)  # Before the images are converted for another network.
    else:
        hparams = transfer.sized(hparams)
    if images == for_training.SAMPLES:
        hparams = hparams.sized(**SMALLEST)
    preflight.check([data.holdout_data], options)
    folder = os.path.join(options.model_dir, run_data.FOLDER)
    with run_folder.claimed(options.model_dir, os.environ):
        made = for_training.prepare(images, folder, hparams.image_size, hparams.channels, fit, options.preflight_only)
    return hparams, dataclasses.replace(data, train_data=made)


if __name__ == '__main__':
    cli.run(main, __doc__, _GROUPS)
