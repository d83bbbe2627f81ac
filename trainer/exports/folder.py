"""The folder of an export: the formats, samples, and the model card that describes them."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Sequence

from trainer.exports import conversion, model_card
from trainer.exports.conversion import Measured
from trainer.exports.facts import Facts
from trainer.exports.model_card import Card
from trainer.filesystem import disk_errors, files, outputs, paths
from trainer.generator import saved_model
from trainer.options import SAVED_MODEL
from trainer.storage import gcs

MADE_BY = 'trainer.export'
NAME = 'export'  # In the folder of a run.
_MOST_BYTES = 1 << 20


@contextlib.contextmanager
def claimed(flag: str, folder: str, formats: Sequence[str]) -> Iterator[None]:
    """Claims the folder for these formats and the card inside the context; see `outputs.claimed`."""
    with outputs.claimed(flag, folder, MADE_BY, _names(formats), environ=os.environ):
        if SAVED_MODEL in formats:
            saved_model.check(os.path.join(folder, conversion.SAVED_MODEL_NAME), flag)
        with disk_errors.explained(f'{flag}={folder}'):
            yield


def check(flag: str, folder: str, formats: Sequence[str]) -> None:
    """Raises UserError if the folder cannot be claimed; changes nothing."""
    outputs.check(flag, folder, MADE_BY, _names(formats))


def write(folder: str, facts: Facts, made: Sequence[Measured], saved_model_path: str, samples: bytes) -> str:
    """Writes what is in the folder besides the SavedModel, the card last, and returns the card's path.

    Args:
      folder: claimed.
      facts: about the generator.
      made: the files; those with contents are written.
      saved_model_path: where the SavedModel is; '' if there is none.
      samples: a PNG file of a grid of samples.
    """
    for file in made:
        if file.content:
            files.write_bytes(os.path.join(folder, file.name), file.content)
    files.write_bytes(os.path.join(folder, model_card.SAMPLES), samples)
    described = {file.name for file in made}
    known = set(conversion.NAMES.values()) - described
    others = [name for name in files.names_in(folder) if name in known]
    card = Card(facts, made, _seen_from(folder, saved_model_path) if saved_model_path else '', others)
    path = os.path.join(folder, model_card.NAME)
    files.write_bytes(path, model_card.write(card, _before(path)).encode())
    return path


def _before(path: str) -> str:
    """The card that is there; nothing of one that cannot be read."""
    try:
        return files.read_text(path, _MOST_BYTES) or ''
    except ValueError:
        return ''


def _names(formats: Sequence[str]) -> list[str]:
    return [*(conversion.NAMES[name] for name in formats), model_card.NAME, model_card.SAMPLES]


def _seen_from(folder: str, path: str) -> str:
    """The path for a card in the folder: relative if both may move together, with the run that holds them."""
    if gcs.is_remote(folder) or gcs.is_remote(path):
        return path
    run = os.path.dirname(os.path.abspath(folder))
    return os.path.relpath(path, folder) if paths.within(path, run) else os.path.abspath(path)
