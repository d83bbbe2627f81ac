"""Writes an audit for people, as a table and a page, and for programs, as JSON and CSV."""

from __future__ import annotations

import dataclasses
import io
import json
import os
import textwrap
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from convert import csv_cells
from convert.auditing.advice import Advice
from convert.auditing.examination import Audit
from trainer import errors
from trainer.features.space import Space
from trainer.filesystem import files
from trainer.page import builder, comparison
from trainer.page.content import DatasetPart, Figure, Layer, Page, Suspect

JSON, CSV = 'audit.json', 'audit.csv'
NAMES = (JSON, CSV, *builder.NAMES)  # The names at the top of a report's folder.
_WIDTH, _COLUMN = 110, 14
_LOWEST = 20  # Images named in the JSON; the CSV has all.
_LABELS = 12  # Labels named in the table.
_SUSPECTS = 3  # Images with wrong labels named in the table.
_BINS = 30


def write(folder: str, title: str, audit: Audit, advice: Sequence[Advice], neighbours: int) -> list[str]:
    """Writes audit.json, audit.csv and the page into a local or gs:// folder, and returns their paths."""
    paths = [os.path.join(folder, name) for name in (JSON, CSV, builder.INDEX)]
    files.write_bytes(paths[0], (json.dumps(_summary(audit, advice), indent=2) + '\n').encode())
    files.write_bytes(paths[1], _rows(audit))
    builder.write_page(folder, _page(title, audit, advice, neighbours))
    return paths


def table(title: str, audit: Audit, advice: Sequence[Advice]) -> str:
    """The facts and the advice, for a terminal."""
    facts = [(name, _wrapped(text)) for name, text in _facts(audit)]
    counsel = [(piece.about, _wrapped(piece.text)) for piece in advice]
    lines = [title, '']
    for name, wrapped in [*facts, ('', ['']), ('ADVICE', ['']), *counsel]:
        lines += [f'{name if not i else "":{_COLUMN}}{text}'.rstrip() for i, text in enumerate(wrapped)]
    return '\n'.join(lines)


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH - _COLUMN, break_long_words=False, break_on_hyphens=False)


def _facts(audit: Audit) -> list[tuple[str, str]]:
    colours, counts = audit.colours, audit.label_counts()
    shown = [f'{label or "none"} {count:,}' for label, count in list(counts.items())[:_LABELS]]
    more = f' and {len(counts) - _LABELS} more' if len(counts) > _LABELS else ''
    size, channels = audit.images.image_size, 'colour' if audit.images.channels == 3 else 'grey'
    means, stds = (', '.join(f'{value:.0f}' for value in values) for values in (colours.mean, colours.std))
    return [
        ('images', f'{len(audit.images):,} of {size} px, {channels}'),
        ('compared by', audit.extractor.title),
        ('duplicates', f'{len(audit.superfluous):,} beyond the first of a cluster; clusters: {len(audit.clusters):,}'),
        ('labels', ', '.join(shown) + more),
        *_suspicious(audit),
        (
            'colours',
            f'mean {means}, standard deviation {stds} (0 to 255); grey {colours.grey.mean():.1%}, nearly one colour '
            f'{colours.flat.mean():.1%}',
        ),
        ('originals', _originals(audit)),
        ('mirroring', f'{audit.symmetry.verdict}; {audit.symmetry.told_apart:.0%} told apart, where 50% is guessing'),
    ]


def _suspicious(audit: Audit) -> list[tuple[str, str]]:
    """The fact about wrong labels; none without labels to compare."""
    if audit.suspects is None:
        return []
    numbers = audit.suspects.numbers
    named = ', '.join(
        f'{errors.spelled_out(audit.entries[i].name) or f"number {i}"} ({audit.label_of(i)}: '
        f'{audit.name_of(audit.suspects.suggested[i])}?)'
        for i in numbers[:_SUSPECTS]
    )
    return [('wrong labels', f'{len(numbers):,} suspicious' + (f', first {named}' if named else ''))]


def _originals(audit: Audit) -> str:
    files = audit.originals
    if files is None:
        return f'not looked at: {audit.no_originals}'
    shortest, median, longest = np.percentile(files.sizes.min(axis=1), [0, 50, 100])
    return (
        f'short side {shortest:.0f} to {longest:.0f} px, median {median:.0f}; long side divided by short side '
        f'{files.aspect.min():.2f} to {files.aspect.max():.2f}, median {np.median(files.aspect):.2f}; '
        f'{files.smaller_than(audit.images.image_size):.1%} were enlarged (of {len(files.sizes):,} looked at)'
    )


def _summary(audit: Audit, advice: Sequence[Advice]) -> dict[str, Any]:
    colours, files = audit.colours, audit.originals
    return {
        'data': audit.images.folder,
        'checksum': audit.images.checksum,
        'images': len(audit.images),
        'image_size': audit.images.image_size,
        'channels': audit.images.channels,
        'extractor': {'name': audit.extractor.name, 'title': audit.extractor.title},
        'labels': audit.label_counts(),
        'within_labels': audit.within_labels,
        'suspicious_labels': [_suspect(audit, number) for number in audit.suspects.numbers] if audit.suspects else [],
        'duplicates': {
            'beyond_the_first': len(audit.superfluous),
            'clusters': [[_named(audit, number) for number in cluster] for cluster in audit.clusters],
        },
        'least_typical': [_named(audit, number) for number in audit.lowest[:_LOWEST].tolist()],
        'colours': {
            'mean': [round(value, 3) for value in colours.mean],
            'std': [round(value, 3) for value in colours.std],
            'grey_share': round(float(colours.grey.mean()), 6),
            'one_colour_share': round(float(colours.flat.mean()), 6),
        },
        'originals': {'not_looked_at': audit.no_originals}
        if files is None
        else {
            'looked_at': len(files.sizes),
            'short_side': _quartiles(files.sizes.min(axis=1)),
            'aspect': _quartiles(files.aspect),
            'enlarged_share': round(files.smaller_than(audit.images.image_size), 6),
        },
        'mirroring': {**dataclasses.asdict(audit.symmetry), 'verdict': audit.symmetry.verdict},
        'advice': [dataclasses.asdict(piece) for piece in advice],
    }


def _named(audit: Audit, number: int) -> dict[str, Any]:
    return {'number': number, 'name': errors.spelled_out(audit.entries[number].name)}


def _suspect(audit: Audit, number: int) -> dict[str, Any]:
    assert audit.suspects
    return {
        **_named(audit, number),
        'label': audit.label_of(number),
        'confidence': round(float(audit.suspects.own[number]), 4),
        'suggested': audit.name_of(audit.suspects.suggested[number]),
    }


def _quartiles(values: np.ndarray) -> dict[str, float]:
    names = ('min', 'lower_quartile', 'median', 'upper_quartile', 'max')
    return {name: round(float(value), 3) for name, value in zip(names, np.percentile(values, [0, 25, 50, 75, 100]))}


def _rows(audit: Audit) -> bytes:
    """The CSV, one line for each image."""
    text = io.StringIO()
    rows = csv_cells.writer(text)
    rows.writerow(
        ['number', 'name', 'label', 'density', 'rank', 'cluster', 'duplicate_of', 'brightness', 'contrast', 'chroma',
         'label_confidence', 'suggested_label', 'suspicious']
    )  # fmt: skip
    cluster_of = {number: i for i, cluster in enumerate(audit.clusters) for number in cluster}
    rank = np.empty(len(audit.images), int)
    rank[audit.lowest] = np.arange(1, len(rank) + 1)
    colours = audit.colours
    suspicious = set(audit.suspects.numbers) if audit.suspects else set()
    for number, entry in enumerate(audit.entries):
        cluster = cluster_of.get(number, '')
        first = audit.clusters[cluster][0] if isinstance(cluster, int) else number
        measured = (audit.density[number], colours.brightness[number], colours.contrast[number], colours.chroma[number])
        scores = [f'{value:.4f}' for value in measured]
        copied = '' if first == number else first
        found = [scores[0], rank[number], cluster, copied, *scores[1:], *_about_label(audit, number, suspicious)]
        rows.writerow([number, csv_cells.text(entry.name), csv_cells.text(audit.label_of(number)), *found])
    return text.getvalue().encode()


def _about_label(audit: Audit, number: int, suspicious: set[int]) -> list[Any]:
    """The confidence in an image's label, the label that fits best, and whether that makes it suspicious."""
    if audit.suspects is None or np.isnan(audit.suspects.own[number]):
        return ['', '', '']
    suggested = csv_cells.text(audit.name_of(audit.suspects.suggested[number]))
    return [f'{audit.suspects.own[number]:.4f}', suggested, int(number in suspicious)]


def _page(title: str, audit: Audit, advice: Sequence[Advice], neighbours: int) -> Page:
    figures = [
        _histogram('Brightness, mean grey level', audit.colours.brightness),
        _histogram('Contrast, standard deviation of the grey levels', audit.colours.contrast),
        _histogram('Colourfulness, 0 is grey', audit.colours.chroma),
    ]
    if audit.originals:
        figures.append(_histogram('Short side of the originals, px', audit.originals.sizes.min(axis=1)))
        figures.append(_histogram('Long side of the originals divided by the short side', audit.originals.aspect))
    part = DatasetPart(
        images=audit.images,
        entries=audit.entries,
        label_names=audit.images.labels,
        density=audit.density,
        clusters=audit.clusters,
        nearest=tuple(_nearest(audit, neighbours)),
        notes=[f'{piece.about.capitalize()}: {piece.text}' for piece in advice],
        figures=figures,
        suspects=[
            Suspect(number, audit.name_of(audit.suspects.suggested[number]), float(audit.suspects.own[number]))
            for number in audit.suspects.numbers
        ]
        if audit.suspects
        else (),
    )
    return Page(title, [(name.capitalize(), text) for name, text in _facts(audit)], part)


def _nearest(audit: Audit, neighbours: int) -> Iterator[Layer]:
    """Yields the nearest neighbours by each layer of the extractor, the late layer last."""
    for layer, likeness in comparison.likenesses(audit.extractor):
        raw = audit.features[layer]
        embedded = Space.of(raw).embed(raw)
        yield Layer(likeness, comparison.nearest(embedded, embedded, neighbours, exclude_self=True))


def _histogram(title: str, values: np.ndarray) -> Figure:
    counts, edges = np.histogram(values, _BINS)
    return Figure(title, edges.tolist(), counts.tolist())
