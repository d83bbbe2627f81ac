"""The rule for every folder that a command writes to: it is absent, empty, or was made by the same command.

Any other folder is refused before any work, so a command only removes or replaces files that are proven its own. The
proof is a mark, written before the first file: it says which command made the folder, and which names it writes. Only
one process at a time may write to a folder, because two would publish a mixture.
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
# Names in a folder that people consider empty: from new disks, from file managers, and our own.
_NOTHING = ('lost+found', '.DS_Store', 'Thumbs.db', 'desktop.ini', MARK, lock.FILE_NAME, lock.LOCAL_NAME)


@dataclasses.dataclass(frozen=True)
class Mark:
    """The content of the file MARK in a folder.

    Attributes:
      made_by: the module whose command writes to the folder.
      names: of the files that it has written or will write there; `*` matches any characters.
      facts: what the command keeps there for its next run.
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
    """Claims a folder for the output of a command, and locks it against other processes inside the context.

    Args:
      flag: that names the folder, such as '--output_dir'.
      folder: local or gs://; a local one is created, and removed again if nothing is written to it.
      made_by: the command's module.
      names: of the files that it will write there, with `*` for any characters; it touches nothing else there.
      recognised: takes a folder without a mark and the names in it; tells whether this command made it.
      environ: see `lock.hold`.

    Yields:
      The lock, which a job in a bucket may lose.

    Raises:
      errors.UserError: the folder holds files that this command has not made, cannot be written, or is in use.
    """
    with _explained(flag, folder):
        check(flag, folder, made_by, names, recognised=recognised)
        made = missing_folders(folder)
        files.make_folder(folder)
    with contextlib.ExitStack() as stack:
        stack.callback(_remove_if_empty, folder, made)
        with _explained(flag, folder):
            held = stack.enter_context(lock.hold(folder, environ or {}, flag=flag))
            before = check(flag, folder, made_by, names, recognised=recognised)  # Again, under the lock.
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
    """Checks a folder by the rule, changes nothing, and returns its mark or the mark that it would get. See `claimed`.

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
    """The names in a local or gs:// folder, without those that an empty folder may have; none if it does not exist."""
    return [name for name in files.names_in(folder) if not (name in _NOTHING or files.is_temporary(name))]


def read_mark(folder: str) -> Mark | None:
    """The mark of a folder; None if it has none, or an unreadable one, which proves nothing."""
    try:
        return state_file.read(os.path.join(folder, MARK), Mark, fix='remove it')
    except errors.UserError:
        return None


def write_mark(folder: str, mark: Mark) -> None:
    """Writes the mark of a folder."""
    text = json.dumps(dataclasses.asdict(mark), indent=2) + '\n'
    files.write_bytes(os.path.join(folder, MARK), text.encode())


@contextlib.contextmanager
def _explained(flag: str, folder: str) -> Iterator[None]:
    with explained(folder, ADMIN), disk_errors.explained(f'{flag}={folder}'):
        yield


def _any(patterns: Sequence[str], name: str) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def missing_folders(folder: str) -> list[str]:
    """The local folders that must be created for `folder`, the deepest first."""
    missing: list[str] = []
    if gcs.is_remote(folder):
        return missing
    folder = os.path.abspath(folder)
    while not os.path.lexists(folder):
        missing.append(folder)
        folder = os.path.dirname(folder)
    return missing


def _remove_if_empty(folder: str, made: Sequence[str]) -> None:
    """Removes the folders that claiming has created, if the command has written nothing to them."""
    with contextlib.suppress(OSError, tf.errors.OpError):
        if not made or set(os.listdir(folder)) - {MARK}:
            return
        os.remove(os.path.join(folder, MARK))
        remove_empty(made)


def remove_empty(folders: Sequence[str]) -> None:
    """Removes local folders, the deepest first (`missing_folders`), up to the first that holds anything."""
    with contextlib.suppress(OSError):
        for folder in folders:
            os.rmdir(folder)
