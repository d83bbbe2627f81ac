"""Trains a DCGAN on TFRecords of images.

  python -m trainer.task --use_tpu=false
      trains on the country flags that come with the package, into runs/demo: two minutes on a laptop.
  python -m trainer.task --flagfile=configs/dcgan64.cfg --train_data=data/roses64 --model_dir=runs/roses
      trains on your own images, made into records by python -m convert.images_to_tfrecords.

Running the same command again resumes at the step where the last run ended.
"""

from __future__ import annotations

import dataclasses
import json
import os

from absl import flags, logging

from convert import conversion, samples
from convert.options import ConvertOptions
from trainer import cli, errors, experiment, manifest
from trainer.hparams import HParams
from trainer.options import DataOptions, RunOptions, TpuOptions
from trainer.quiet import quieten_tensorflow

_GROUPS = (HParams, DataOptions, RunOptions, TpuOptions)
for _group in _GROUPS:
    cli.define_flags(_group)


def main() -> int:
    """Runs the job that the flags describe; returns the exit code."""
    hparams, data, options, machine = (cli.from_flags(group, flags.FLAGS) for group in _GROUPS)
    if options.dry_run:
        print(json.dumps({type(group).__name__: dataclasses.asdict(group) for group in (hparams, data, options, machine)}, indent=2))
        return 0
    quieten_tensorflow()
    if not data.train_data:
        data = dataclasses.replace(data, train_data=_sample_data(hparams, options, machine))
    return experiment.run(hparams, data, options, machine)


def _sample_data(hparams: HParams, options: RunOptions, machine: TpuOptions) -> str:
    """Converts the embedded country flags into a data set in model_dir, once, and returns its folder."""
    if machine.use_tpu:
        raise errors.UserError(
            '--use_tpu=true needs --train_data: the sample images are for a first try with --use_tpu=false'
        )
    folder = os.path.join(options.model_dir, 'data')
    logging.info('no --train_data: training on the sample images, country flags stretched to squares')
    ...
    return folder


if __name__ == '__main__':
    cli.run(main, __doc__, _GROUPS)
