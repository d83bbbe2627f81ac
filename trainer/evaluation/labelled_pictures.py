"""Writes pictures of chosen classes: a folder for each, a grid with a row for each, and what was kept of them."""

from __future__ import annotations

import csv
import dataclasses
import io
import os
import re
from collections.abc import Sequence

import numpy as np

from trainer import errors
from trainer.data import images
from trainer.dcgan.conditioning import Classes
from trainer.evaluation import agreement
from trainer.evaluation.agreement import COPY, KEPT, OTHER, UNSURE, Judge, Selection
from trainer.filesystem import files
from trainer.generator.sampler import Generator

ALL = 'all'
GRID, KEPT_FILE = 'grid.png', 'kept.csv'
_COLUMNS, _ROWS = 10, 10
_UNSAFE = re.compile(r'[^\w+-][^\w.+-]*|[^\w.+-]+')


@dataclasses.dataclass(frozen=True)
class Request:
    """What to write.

    Attributes:
      labels: the classes.
      seeds: of the pictures of each class; None for 0, 1, 2 ... until `count` are kept.
      count: how many of each class, if there are no seeds.
      judge: which ones to keep; None keeps all.
      singles, grid: whether to write each picture to a file, and a grid of the first ones of each class.
      columns: of the grid; 0 for 10.
    """

    labels: Sequence[int]
    seeds: Sequence[int] | None
    count: int
    judge: Judge | None
    singles: bool
    grid: bool
    columns: int = 0


def chosen(classes: Classes | None, label: str) -> list[int]:
    """The classes that --label names.

    Raises:
      errors.UserError: there is none of this name.
    """
    if classes is None:
        raise errors.UserError(
            f'--label={label}: this generator has no labels; train it with --condition=labels or --condition=clusters'
        )
    if label == ALL:
        return list(range(len(classes.names)))
    if label not in classes.names:
        shown = ', '.join(classes.names[:20]) + (' ...' if len(classes.names) > 20 else '')
        raise errors.UserError(f'--label={label} is not a label of this generator: choose one of {shown}, or {ALL}')
    return [classes.names.index(label)]


def folder_of(classes: Classes, label: int) -> str:
    """The name of a class's folder: its own name, or one with its number if a file system could not have it."""
    name = classes.names[label]
    taken = (GRID, KEPT_FILE, 'interpolation.gif')
    if name and not _UNSAFE.search(name) and len(name.encode()) < 200 and name not in taken:
        return name
    return f'{label:03}_{_UNSAFE.sub("_", name)[:40]}'


def names(classes: Classes, request: Request) -> list[str]:
    """The names of what `write` makes."""
    folders = [folder_of(classes, label) for label in request.labels] if request.singles else []
    return [*folders, *([GRID] if request.grid else []), *([KEPT_FILE] if request.judge else [])]


def write(generator: Generator, request: Request, folder: str) -> list[Selection]:
    """Writes the pictures below `folder`, each as soon as it is made; returns what was kept of each class."""
    assert generator.classes
    selections, rows = [], []
    columns = request.columns or _COLUMNS
    most = columns if len(request.labels) > 1 else columns * _ROWS
    for label in request.labels:
        selection, shown = Selection(label), list[np.ndarray]()
        place = os.path.join(folder, folder_of(generator.classes, label))
        for seed, picture in agreement.selected(generator, request.judge, selection, request.seeds, request.count):
            if request.singles:
                images.write_png(os.path.join(place, f'seed_{seed:06d}.png'), picture, images.GENERATED)
            if len(shown) < most:
                shown.append(picture)
        selections.append(selection)
        if shown:
            rows.append((generator.classes.names[label], images.tile_grid(np.stack(shown), columns)))
    if request.grid and rows:
        images.write_png(os.path.join(folder, GRID), _grid(rows))
    if request.judge:
        files.write_bytes(os.path.join(folder, KEPT_FILE), _table(generator.classes, selections))
    return selections


def summary(classes: Classes, selection: Selection) -> str:
    """What was kept of a class, in a sentence."""
    lost = [f'{count} {why}' for why, count in selection.counts.items() if why != KEPT and count]
    kept = f'{classes.names[selection.label]}: {selection.counts[KEPT]} kept of {selection.made}'
    return f'{kept} ({selection.share:.0%}); {", ".join(lost)}' if lost else kept


def _grid(rows: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """The rows, one below the other, filled up with black to the same width; named if there are several."""
    width = max(row.shape[1] for _, row in rows)
    filled = [np.pad(row, [(0, 0), (0, width - row.shape[1]), (0, 0)]) for _, row in rows]
    grid = np.concatenate(filled)
    return images.with_row_names(grid, [name for name, _ in rows]) if len(rows) > 1 else grid


def _table(classes: Classes, selections: Sequence[Selection]) -> bytes:
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(['label', 'made', 'kept', 'share_kept', 'other_label', 'unsure', 'near_copies'])
    for found in selections:
        lost = [found.counts[why] for why in (OTHER, UNSURE, COPY)]
        rows.writerow([classes.names[found.label], found.made, found.counts[KEPT], f'{found.share:.4f}', *lost])
    return text.getvalue().encode()
