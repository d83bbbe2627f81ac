"""Writes a page: a folder of static files that opens from disk or from a bucket."""

from __future__ import annotations

import itertools
import pathlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from trainer.page import comparison, live_packing, packing, sprites
from trainer.page.content import DatasetPart, Generated, Page
from trainer.page.publish import publish
from trainer.page.sprites import Sheet

INDEX = 'index.html'
NAMES = (INDEX, 'code', 'data', 'sprites')  # The names at the top of a page's folder.
_ASSETS = pathlib.Path(__file__).parent / 'assets'
_DENSITY_DIGITS, _COSINE_DIGITS = 4, 4


def write_page(output_dir: str, page: Page) -> None:
    """Writes `page` to a local or gs:// folder; its index.html is the one to open.

    Args:
      output_dir: created if it is missing; files of an earlier page in it are replaced.
      page: what to show.

    Raises:
      errors.UserError: Cloud Storage refuses the files.
      OSError: the local folder cannot be written.
    """
    start: dict[str, Any] = {'title': page.title, 'facts': [list(fact) for fact in page.facts]}
    if page.dataset:
        start['thumbnails'] = _write_thumbnails(output_dir, page.dataset)
    if page.generated:
        sheets = _write_sheets(output_dir, 'samples', sprites.samples(page.generated.pixels))
        start['samples'] = {**sheets, 'side': page.generated.pixels.shape[1]}
        start['generated'] = _generated(page.generated)
    if page.live:
        start['live'] = live_packing.start(page.live)
    later = live_packing.later(page.live) if page.live else {}
    if page.dataset:
        later |= {'dataset': _dataset(page.dataset), 'neighbours': _neighbours(page.generated, page.dataset)}
    for name, value in {'start': start, **later}.items():
        publish(output_dir, f'data/{name}.js', packing.script(name, value))
    # The page itself comes last, so that everything it loads is there before it.
    assets = sorted(path for path in _ASSETS.iterdir() if path.suffix in ('.css', '.js'))
    for path in (*assets, _ASSETS / INDEX):
        publish(output_dir, path.name if path.name == INDEX else f'code/{path.name}', path.read_bytes())


def _generated(generated: Generated) -> dict[str, Any]:
    """The data that the first tab needs at once, for the grid and the details."""
    scale, cosines = generated.scale, generated.nearest_cosines
    return {
        'seeds': [int(seed) for seed in generated.seeds],
        'labels': list(generated.labels),
        'command': generated.command,
        'cosines': packing.numbers(cosines, _COSINE_DIGITS),
        'nearerThan': packing.numbers(comparison.share_below(cosines, scale), _COSINE_DIGITS),
        'copies': [int(i) for i in np.flatnonzero(cosines >= scale.threshold)],
        'scale': {
            'of': scale.of,
            'threshold': scale.threshold,
            'cosines': packing.numbers(np.sort(scale.cosines), _COSINE_DIGITS),
        },
        'layers': packing.layers(generated.to_training),
    }


def _dataset(part: DatasetPart) -> dict[str, Any]:
    """The data for the tab of the data set."""
    return {
        'names': [entry.name for entry in part.entries],
        'labels': [entry.label for entry in part.entries],
        'labelNames': list(part.label_names),
        'density': None if part.density is None else packing.numbers(part.density, _DENSITY_DIGITS),
        'clusters': [[int(i) for i in cluster] for cluster in part.clusters],
        'suspects': [
            {'number': suspect.number, 'suggested': suspect.suggested, 'confidence': round(suspect.confidence, 4)}
            for suspect in part.suspects
        ],
        'notes': list(part.notes),
        'figures': [
            {'title': f.title, 'edges': packing.numbers(np.asarray(f.edges), 6), 'counts': [int(c) for c in f.counts]}
            for f in part.figures
        ],
    }


def _neighbours(generated: Generated | None, part: DatasetPart) -> dict[str, Any]:
    """More data for the details of a training image: the larger part, loaded when the first details are opened."""
    return {
        'samples': packing.layers(generated.from_training) if generated else [],
        'images': packing.layers(part.nearest),
    }


def _write_thumbnails(output_dir: str, part: DatasetPart) -> dict[str, Any]:
    first = next(iter(part.images.batches(1)))
    size = first.shape[1]
    sheets = _write_sheets(output_dir, 'images', sprites.thumbnails(part.images, size))
    return {**sheets, 'side': sprites.thumbnail_side(len(part.images), size)}


def _write_sheets(output_dir: str, name: str, sheets: Iterable[Sheet]) -> dict[str, Any]:
    """Writes the sheets one by one and returns where their tiles are."""
    files, count = [], 0
    for number, sheet in zip(itertools.count(), sheets):
        files.append(f'sprites/{name}-{number:03d}{sheet.suffix}')
        publish(output_dir, files[-1], sheet.data)
        count += sheet.count
    return {
        'files': files,
        'count': count,
        'columns': sprites.COLUMNS,
        'tiles': sprites.TILES,
        'border': sprites.BORDER,
    }
