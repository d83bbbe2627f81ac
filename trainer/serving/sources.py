"""Loads what is served: a run, a SavedModel, or whichever of them a folder holds."""

from __future__ import annotations

import os

from absl import logging

from trainer import errors
from trainer.filesystem import files
from trainer.filesystem.pattern_free import plain
from trainer.inference import model, recognition
from trainer.inference.model import Model
from trainer.inference.recognition import Recogniser
from trainer.model_dir import hparams_file, run_data
from trainer.options import EXPORT_FOLDER
from trainer.storage.refusals import VIEWER, explained

_GRAPH = 'saved_model.pb'


def find(artifact: str) -> tuple[str, str]:
    """What a folder holds: the folder of a run or '', and the folder of a SavedModel or ''; one of them is set.

    Args:
      artifact: local or gs://: a SavedModel, a training run, or a folder with a SavedModel inside as saved_model.

    Raises:
      errors.UserError: it holds none of them.
    """
    plain(artifact)
    try:
        with explained(artifact, VIEWER):
            names = files.names_in(artifact)
    except NotADirectoryError:
        names = []
    if _GRAPH in names:
        return '', artifact
    if hparams_file.FILE_NAME in names:
        return artifact, ''
    if EXPORT_FOLDER in names:
        return '', os.path.join(artifact, EXPORT_FOLDER)
    raise errors.UserError(
        f'--artifact={artifact} holds neither a SavedModel ({_GRAPH}), nor a training run ({hparams_file.FILE_NAME}), '
        f'nor {EXPORT_FOLDER}: give the folder that a run of python -m trainer.task has made'
    )


def load(model_dir: str, checkpoint: str, saved_model: str) -> Model:
    """Loads a run's generator, or that of a SavedModel; raises as `model.of_run` and `model.of_saved_model`."""
    return model.of_saved_model(saved_model) if saved_model else model.of_run(model_dir, checkpoint)


def recogniser(served: Model, model_dir: str, data: str) -> tuple[Recogniser | None, str]:
    """Prepares to recognise pictures by the data set `data`, or else by that of the run.

    Returns:
      The recogniser, and ''; or None, and what to do about that.

    Raises:
      errors.UserError: `data` is given, and cannot be used.
    """
    if not data and not model_dir:
        return None, 'start it with --data=FOLDER, the data set of the model'
    try:
        options = run_data.options_of(model_dir, data)
        train, holdout = run_data.open_both(options, served.image_size, served.channels)
        return recognition.prepare(served, train, holdout), ''
    except errors.UserError as error:
        if data:
            raise
        logging.warning('pictures are not recognised: %s', error)
        return None, 'the data of its run are not there; start it with --data=FOLDER'
