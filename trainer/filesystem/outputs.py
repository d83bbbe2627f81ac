"""The one rule for every folder that a command writes to: it is absent, empty, or was made by the same command.

Anything else is refused before any work, so that nothing is ever removed or replaced that is not proven ours. What
proves it is a mark, written before the first file: which command made the folder, and under which names. A folder of
one command also takes one process at a time, or two would publish a mixture.
"""

from __future__ import annotations

import contextlib
import dataclasses
import fnmatch
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence

import tensorflow as tf

from trainer import errors
from trainer.filesystem import disk_errors, files, lock, state_file
from trainer.filesystem.lock import Lock
from trainer.storage import gcs
from trainer.storage.refusals import ADMIN, explained

MARK = '.made-by.json'
# What lies in a folder that a person takes for empty: of disks that were just made, of file managers, and our own.
_NOTHING = ('lost+found', '.DS_Store', 'Thumbs.db', 'desktop.ini', MARK, lock.FILE_NAME, lock.LOCAL_NAME)


@dataclasses.dataclass(frozen=True)
class Mark:
    """What the file MARK in a folder says.

    Attributes:
      made_by: the module whose command writes to the folder.
      names: of what it has written there, or is about to; `*` stands for any letters.
      facts: what the command wants to find there the next time.
    """

    made_by: str
    names: tuple[str, ...] = ()
    facts: dict[str, str] = dataclasses.field(default_factory=dict)


@contextlib.contextmanager
def claimed(
    flag: str,
    folder: str,
    made_by: str,
    names: Sequence[str],
    *,
    recognised: Callable[[str, Sequence[str]], bool] | None = None,
    environ: Mapping[str, str] | None = None,
) -> Iterator[Lock]:
    """Takes a folder for what a command writes, and holds it against other processes while entered.

    Args:
      flag: that names the folder, such as '--output_dir'.
      folder: local or gs://; a local one is made, and removed again if nothing is written to it.
      made_by: the command's module.
      names: of what it will write there, with `*` for any letters; nothing else in the folder is touched.
      recognised: whether a folder without a mark, given with the names in it, was made by this command all the same.
      environ: see `lock.hold`.

    Yields:
      The lock, which a job in a bucket may lose.

    Raises:
      errors.UserError: the folder holds what this command has not made, cannot be written, or is in use.
    """
    with _explained(flag, folder):
        check(flag, folder, made_by, names, recognised=recognised)
        made = missing_folders(folder)
        files.make_folder(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_if_empty, folder, made)
        with _explained(flag, folder):
            held = stack.enter_context(lock.hold(folder, environ or {}, flag=flag))
            before = check(flag, folder, made_by, names, recognised=recognised)  # Alone now.
            write_mark(folder, Mark(made_by, tuple(sorted({*before.names, *names})), before.facts))
        yield held


def check(
    flag: str,
    folder: str,
    made_by: str,
    names: Sequence[str],
    *,
    recognised: Callable[[str, Sequence[str]], bool] | None = None,
) -> Mark:
    """Holds a folder against the rule and changes nothing; returns its mark, or what it would be. See `claimed`.

    Raises:
      errors.UserError: it holds something that this command has not made.
    """
    with _explained(flag, folder):
        present = in_folder(folder)
        mark = read_mark(folder)
    if mark and mark.made_by == made_by:
        foreign = [name for name in present if _any(names, name) and not _any(mark.names, name)]
    elif not mark and recognised and recognised(folder, present):
        mark, foreign = Mark(made_by, tuple(names)), []
    else:
        mark, foreign = Mark(made_by), present
    if foreign:
        raise refusal(flag, folder, made_by, foreign[0])
    return mark


def refusal(flag: str, folder: str, made_by: str, name: str) -> errors.UserError:
    """The error for a folder that holds `name`, which the command has not made."""
    return errors.UserError(
        f'{flag}={folder} holds {name}, which python -m {made_by} has not made and will not touch: choose another '
        'folder, or one that is empty'
    )


def in_folder(folder: str) -> list[str]:
    """The names in a local or gs:// folder but for those that make it no less empty; none where there is none."""
    return [name for name in files.names_in(folder) if not (name in _NOTHING or files.is_temporary(name))]


def read_mark(folder: str) -> Mark | None:
    """The mark of a folder; None if it has none, or one that cannot be read and so proves nothing."""
    try:
        return state_file.read(os.path.join(folder, MARK), Mark, fix='remove it')
    except errors.UserError:
        return None


def write_mark(folder: str, mark: Mark) -> None:
    """Marks a folder."""
    text = json.dumps(dataclasses.asdict(mark), indent=2) + '\n'
    files.write_bytes(os.path.join(folder, MARK), text.encode())


@contextlib.contextmanager
def _explained(flag: str, folder: str) -> Iterator[None]:
    with explained(folder, ADMIN), disk_errors.explained(f'{flag}={folder}'):
        yield


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def missing_folders(folder: str) -> list[str]:
    """The local folders that making `folder` makes, the deepest first."""
    missing: list[str] = []
    if gcs.is_remote(folder):
        return missing
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _remove_if_empty(folder: str, made: Sequence[str]) -> None:
    """Removes what taking the folder has made, where the command has then written nothing."""
    with contextlib.suppress(OSError, tf.errors.OpError):
        if not made or set(os.listdir(folder)) - {MARK}:
            return
        os.remove(os.path.join(folder, MARK))
        for one in made:
            os.rmdir(one)
