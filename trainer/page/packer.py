"""The files of a page, in one of the forms that it can have."""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from trainer.page import comparison, finder_fitting, live_packing, packing, selection, sprites
from trainer.page.content import DatasetPart, Generated, Page
from trainer.page.live_content import Live
from trainer.page.sprites import Sheet

INDEX = 'index.html'
_ASSETS = pathlib.Path(__file__).parent / 'assets'
_DENSITY_DIGITS, _COSINE_DIGITS = 4, 4
_LIGHT_BITS = 8

Files = dict[str, bytes]  # By their names in the page's folder, index.html last.


@dataclasses.dataclass(frozen=True)
class Form:
    """What of a page is packed, and how.

    Attributes:
      coarseness: of the sheets of samples, the least place in `sprites.SAMPLE_QUALITIES`.
      light: networks in 8 bits.
      neighbours: the most for each training image; None for as many as a sample has.
      numbers: the most that the finder keeps, of all images together.
      small: thumbnails are small and coarse.
      finder, generator: whether they are packed if the page has them.
    """

    coarseness: int = 0
    light: bool = False
    neighbours: int | None = None
    numbers: int = finder_fitting.MOST_NUMBERS
    small: bool = False
    finder: bool = True
    generator: bool = True


class Packer:
    """Packs one page in several forms, and each of their parts once."""

    def __init__(self, page: Page):
        self._page = page
        self._made: dict[Any, Any] = {}

    def files(self, form: Form, count: int, facts: Sequence[tuple[str, str]] = ()) -> Files:
        """The files of a page.

        Args:
          form: of the page.
          count: number of training images; a page without `vectors` has all of them whatever this says.
          facts: more of them, appended to those of the page.
        """
        page = self._page
        start: dict[str, Any] = {'title': page.title, 'facts': [list(fact) for fact in (*page.facts, *facts)]}
        files: Files = {}
        if page.dataset:
            start['thumbnails'], more = self._set(form, count)
            files.update(more)
        if page.generated:
            coarseness = sprites.sample_quality(page.generated.pixels, form.coarseness)
            start['samples'], more = self._once(('samples', coarseness), lambda: self._samples(coarseness))
            files.update(more)
            start['generated'] = _generated(self._part(form, count).generated)
        if page.live:
            live = self.live(form, count)
            start['live'] = live_packing.start(live)
            if live.network:
                files.update(self._once(('live', live.bits), lambda: _script('live', live_packing.network(live))))
            if finder := live.finder:
                key = ('finder', count, form.numbers, finder.bits)
                files.update(self._once(key, lambda: _script('finder', live_packing.finder(finder))))
        files.update(_script('start', start))
        return {**files, **self._once('assets', _assets)}

    def live(self, form: Form, count: int) -> Live:
        """The tab of new pictures in this form; the page must have one."""
        live = self._part(form, count).live
        assert live
        finder, note = live.finder, live.finder_note  # Also those of a smaller tab.
        if form.light and live.network and live.smaller and live.smaller.network:
            live = live.smaller
        while live.smaller and not form.generator:
            live = live.smaller
        if finder and not form.finder:
            finder, note = None, f'Pictures of your own find no room on this page. A server compares them: {live.serve}'
        if finder and form.light:
            finder = dataclasses.replace(finder, bits=_LIGHT_BITS)
        return dataclasses.replace(live, finder=finder, finder_note=note)

    def _set(self, form: Form, count: int) -> tuple[dict[str, Any], Files]:
        """What lies in `start` of the data set, and its files."""
        key = ('set', count, form.neighbours, form.small)
        return self._once(key, lambda: _set(self._part(form, count), form.small))

    def _part(self, form: Form, count: int) -> Page:
        if not self._page.vectors:
            return self._page
        neighbours = min(self._page.neighbours, form.neighbours or self._page.neighbours)
        key = ('part', count, neighbours, form.numbers)
        return self._once(key, lambda: selection.part(self._page, count, neighbours, form.numbers))

    def _samples(self, coarseness: int) -> tuple[dict[str, Any], Files]:
        assert self._page.generated
        pixels = self._page.generated.pixels
        described, files = _sheets('samples', sprites.samples(pixels, coarseness))
        return {**described, 'side': pixels.shape[1]}, files

    def _once(self, key: Any, make: Callable[[], Any]) -> Any:
        if key not in self._made:
            self._made[key] = make()
        return self._made[key]


def _set(page: Page, small: bool) -> tuple[dict[str, Any], Files]:
    part = page.dataset
    assert part
    size = next(iter(part.images.batches(1))).shape[1]
    side = sprites.thumbnail_side(len(part.images), size, part.total, small)
    described, files = _sheets('images', sprites.thumbnails(part.images, side, small))
    start = {
        **described,
        'side': side,
        'numbers': list(part.numbers) or None,
        'total': part.total,
    }
    return start, {**files, **_script('dataset', _dataset(part)), **_script('neighbours', _neighbours(page))}


def _generated(generated: Generated | None) -> dict[str, Any]:
    """The data that the first tab needs at once, for the grid and the details."""
    assert generated
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


def _neighbours(page: Page) -> dict[str, Any]:
    """More data for the details of a training image: the larger part, loaded when the first details are opened."""
    return {
        'samples': packing.deflated_layers(page.generated.from_training) if page.generated else [],
        'images': packing.deflated_layers(page.dataset.nearest) if page.dataset else [],
    }


def _sheets(name: str, sheets: Iterable[Sheet]) -> tuple[dict[str, Any], Files]:
    """Where the tiles of the sheets are, and the files."""
    files, count = {}, 0
    for number, sheet in zip(itertools.count(), sheets):
        files[f'sprites/{name}-{number:03d}{sheet.suffix}'] = sheet.data
        count += sheet.count
    described = {
        'files': list(files),
        'count': count,
        'columns': sprites.COLUMNS,
        'tiles': sprites.TILES,
        'border': sprites.BORDER,
    }
    return described, files


def _script(name: str, value: Any) -> Files:
    return {f'data/{name}.js': packing.script(name, value)}


def _assets() -> Files:
    """The page itself, last, so that everything it loads is there before it."""
    code = sorted(path for path in _ASSETS.iterdir() if path.suffix in ('.css', '.js'))
    return {**{f'code/{path.name}': path.read_bytes() for path in code}, INDEX: (_ASSETS / INDEX).read_bytes()}
