"""Draws a study: KID over the images trained on, or over the size of the data set, and samples side by side."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from tests.benchmarks.quality.runs import Runs
from tests.benchmarks.quality.studies import Run
from tests.benchmarks.quality.tables import Row
from trainer.generator import samples
from trainer.monitoring.history import History
from trainer.options import LAST

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_INCHES, _DPI = (10, 5.5), 100
_COLORS = (
    '#2a6f97', '#c8553d', '#6c757d', '#588157', '#9a6fb0', '#d4a017', '#14a3a8', '#8d5524', '#e07aa0', '#22333b',
)  # fmt: skip
_BY_SIZE = {'kid': 'KID: less is better', 'coverage': 'Coverage', 'recall': 'Recall'}  # By all images.
_TILES = 6  # In each row and each column of a panel.
_PANEL_PX, _GAP_PX, _LABEL_PX, _COLUMNS = 384, 12, 26, 4


def draw_curves(path: pathlib.Path, title: str, runs: Runs, study: Sequence[Run]) -> None:
    """Draws KID at each evaluation over the images trained on: a colour for each recipe, a line for each seed."""
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout='constrained')
    axis = figure.subplots()
    colors: dict[str, str] = {}
    for run in study:
        label = _label(runs, run)
        new = label not in colors
        color = colors.setdefault(label, _COLORS[len(colors) % len(_COLORS)])
        points = History(str(runs.model_dir(run)), run.steps).points
        known = [(point.step * run.batch / 1000, point.kid) for point in points if point.kid is not None]
        style = ('-', '--', ':', '-.')[run.seed % 4]
        if known:
            axis.plot(*zip(*known), style, color=color, marker='o', markersize=3, label=label if new else None)
    _finish(axis, title, 'images trained on, thousands', 'KID to the training images')
    axis.set_yscale('log')
    figure.savefig(path)


def draw_sizes(path: pathlib.Path, lines: Sequence[Row]) -> None:
    """Draws the last checkpoint's KID, coverage and recall over the training images, with a line for each recipe."""
    figure = Figure(figsize=_INCHES, dpi=_DPI, layout='constrained')
    last = [line for line in lines if line['checkpoint'] == LAST]
    counts = sorted({line['images'] for line in last})
    for axis, (name, title) in zip(figure.subplots(1, 3), _BY_SIZE.items()):
        for color, recipe in zip(_COLORS, dict.fromkeys(line['recipe'] for line in last)):
            known = sorted((line['images'], line[name]) for line in last if line['recipe'] == recipe)
            axis.plot(*zip(*known), color=color, marker='o', markersize=4, label=recipe)
        real = sorted((line['images'], line[f'{name}_real']) for line in last)
        axis.plot(*zip(*real), '--', color=_COLORS[2], label='real images')
        _finish(axis, title, 'training images', '')
        axis.set_xscale('log', base=2)
        axis.set_xticks(counts, [f'{count:,}' for count in counts])
        axis.set_ylim(bottom=min(0, *axis.get_ylim()))
    figure.savefig(path)


def draw_grids(path: pathlib.Path, runs: Runs, study: Sequence[Run], lines: Sequence[Row]) -> None:
    """Draws samples of each run's last checkpoint with their KID beside real images, without interpolation."""
    kids = {line['run']: line['kid'] for line in lines if line['checkpoint'] == LAST}
    panels = [
        ('real images', _panel(pathlib.Path(samples.folder(str(runs.model_dir(study[0])))) / 'real.png', study[0]))
    ]
    for run in study:
        picture = next(iter(runs.evaluations(run))).path.with_suffix('.png')
        seed = f', seed {run.seed}' if len({other.seed for other in study}) > 1 else ''
        panels.append((f'{_label(runs, run)}{seed}: KID {kids[runs.name(run)]:.3f}', _panel(picture, run)))
    width = max(panel.shape[1] for _, panel in panels) + _GAP_PX
    height = max(panel.shape[0] for _, panel in panels) + _LABEL_PX + _GAP_PX
    columns = min(len(panels), _COLUMNS)
    total = columns * width + _GAP_PX, -(-len(panels) // columns) * height
    figure = Figure(figsize=(total[0] / _DPI, total[1] / _DPI), dpi=_DPI)
    for number, (label, panel) in enumerate(panels):
        left, top = _GAP_PX + number % columns * width, total[1] - number // columns * height
        figure.text(left / total[0], (top - _LABEL_PX / 2) / total[1], label, va='center', fontsize=9)
        figure.figimage(panel, left, top - _LABEL_PX - panel.shape[0], origin='upper')
    figure.savefig(path)


def _panel(path: pathlib.Path, run: Run) -> np.ndarray:
    """The first tiles of a grid, uint8 [H, W, 3]; small tiles are enlarged by an integer factor."""
    side = _TILES * run.size
    with Image.open(path) as picture:
        tiles = np.asarray(picture.convert('RGB'))[:side, :side]
    times = max(1, _PANEL_PX // side)
    return tiles.repeat(times, axis=0).repeat(times, axis=1)


def _label(runs: Runs, run: Run) -> str:
    images = runs.data_sets.images_of(run.data, run.size)
    return f'{run.recipe}, {images:,}{f" {run.data.variant}" if run.data.variant else ""}'


def _finish(axis: Axes, title: str, x: str, y: str) -> None:
    axis.set_title(title)
    axis.set_xlabel(x)
    axis.set_ylabel(y)
    axis.grid(alpha=0.25, which='both')
    if axis.get_legend_handles_labels()[0]:
        axis.legend(fontsize='small', frameon=False)
