"""An evaluation for people, as a table, and for programs, as JSON."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
from collections.abc import Callable, Sequence
from typing import Any

from trainer.evaluation import Measure

_NAME, _COLUMN = 16, 19

# How to read each metric, in one sentence with its own numbers.
MEANINGS: dict[str, Callable[[Measure], str]] = {
    'kid': lambda m: (
        'distance between generated and training images, the lower the better; nothing gets below the real one, '
        'and only numbers of the same extractor and data can be compared'
    ),
    'precision': lambda m: (
        f'{m.generated:.0%} of the generated images lie where training images do; low means that they do not look real'
    ),
    'recall': lambda m: (
        f'{m.generated:.0%} of the training images lie where generated images do; low means little variety'
    ),
    'density': lambda m: (
        f'generated images lie {_compare(m)} training images as real ones do; '
        'low means that they do not look real, above the real one that they keep to the commonest kinds'
    ),
    'coverage': lambda m: f'generated images are near {m.generated:.0%} of the training images; low means collapse',
    'twins': lambda m: (
        f'{m.generated:.0%} of {m.compared} have a near twin among them, and {m.real:.0%} of as many training '
        'images; many more means collapse'
    ),
    'copying_z': lambda m: (
        'z-score of the distances to the nearest training image, generated against hold-out; below -3 means copying, '
        'above 3 means farther away than real images are'
    ),
    'copying_nearer': lambda m: (
        f'a generated image is nearer to a training image than a hold-out image is in {m.generated:.0%} of all pairs; '
        'half where nothing is copied'
    ),
    'copying_close': lambda m: (
        f'{m.generated:.0%} of the generated images are as near to a training image as the nearest {m.real:.0%} of the '
        'hold-out; many more means copies'
    ),
    'fid_keras': lambda m: (
        'Frechet distance by Keras\'s Inception, the lower the better; not comparable with any published FID, nor with '
        'one of another number of images'
    ),
}


def table(title: str, measures: Sequence[Measure], remarks: Sequence[str]) -> str:
    """The table and how to read it, for a terminal."""
    lines = [title, '', f'{"":{_NAME}}{"generated":>{_COLUMN}}{"real":>{_COLUMN}}']
    for measure in measures:
        generated, real = _number(measure.generated, measure.spread), _number(measure.real, measure.real_spread)
        lines.append(f'{measure.name:{_NAME}}{generated:>{_COLUMN}}{real:>{_COLUMN}}')
    lines.append('')
    lines += [f'{measure.name}: {MEANINGS[measure.name](measure)}' for measure in measures]
    lines += ['', *remarks]
    return '\n'.join(lines)


def to_json(facts: dict[str, Any], measures: Sequence[Measure]) -> bytes:
    """Everything, as the bytes of a JSON file."""
    found = {measure.name: dataclasses.asdict(measure) for measure in measures}
    for values in found.values():
        values.pop('name')
    return (json.dumps({**facts, 'version': version(), 'metrics': found}, indent=2) + '\n').encode()


def version() -> str:
    """Version of this package, '' where it is not installed."""
    try:
        return importlib.metadata.version('tpu-dcgan')
    except importlib.metadata.PackageNotFoundError:
        return ''


def _number(value: float | None, spread: float | None) -> str:
    if value is None:
        return '-'
    return f'{value:.4f}' + (f' +- {spread:.4f}' if spread is not None else '')


def _compare(measure: Measure) -> str:
    ...
