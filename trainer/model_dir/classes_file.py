"""`classes.json` in the folder of a conditional run: the classes of its generator, by name, and their images."""

from __future__ import annotations

import dataclasses
import json
import posixpath

from trainer import errors
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.filesystem import files, state_file

FILE_NAME = 'classes.json'
_FIX = 'restore it, or choose another --model_dir'


def read(model_dir: str) -> Classes | None:
    """Reads the classes of the run in `model_dir`; None if there is no such file.

    Raises:
      errors.UserError: the file is not valid.
    """
    return state_file.read(posixpath.join(model_dir, FILE_NAME), Classes, fix=_FIX)


def of_run(model_dir: str, hparams: HParams) -> Classes | None:
    """The classes of a trained run; None for an unconditional one.

    Raises:
      errors.UserError: the file is absent or not valid, or is of another run.
    """
    if not hparams.classes:
        return None
    found = read(model_dir)
    if found is None or len(found.names) != hparams.classes:
        has = f'names {len(found.names)} classes' if found else 'is absent'
        raise errors.UserError(
            f'{posixpath.join(model_dir, FILE_NAME)} {has}, and the generator has {hparams.classes}: {_FIX}'
        )
    return found


def write(model_dir: str, classes: Classes) -> None:
    """Writes `classes.json` into `model_dir`."""
    text = json.dumps(dataclasses.asdict(classes), indent=2) + '\n'
    files.write_bytes(posixpath.join(model_dir, FILE_NAME), text.encode())
