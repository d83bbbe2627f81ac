"""`hparams.json` in the folder of a run: its hyper-parameters, and which of them may change."""

from __future__ import annotations

import dataclasses
import json
import posixpath
from typing import Any

from absl import logging

from trainer import errors
from trainer.dcgan import augmentation
from trainer.dcgan.hparams import JOINT, HParams
from trainer.dcgan.network_options import NetworkOptions
from trainer.filesystem import files, state_file

FILE_NAME = 'hparams.json'
# Another value here means other variables, so no checkpoint fits after the change.
_ARCHITECTURE_FIELDS = tuple(field.name for field in dataclasses.fields(NetworkOptions))
# Options that matter only at the beginning of a run.
_BEGINNING = ('init_from', 'init_partial')
# At 0 these options need no variables, so a run that had 0 cannot go on with another value.
_ADDING_VARIABLES = ('ema_half_life_kimg', 'augment_target')
# Options that --augment=auto sets from the data.
_DATA_FIELDS = ('augment', 'augment_after_kimg')
# The values of runs from before these fields existed.
_BEFORE = {
    'discriminator_norm': 'batch', 'augment': 'none', 'augment_after_kimg': 0.0, 'flip': False,
    'ema_half_life_kimg': 0.0, 'minibatch_stddev': False, 'train_kimg': 0.0, 'g_learning_rate': 0.0,
    'd_learning_rate': 0.0, 'r1_gamma': 0.0, 'update': JOINT, 'kernel_size': 5, 'generator_norm': 'batch',
    'init_from': '', 'init_partial': False, 'freeze_d_layers': 0, 'augment_share': 1.0,
    'generator_output': 'deconv', 'discriminator_input': 'image', 'augment_target': 0.0,
    'generator_upsampling': 'plain',
    'condition': 'none', 'classes': 0, 'condition_after_kimg': -1.0,
}  # fmt: skip
# Network options whose default has changed.
_NEW_DEFAULTS = tuple(
    name for name in _ARCHITECTURE_FIELDS if name in _BEFORE and getattr(HParams(), name) != _BEFORE[name]
)


def read(model_dir: str) -> HParams | None:
    """Reads the hyper-parameters that `model_dir` was trained with; None if there is no such file.

    Raises:
      errors.UserError: the file is not valid, or holds values that no run can have been trained with.
    """
    path = posixpath.join(model_dir, FILE_NAME)
    found = state_file.read(path, HParams, before=_BEFORE, fix='restore it, or choose another --model_dir')
    if found and not (found.image_size and found.channels):
        raise errors.UserError(f'{path} has no image_size or channels: restore it, or choose another --model_dir')
    return found


def write(model_dir: str, hparams: HParams) -> None:
    """Writes `hparams.json` into `model_dir`."""
    text = json.dumps(dataclasses.asdict(hparams), indent=2) + '\n'
    files.write_bytes(posixpath.join(model_dir, FILE_NAME), text.encode())


def check_fits(model_dir: str, new: HParams) -> None:
    """Compares a new architecture with the one that the checkpoints in `model_dir` were trained with.

    Raises:
      errors.UserError: it differs, so the checkpoints do not fit.
    """
    before = read(model_dir)
    if before and new.init_from not in ('', before.init_from):
        began = f'from {before.init_from}' if before.init_from else 'at random'
        raise errors.UserError(
            f'--init_from={new.init_from}: {model_dir} has already begun, {began}: leave it out, or choose another '
            '--model_dir'
        )
    for name, old_value, new_value in _changes(model_dir, new):
        if name in _ARCHITECTURE_FIELDS or (name in _ADDING_VARIABLES and not old_value):
            raise errors.UserError(
                f'{model_dir} was trained with --{name}={old_value} and cannot go on with {new_value}: '
                f'give --{name}={old_value}, or choose another --model_dir'
            )


def continued(model_dir: str, new: HParams) -> HParams:
    """Completes `new` from the run in `model_dir`: the options of its variables, and what it started from."""
    known = read(model_dir)
    if not known:
        return new
    kept = {name: getattr(known, name) for name in _BEGINNING} if not new.init_from else {}
    if new.condition_after_kimg < 0:  # Another choice would take back what has been blended in.
        kept['condition_after_kimg'] = known.condition_after_kimg
    default = HParams()
    for name in _ADDING_VARIABLES:
        if not getattr(known, name) and getattr(new, name) == getattr(default, name):
            logging.info('--%s=0, as in %s', name, model_dir)
            kept[name] = 0.0
    return dataclasses.replace(followed(new, known, model_dir), **kept)


def followed(new: HParams, known: HParams, place: str) -> HParams:
    """Completes `new` from a run: image size, channels, and network options whose default has changed since.

    Args:
      new: what the flags say.
      known: the hyper-parameters of the run.
      place: the name of the run in the log.
    """
    default = HParams()
    open_ = [name for name in _NEW_DEFAULTS if getattr(new, name) == getattr(default, name) != getattr(known, name)]
    for name in open_:
        logging.info('--%s=%s, as in %s', name, getattr(known, name), place)
    networks = {name: getattr(known, name) for name in open_}
    return dataclasses.replace(new.sized(known.image_size, known.channels, known.classes), **networks)


def check_change(model_dir: str, new: HParams) -> None:
    """Like `check_fits`, and logs all other changes."""
    check_fits(model_dir, new)
    for name, old_value, new_value in _changes(model_dir, new):
        logging.info('--%s changes from %s to %s', name, old_value, new_value)


def _changes(model_dir: str, new: HParams) -> list[tuple[str, Any, Any]]:
    """Name, old and new value of each field that differs from what `model_dir` was trained with."""
    before = read(model_dir)
    if not before:
        return []
    by_data = _DATA_FIELDS if new.augment == augmentation.AUTO else ()
    names = [field.name for field in dataclasses.fields(HParams) if field.name not in by_data]
    both = [(name, getattr(before, name), getattr(new, name)) for name in names]
    return [(name, old, value) for name, old, value in both if old != value]
