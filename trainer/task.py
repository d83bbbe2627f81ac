"""Trains a DCGAN on TFRecords of images.

  python -m trainer.task --use_tpu=false
      trains on the country flags that come with the package, into runs/demo: two minutes on a laptop.
  python -m trainer.task --flagfile=configs/dcgan64.cfg --train_data=data/roses64 --model_dir=runs/roses
      trains on your own images, made into records by python -m convert.images_to_tfrecords.

Running the same command again resumes at the step where the last run ended. Exit codes: 0 finished, 1 a mistake to
mend, 2 data absent or damaged, 3 training diverged twice, 4 no progress for --stall_timeout_s, 5 a bucket refuses this
account, 6 storage failed for longer than the retries last, 130 and 143 stopped by SIGINT and SIGTERM (preempted) with a
checkpoint saved.
"""

from __future__ import annotations

import dataclasses
import json
import os

import tensorflow as tf
from absl import flags, logging

from convert import conversion, samples
from convert.options import ConvertOptions
from trainer import cli, device_timing, errors, experiment, manifest, preflight, trained
from trainer.hparams import HParams
from trainer.options import DataOptions, RunOptions, TpuOptions
from trainer.quiet import quieten_tensorflow

_GROUPS = (HParams, DataOptions, RunOptions, TpuOptions)


def main() -> int:
    """Runs the job that the flags describe; returns the exit code."""
    hparams = cli.from_flags(HParams, flags.FLAGS)
    data = cli.from_flags(DataOptions, flags.FLAGS)
    options = cli.from_flags(RunOptions, flags.FLAGS)
    machine = cli.from_flags(TpuOptions, flags.FLAGS)
    if options.dry_run:
        resolved = [dataclasses.asdict(group) for group in (hparams, data, options, machine)]
        print(json.dumps({name: value for group in resolved for name, value in group.items()}, indent=2))
        return 0
    quieten_tensorflow()
    if options.preflight_only:
        preflight.check([data.train_data, data.holdout_data], options)
        return 0
    if data.input == 'null':
        return device_timing.time_device(hparams, options, machine)
    if not data.train_data:
        data = dataclasses.replace(data, train_data=_sample_data(hparams, options, machine))
    return experiment.run(hparams, data, options, machine)


def _sample_data(hparams: HParams, options: RunOptions, machine: TpuOptions) -> str:
    """Converts the embedded country flags into a data set in model_dir, once, and returns its folder."""
    if machine.use_tpu:
        raise errors.UserError('--use_tpu=true needs --train_data: the sample images are for a first try on a CPU')
    folder = os.path.join(options.model_dir, trained.DATA_FOLDER)
    if tf.io.gfile.exists(os.path.join(folder, manifest.FILE_NAME)):
        found = manifest.read(folder)
        if (found.image_size, found.channels) == (hparams.image_size, hparams.channels):
            return folder
    logging.info('no --train_data: training on the sample images, country flags stretched to squares')
    conversion.convert(
        ConvertOptions(
            input_dir=str(samples.COUNTRY_FLAGS),
            output_dir=folder,
            image_size=hparams.image_size,
            channels=hparams.channels,
            fit='stretch',
            overwrite=True,
        )
    )
    return folder


if __name__ == '__main__':
    cli.run(main, __doc__, _GROUPS)
