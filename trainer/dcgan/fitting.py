"""Fits hyper-parameters to the number of training images."""

from __future__ import annotations

import dataclasses

from absl import logging

from trainer.dcgan import augmentation
from trainer.dcgan.hparams import HParams

_MANY_EPOCHS = 1000
_UNCONDITIONAL_EPOCHS, _UNCONDITIONAL_SHARE = 20, 0.25


def fit_to_data(hparams: HParams, images: int) -> HParams:
    """Replaces --augment=auto by its choice for so many images; warns if the run passes over them too often."""
    hparams = _conditioned_by_data(hparams, images)
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
            'memorises its images (arXiv 2006.06676); give --augment=auto, a smaller --train_kimg, or more images',
            f'{hparams.train_steps:,}', hparams.train_batch_size, f'{epochs:,.0f}', f'{images:,}', f'{_MANY_EPOCHS:,}',
        )  # fmt: skip
    return hparams


def _conditioned_by_data(hparams: HParams, images: int) -> HParams:
    """With the choice of --condition_after_kimg=-1 for a run with classes."""
    if not hparams.classes or hparams.condition_after_kimg >= 0:
        return hparams
    trained_kimg = hparams.train_steps * hparams.train_batch_size / 1000
    after_kimg = min(_UNCONDITIONAL_EPOCHS * images / 1000, _UNCONDITIONAL_SHARE * trained_kimg)
    logging.info('--condition_after_kimg=-1 is %.4g, and the classes count in full after twice that', after_kimg)
    return dataclasses.replace(hparams, condition_after_kimg=after_kimg)


def _augment_by_data(hparams: HParams, images: int) -> HParams:
    """With the choice of --augment=auto; none if the run ends before it would begin, because it costs time."""
    chosen, passes = augmentation.resolve(images, hparams.channels)
    after_kimg = hparams.augment_after_kimg or passes * images / 1000
    fitted = dataclasses.replace(hparams, augment=chosen, augment_after_kimg=after_kimg)
    if fitted.augment_after_steps < hparams.train_steps:
        return fitted
    return dataclasses.replace(hparams, augment=augmentation.NONE, augment_after_kimg=0.0)
