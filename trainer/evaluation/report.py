"""The report of an evaluation: a table for people, and JSON for programs."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import json
import textwrap
from collections.abc import Callable, Sequence
from typing import Any

from trainer.evaluation.measurement import Measure

_COLUMN, _WIDTH = 20, 110

# How to read each metric, in one sentence.
MEANINGS: dict[str, Callable[[Measure], str]] = {
    'kid': lambda m: (
        'distance from generated to training images, lower is better; a perfect generator gets what real images get. '
        'Compare it only with a KID on the same data by the same extractor'
    ),
    'precision': lambda m: (
        f'{m.generated:.0%} of the generated images lie where training images do; low means that they do not look real'
    ),
    'recall': lambda m: (
        f'{m.generated:.0%} of the training images lie where generated images do; low means little variety'
    ),
    'density': lambda m: (
        f'{m.generated:.2f} times as many training images are near a generated image as near a real one; far below 1 '
        'means that generated images do not look real, far above 1 that only the commonest kinds are generated'
    ),
    'coverage': lambda m: (
        f'generated images are near {m.generated:.0%} of the training images; low means mode collapse or, if precision '
        'is low too, that they look too unreal to be near any'
    ),
    'twins': lambda m: (
        f'{m.generated:.0%} of {m.compared} have a near-duplicate among the others, against {m.real:.0%} of as many '
        'training images; far more means mode collapse'
    ),
    'copying_z': lambda m: (
        'whether generated images are nearer to training images than the hold-out is: below -3 means copying, 0 is '
        'ideal, above 3 means that they are farther away than real images'
    ),
    'copying_nearer': lambda m: (
        f'in {m.generated:.0%} of all pairs the generated image is nearer to a training image than the hold-out image '
        'is; half means no copying, for any number of images'
    ),
    'copying_close': lambda m: (
        f'{m.generated:.0%} of the generated images are as near to a training image as the nearest {m.real:.0%} of the '
        'hold-out; far more means that some are copies'
    ),
    'fid_keras': lambda m: (
        "Frechet distance by Keras's Inception, lower is better; not comparable with published FIDs, nor with one of "
        'another number of images'
    ),
}


def table(title: str, measures: Sequence[Measure], remarks: Sequence[str]) -> str:
    """The numbers, their meanings and the images they come from, for a terminal."""
    width = max(len(measure.name) for measure in measures) + 2
    lines = [title, '', f'{"":{width}}{"generated":>{_COLUMN}}{"real images":>{_COLUMN}}']
    for measure in measures:
        generated, real = _number(measure.generated, measure.spread), _number(measure.real, measure.real_spread)
        lines.append(f'{measure.name:{width}}{generated:>{_COLUMN}}{real:>{_COLUMN}}')
    lines += ['', 'How to read it:']
    for measure in measures:
        lines += _paragraph(measure.name, MEANINGS[measure.name](measure), width)
    lines += ['', 'What was compared (generated; real images):']
    for (compared, real_compared), names in _by_images(measures).items():
        lines.append(f'  {", ".join(names)}: {compared}; {real_compared}')
    return '\n'.join([*lines, *remarks])


def to_json(facts: dict[str, Any], measures: Sequence[Measure]) -> bytes:
    """The whole report, as the bytes of a JSON file."""
    found = {measure.name: dataclasses.asdict(measure) for measure in measures}
    for values in found.values():
        values.pop('name')
    return (json.dumps({**facts, 'version': version(), 'metrics': found}, indent=2) + '\n').encode()


def version() -> str:
    """Version of this package, '' if it is not installed."""
    try:
        return importlib.metadata.version('tpu-dcgan')
    except importlib.metadata.PackageNotFoundError:
        return ''


def _number(value: float, spread: float | None) -> str:
    return f'{value:.4f}' + (f' +- {spread:.4f}' if spread is not None else '')


def _paragraph(name: str, text: str, width: int) -> list[str]:
    indent = ' ' * (width + 2)
    return textwrap.wrap(text, _WIDTH, initial_indent=f'  {name:{width}}', subsequent_indent=indent)


def _by_images(measures: Sequence[Measure]) -> dict[tuple[str, str], list[str]]:
    """The names of the metrics that come from the same images."""
    found: dict[tuple[str, str], list[str]] = {}
    for measure in measures:
        found.setdefault((measure.compared, measure.real_compared), []).append(measure.name)
    return found
