"""What generated images gain, in a sentence, a table, JSON, CSV and a chart."""

from __future__ import annotations

import csv
import dataclasses
import io
import json
import math
import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from trainer import environment
from trainer.evaluation.agreement import KEPT
from trainer.evaluation.gain_rows import CLASSIFIERS, CNN, FILTERED, RIDGE, ROWS, SHIFTS, Gain
from trainer.evaluation.report import version

TITLES = {RIDGE: 'ridge on features', CNN: 'small CNN'}
# The comparison of the sentence is fixed: the best of several would be found by chance, too.
STATED_ROW, STATED_SHARE = next((row, share) for row, share in FILTERED.items() if share == 0.3)
STATED_CLASSIFIER = CNN
# 97.5 % quantiles of Student's t with 1, 2, 3 ... degrees of freedom.
_T = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131, 2.120,
      2.110, 2.101, 2.093)  # fmt: skip
MOST_SEEDS = len(_T) + 1
_NORMAL = 1.960
_WIDTH, _INCHES, _DPI = 110, (9, 4.5), 100
_COLOURS = {RIDGE: '#2a6f97', CNN: '#c8553d'}


@dataclasses.dataclass(frozen=True)
class Difference:
    """How much more accurate one row is than another, in points (percent of the hold-out).

    Two things make it uncertain: the seeds, and which images happen to be held out. `spread` is the larger of two 95 %
    half-widths: of the t interval of the mean of the paired differences over the seeds, and of the normal interval of
    the mean, over the hold-out images, of each image's own difference. The difference is distinguishable from none if
    it is larger than this.

    Attributes:
      points: the mean over the seeds.
      over_seeds, over_images: the two half-widths.
    """

    points: float
    over_seeds: float
    over_images: float

    @property
    def spread(self) -> float:
        """The larger half-width."""
        return max(self.over_seeds, self.over_images)

    @property
    def distinguishable(self) -> bool:
        """Whether it is larger than its spread."""
        return abs(self.points) > self.spread

    def __str__(self) -> str:
        return f'{self.points:+.1f} +- {self.spread:.1f}'


def difference(gain: Gain, row: str, classifier: str, base: str = SHIFTS) -> Difference | None:
    """The paired difference of two rows; None if the row has no results."""
    found = [result.right.astype(float) for result in gain.of(row, classifier)]
    if not found:
        return None
    of_base = [result.right.astype(float) for result in gain.of(base, classifier)]
    paired = 100 * (np.array(found) - np.array(of_base))  # [seeds, hold-out images]
    by_seed, by_image = paired.mean(axis=1), paired.mean(axis=0)
    over_seeds = _T[len(by_seed) - 2] * by_seed.std(ddof=1) / math.sqrt(len(by_seed))
    over_images = _NORMAL * by_image.std(ddof=1) / math.sqrt(len(by_image)) if len(by_image) > 1 else math.inf
    return Difference(float(paired.mean()), float(over_seeds), float(over_images))


def sentence(gain: Gain) -> str:
    """The result in one sentence, about the small CNN and 30 %, which are fixed before anything is measured."""
    found = difference(gain, STATED_ROW, STATED_CLASSIFIER)
    where = f'{TITLES[STATED_CLASSIFIER]}, {STATED_SHARE * 100:.0f} %'
    if found is None:
        return f'no synthetic image passes the filter, so there is none to add ({where})'
    verdict = 'not distinguishable from none'
    if found.distinguishable:
        verdict = 'a gain' if found.points > 0 else 'a loss'
    return f'filtered synthetic images add {found} points over shifts ({where}): {verdict}'


def table(title: str, gain: Gain, names: Sequence[str], remarks: Sequence[str] = ()) -> str:
    """All numbers, for a terminal; the sentence is the last line."""
    lines = [title]
    for classifier in CLASSIFIERS:
        lines += ['', *_block(gain, classifier)]
    lines += ['', f'GAN-test, accuracy of {TITLES[RIDGE]} of real images on generated ones: {_spread(gain.gan_test)}']
    lines += _wrapped(f'{name} {value:.2f}' for name, value in zip(names, gain.gan_test_of.mean(axis=0)))
    made, kept = _total(gain, None), _total(gain, KEPT)
    lines += ['', f'The filter keeps {kept:,} of {made:,} generated images ({kept / max(made, 1):.0%}).']
    if gain.short:
        lines += ['Labels with fewer filtered images than 100 % takes:']
        lines += _wrapped(f'{names[label]} {kept} of {wanted}' for label, (kept, wanted) in gain.short.items())
    lines += [
        '',
        'Accuracies are means over the seeds +- their standard deviation; points over shifts are paired differences',
        'with a 95 % interval, of the seeds or of the hold-out images, whichever is wider.',
    ]
    return '\n'.join([*lines, *remarks, '', sentence(gain)])


def to_json(facts: dict[str, Any], gain: Gain, names: Sequence[str]) -> bytes:
    """The whole report, as the bytes of a JSON file."""
    rows = [_row(gain, row, classifier) for classifier in CLASSIFIERS for row in ROWS]
    by_label = dict(zip(names, gain.gan_test_of.mean(axis=0).round(6).tolist()))
    content = {
        **facts,
        'version': version(),
        'sentence': sentence(gain),
        'rows': rows,
        'gan_test': {'overall': gain.gan_test.round(6).tolist(), 'by_label': by_label},
        'filter': dict(zip(names, map(dict, gain.verdicts))),
    }
    return (json.dumps(content, indent=2) + '\n').encode()


def to_csv(gain: Gain) -> bytes:
    """A line for each row, classifier and seed."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator='\n')
    rows.writerow(['row', 'classifier', 'seed', 'accuracy', 'mean_over_labels', 'real', 'synthetic'])
    for found in gain.results:
        numbers = [f'{found.accuracy:.6f}', f'{found.mean_over_labels:.6f}', found.real, found.synthetic]
        rows.writerow([found.row, found.classifier, found.seed, *numbers])
    return text.getvalue().encode()


def chart(gain: Gain) -> bytes:
    """The accuracies of all rows, their spread and a tick for each seed, as the bytes of a PNG file."""
    with environment.without('MPLBACKEND', 'MATPLOTLIBRC'):  # A user's settings must not change the chart.
        import matplotlib  # Here, so that only charts pay for the half second that it takes.
        from matplotlib.figure import Figure

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        figure = Figure(figsize=_INCHES, dpi=_DPI)
        axis = figure.subplots(gridspec_kw={'left': 0.3, 'right': 0.97, 'bottom': 0.12, 'top': 0.9})
        for offset, classifier in zip((-0.12, 0.12), CLASSIFIERS):
            for place, row in enumerate(ROWS):
                values = [result.accuracy for result in gain.of(row, classifier)]
                colour, label = _COLOURS[classifier], '' if place else TITLES[classifier]
                if values:
                    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1))
                    axis.errorbar(mean, place + offset, xerr=spread, marker='o', capsize=3, color=colour, label=label)
                    axis.plot(values, [place + offset] * len(values), '|', markersize=8, color=colour)
        axis.set_yticks(range(len(ROWS)), ROWS)
        axis.invert_yaxis()
        axis.set_xlabel('accuracy on held-out real images: mean, standard deviation, and each seed')
        figure.suptitle(sentence(gain), fontsize='small')  # Over the whole width; over the axis it would be cut off.
        axis.grid(alpha=0.25)
        axis.legend(fontsize='small', frameon=False)
        buffer = io.BytesIO()
        figure.savefig(buffer, format='png')
    return buffer.getvalue()


def _block(gain: Gain, classifier: str) -> list[str]:
    width = max(map(len, (*ROWS, *TITLES.values()))) + 2
    head = f'{"real":>8}{"synthetic":>11}{"accuracy":>19}{"mean over labels":>19}{"points over shifts":>20}'
    lines = [f'{TITLES[classifier]:{width}}{head}']
    for row in ROWS:
        found = gain.of(row, classifier)
        if not found:
            lines.append(f'{row:{width}}no synthetic image passes the filter')
            continue
        numbers = [_spread([r.accuracy for r in found]), _spread([r.mean_over_labels for r in found])]
        over = '' if row == SHIFTS else str(difference(gain, row, classifier))
        sizes = f'{found[0].real:>8,}{found[0].synthetic:>11,}'
        lines.append(f'{row:{width}}{sizes}{numbers[0]:>19}{numbers[1]:>19}{over:>20}')
    return lines


def _row(gain: Gain, row: str, classifier: str) -> dict[str, Any]:
    found = gain.of(row, classifier)
    over = difference(gain, row, classifier) if row != SHIFTS else None
    return {
        'row': row,
        'classifier': classifier,
        'real': found[0].real if found else 0,
        'synthetic': found[0].synthetic if found else 0,
        'accuracy': [round(result.accuracy, 6) for result in found],
        'mean_over_labels': [round(result.mean_over_labels, 6) for result in found],
        'points_over_shifts': _finite(over) if over else None,
    }


def _finite(found: Difference) -> dict[str, Any]:
    numbers = {name: value if math.isfinite(value) else None for name, value in dataclasses.asdict(found).items()}
    return {**numbers, 'distinguishable': found.distinguishable}


def _spread(values: Sequence[float] | np.ndarray) -> str:
    return f'{np.mean(values):.4f} +- {np.std(values, ddof=1):.4f}'


def _total(gain: Gain, verdict: str | None) -> int:
    return sum(count for found in gain.verdicts for why, count in found.items() if verdict in (None, why))


def _wrapped(parts: Iterable[str]) -> list[str]:
    return textwrap.wrap(', '.join(parts), _WIDTH, initial_indent='  ', subsequent_indent='  ')
