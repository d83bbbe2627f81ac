"""The history of a run as one picture, `samples/metrics.png`."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from trainer import environment
from trainer.filesystem import files
from trainer.monitoring.history import Point

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_INCHES, _DPI = (11, 6.5), 100
_MARGINS = {'left': 0.05, 'right': 0.98, 'bottom': 0.08, 'top': 0.89, 'wspace': 0.12, 'hspace': 0.24}
_TOP = 1.0  # Of a title, where matplotlib would put it, without a layout of the whole axis to find that out.
_REAL, _FAKE, _NEUTRAL = '#2a6f97', '#c8553d', '#6c757d'


def write(path: str, points: Sequence[Point]) -> None:
    """Draws the measures over the steps as a PNG, local or gs://."""
    with environment.without('MPLBACKEND', 'MATPLOTLIBRC'):  # A user's settings must not change the chart.
        import matplotlib  # Here, so that only charts pay for the half second that it takes.
        from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        _write(path, points, Figure(figsize=_INCHES, dpi=_DPI))


def _write(path: str, points: Sequence[Point], figure: Figure) -> None:
    axes = figure.subplots(2, 2, sharex=True, gridspec_kw=_MARGINS)  # A fixed layout takes half the time.
    for axis, draw in zip(axes.flat, (_draw_scores, _draw_gap, _draw_twins, _draw_kid)):
        draw(axis, points)
        for step in _changes(points):
            axis.axvline(step, color=_NEUTRAL, linestyle=':', linewidth=1)
        axis.grid(alpha=0.25)
        if axis.get_legend_handles_labels()[0]:
            axis.legend(fontsize='small', frameon=False)
    for axis in axes[-1]:
        axis.set_xlabel('step')
    if points and points[-1].verdict:
        figure.suptitle(f'step {points[-1].step:,}: {points[-1].verdict}')
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    files.write_bytes(path, buffer.getvalue())


def _draw_scores(axis: Axes, points: Sequence[Point]) -> None:
    axis.set_title('D in training', y=_TOP)
    _line(axis, points, 'd_real', 'D(real)', _REAL)
    _line(axis, points, 'd_fake', 'D(fake)', _FAKE)
    _line(axis, points, 'd_real_sign', 'mean sign of D(real)', _NEUTRAL, '--')
    _line(axis, points, 'augment_share', 'share augmented', _NEUTRAL, ':')


def _draw_gap(axis: Axes, points: Sequence[Point]) -> None:
    axis.set_title('D in evaluation: mean logits', y=_TOP)
    _line(axis, points, 'd_train', 'training images', _REAL)
    _line(axis, points, 'd_holdout', 'hold-out, never seen', _REAL, '--')
    _line(axis, points, 'd_generated', 'generated', _FAKE)


def _draw_twins(axis: Axes, points: Sequence[Point]) -> None:
    axis.set_title('share with a near-duplicate in the sample grid', y=_TOP)
    _line(axis, points, 'twins_real', 'as many real images', _REAL, '--')
    _line(axis, points, 'twins', 'generated', _FAKE)
    axis.set_ylim(-0.02, 1.02)


def _draw_kid(axis: Axes, points: Sequence[Point]) -> None:
    axis.set_title('KID to the training images, lower is better', y=_TOP)
    _line(axis, points, 'kid_real', 'hold-out', _REAL, '--')
    known = [(point.step, point.kid, point.kid_std or 0.0) for point in points if point.kid is not None]
    if not known:
        return
    steps, kids, spreads = zip(*known)
    axis.errorbar(steps, kids, spreads, color=_FAKE, marker='o', markersize=3, capsize=2, label='generated')
    # Only points on the current data: KIDs on other data are not comparable.
    comparable = [
        (point.kid, point.step) for point in points if point.kid is not None and point.data == points[-1].data
    ]
    if comparable:
        best, step = min(comparable)
        axis.plot(step, best, marker='*', markersize=12, color=_FAKE, linestyle='', label='best')
    axis.set_ylim(bottom=min(0.0, *kids) - 0.03 * max(kids))


def _line(axis: Axes, points: Sequence[Point], name: str, label: str, color: str, style: str = '-') -> None:
    known = [(point.step, getattr(point, name)) for point in points if getattr(point, name) is not None]
    if known:
        axis.plot(*zip(*known), style, color=color, marker='o', markersize=3, label=label)


def _changes(points: Sequence[Point]) -> list[int]:
    """The steps that were measured on other data than the steps before them."""
    return [later.step for earlier, later in zip(points, points[1:]) if later.data != earlier.data]
