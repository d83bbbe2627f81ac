"""The command that trains a generator again, for its model card."""

from __future__ import annotations

import dataclasses
from typing import Any

from trainer import cli
from trainer.dcgan.hparams import HParams
from trainer.exports.facts import Facts
from trainer.exports.markdown import block

# Set from the data, or by one of the two flags for the length of training.
_NOT_FLAGS = ('image_size', 'channels', 'train_steps')


def told(facts: Facts) -> str:
    """The command, and what it leaves out, as Markdown."""
    if not facts.hparams:
        return 'Unknown: this card was made from the SavedModel alone.'
    changed = changed_flags(facts.hparams)
    data = {'train_data': facts.data_path} if facts.data_path else {}
    place = {'model_dir': facts.place} if facts.is_run else {}
    command = cli.command('trainer.task', **data, **place, **changed)
    rest = 'All other hyper-parameters are the defaults of this version.' if changed else 'All are the defaults.'
    return f'{block("sh", command)}\n\n{rest}'


def changed_flags(hparams: HParams) -> dict[str, Any]:
    """The hyper-parameters that differ from the defaults, which as flags of `trainer.task` give the same again."""
    default = HParams()
    names = [field.name for field in dataclasses.fields(HParams) if field.name not in _NOT_FLAGS]
    if not hparams.train_kimg:
        names.append('train_steps')
    changed = {name: getattr(hparams, name) for name in names}
    return {
        name: str(value).lower() if isinstance(value, bool) else value
        for name, value in changed.items()
        if value != getattr(default, name) and not (name == 'train_kimg' and not value)
    }
