"""The measurements of a study's finished runs: a CSV with a line for each run and checkpoint, and a Markdown table."""

from __future__ import annotations

import csv
import io
import json
import pathlib
import re
import statistics
from collections.abc import Sequence
from typing import Any

from tests.benchmarks.quality.runs import OWN, PIXELS, Runs
from tests.benchmarks.quality.studies import Run
from trainer.monitoring.history import History
from trainer.options import BEST, LAST

Row = dict[str, Any]
_MEASURES = ('kid', 'precision', 'recall', 'density', 'coverage', 'twins')
_BY_PIXELS = ('kid', 'coverage', 'recall', 'twins')
_COPYING = ('copying_z', 'copying_nearer', 'copying_close')
_COLUMNS = (
    'run', 'recipe', 'variant', 'size', 'images', 'foreign', 'dropped', 'dropped_foreign', 'seed', 'kimg', 'checkpoint',
    'step', 'generated', *(f'{name}{part}' for name in _MEASURES for part in ('', '_real')), 'kid_std', 'kid_real_std',
    *(f'{name}_pixels' for name in _BY_PIXELS), *_COPYING, 'train_seconds', 'diverged', 'verdict',
)  # fmt: skip
_PACE = re.compile(r'step ([\d,]+)/[\d,]+ \| .*?(\d+) images/s')


def rows(runs: Runs, run: Run) -> list[Row]:
    """The lines of a finished run: one for its last checkpoint and one for its best, which may be the same one."""
    found = {evaluation.kind: json.loads(evaluation.path.read_text()) for evaluation in runs.evaluations(run)}
    history = History(str(runs.model_dir(run)), run.steps).points
    own = found.get(OWN, found[LAST])
    same: Row = {
        'run': runs.name(run),
        'recipe': run.recipe,
        'variant': run.data.variant,
        'size': run.size,
        'images': own['images']['training'],
        **runs.data_sets.foreign(run.data, run.size),
        'seed': run.seed,
        'kimg': run.kimg,
        'train_seconds': _train_seconds(runs.log(run), run.batch),
        'diverged': 'yes' if runs.diverged(run) else 'no',
        'verdict': history[-1].verdict if history else '',
    }
    if PIXELS in found:
        same |= {f'{name}_pixels': found[PIXELS]['metrics'][name]['generated'] for name in _BY_PIXELS}
    copying = {name: own['metrics'].get(name, {}).get('generated') for name in _COPYING}
    return [
        {**same, **_measures(found[LAST]), 'checkpoint': LAST, **copying},
        # Copying from its own images is only known for the last checkpoint.
        {
            **same,
            **_measures(found.get(BEST, found[LAST])),
            'checkpoint': BEST,
            **(copying if BEST not in found else {}),
        },
    ]


def write_csv(path: pathlib.Path, lines: Sequence[Row]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, _COLUMNS, lineterminator='\n')
    writer.writeheader()
    writer.writerows({name: _cell(value) for name, value in line.items()} for line in lines)
    path.write_text(text.getvalue())


def markdown(lines: Sequence[Row]) -> str:
    """Mean [min .. max] over the seeds of each recipe, data set and checkpoint; twins of real images in brackets."""
    groups: dict[tuple, list[Row]] = {}
    for line in lines:
        key = (line['size'], line['images'], line['variant'], line['recipe'], line['checkpoint'])
        groups.setdefault(key, []).append(line)
    heads = (
        'recipe', 'px', 'images', 'kimg', 'checkpoint', 'seeds', 'KID', 'coverage', 'recall', 'precision',
        'twins (real)', 'by pixels: KID', 'coverage', 'recall', 'twins', 'copying z', 'minutes', 'diverged',
    )  # fmt: skip
    table = [heads, ['---'] * len(heads), *(_table_row(group) for group in groups.values())]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in table) + '\n'


def _table_row(group: list[Row]) -> list[str]:
    first = group[0]
    variant = f' ({_variant(first)})' if first['variant'] else ''
    return [
        f'{first["recipe"]}{variant}',
        str(first['size']),
        f'{first["images"]:,}',
        f'{first["kimg"]:g}',
        str(first['checkpoint']),
        str(len(group)),
        _over_seeds(group, 'kid', 3) + (f' ± {first["kid_std"]:.3f}' if len(group) == 1 else ''),
        *(_over_seeds(group, name, 3) for name in ('coverage', 'recall', 'precision')),
        f'{_over_seeds(group, "twins", 3)} ({first["twins_real"]:.3f})',
        *(_over_seeds(group, f'{name}_pixels', 3) for name in _BY_PIXELS),
        _over_seeds(group, 'copying_z', 1),
        _minutes(group),
        str(sum(line['diverged'] == 'yes' for line in group)),
    ]


def _variant(line: Row) -> str:
    if 'dropped' not in line:
        return f'{line["foreign"]} foreign'
    return f'{line["foreign"]} foreign; {line["dropped_foreign"]} of {line["dropped"]} dropped were'


def _over_seeds(group: list[Row], name: str, digits: int) -> str:
    known = [line[name] for line in group if line.get(name) is not None]
    if not known:
        return ''
    mean = f'{statistics.mean(known):.{digits}f}'
    return mean if len(known) == 1 else f'{mean} [{min(known):.{digits}f} .. {max(known):.{digits}f}]'


def _minutes(group: list[Row]) -> str:
    known = [line['train_seconds'] / 60 for line in group if line['train_seconds']]
    return f'{statistics.mean(known):.0f}' if known else ''


def _measures(found: dict[str, Any]) -> Row:
    metrics = found['metrics']
    line: Row = {'step': found['step'], 'generated': found['images']['generated']}
    for name in _MEASURES:
        line[name], line[f'{name}_real'] = metrics[name]['generated'], metrics[name]['real']
    return {**line, 'kid_std': metrics['kid']['spread'], 'kid_real_std': metrics['kid']['real_spread']}


def _train_seconds(log: pathlib.Path, batch: int) -> float | None:
    """Seconds of the training steps alone, by the speeds in a log; repeated steps count once."""
    found = _PACE.findall(log.read_text(errors='replace')) if log.exists() else []
    paces = {int(step.replace(',', '')): int(pace) for step, pace in found}
    steps = sorted(paces)
    spans = [(end - begin, paces[end]) for begin, end in zip([0, *steps], steps)]
    return sum(span * batch / pace for span, pace in spans if pace) or None


def _cell(value: Any) -> Any:
    return f'{value:.6g}' if isinstance(value, float) else value
