"""The folder of a run, --model_dir: what a run writes there, and how to tell it from other folders."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence

from trainer.data import manifest
from trainer.filesystem import outputs
from trainer.filesystem.lock import Lock
from trainer.model_dir import hparams_file, run_data

MADE_BY = 'trainer.task'
_FLAG = '--model_dir'
# Names at the top of the folder. A data set that the run makes there has its own mark.
_NAMES = (
    'checkpoint', 'checkpoint.old', 'model.ckpt-*', 'best', 'best_of_*', 'samples', 'metrics.csv', 'metrics.csv.old',
    hparams_file.FILE_NAME, run_data.FILE_NAME, 'saved_model', 'train', 'eval', 'events.out.tfevents.*',
)  # fmt: skip
_CHECKPOINT = re.compile(r'model\.ckpt-[0-9]+\.index')


@contextlib.contextmanager
def claimed(model_dir: str, environ: Mapping[str, str]) -> Iterator[Lock]:
    """Claims the folder for a run and locks it against other jobs inside the context; see `outputs.claimed`."""
    with outputs.claimed(_FLAG, model_dir, MADE_BY, _NAMES, recognised=_is_run, environ=environ) as held:
        yield held


def check(model_dir: str) -> None:
    """Raises UserError if the folder holds files that are not a run's; changes nothing."""
    outputs.check(_FLAG, model_dir, MADE_BY, _NAMES, recognised=_is_run)


def _is_run(folder: str, names: Sequence[str]) -> bool:
    """Whether a folder without a mark is a run's, for example because only the checkpoints were copied.

    A data set may be there before the run: people prepare it first.
    """
    if hparams_file.FILE_NAME in names or any(_CHECKPOINT.fullmatch(name) for name in names):
        return True
    return bool(names) and all(manifest.is_in(os.path.join(folder, name)) for name in names)
