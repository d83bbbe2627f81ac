"""Reports at the end of a run whether training was input-bound, and what to change."""

from __future__ import annotations

import dataclasses
import time

from absl import logging

from trainer.data.dataset import DataSource
from trainer.dcgan import input_fn
from trainer.dcgan.hparams import HParams

_SECONDS, _BATCHES, _RECORDS = 2.0, 50, 4096
# If the pipeline alone is only a little faster than training was, training has waited for it.
_BOUND = 0.8


def log(source: DataSource, hparams: HParams, in_memory: bool, images_per_s: float) -> None:
    """Times the input pipeline alone for a moment and compares it with the speed of training.

    Args:
      source: the training set.
      hparams: the run's.
      in_memory: whether the run kept the images in memory.
      images_per_s: the speed of training; 0 means unknown, and logs nothing.
    """
    if not images_per_s:
        return
    alone = time_pipeline(source, hparams, in_memory)
    share = images_per_s / alone
    if share < _BOUND:
        logging.info(
            'input: %s images/s alone, training used %s: not input-bound', f'{alone:,.0f}', f'{images_per_s:,.0f}'
        )
        return
    remedy = '' if in_memory else 'add --cache if the set fits into memory, '
    logging.warning(
        'input-bound: the pipeline alone gives %s images/s and training used %s: %suse a machine with more CPU '
        'cores, or measure the device alone with --input=null',
        f'{alone:,.0f}',
        f'{images_per_s:,.0f}',
        remedy,
    )


def time_pipeline(source: DataSource, hparams: HParams, in_memory: bool) -> float:
    """Measures the training pipeline without training, in images per second."""
    params = {'hparams': hparams, 'batch_size': hparams.train_batch_size}
    # Some images are enough; reading all of them from gs:// could take minutes.
    some = dataclasses.replace(source, records=min(source.records, max(_RECORDS, hparams.train_batch_size)))
    batches = iter(input_fn.train_input_fn(some, some.records, 0, in_memory)(params))
    next(batches)
    began, taken = time.monotonic(), 0
    while taken < _BATCHES and time.monotonic() - began < _SECONDS:
        next(batches)
        taken += 1
    return taken * hparams.train_batch_size / (time.monotonic() - began)
