"""Keeps a page small enough to be opened: what is left out when it would be too large, and what is said of it.

Every size is that of the packed files. The tail of the training images goes first, as long as a page still shows the
set; then what is not missed at once: lossless samples, 16 bits a weight, long lists of neighbours; then more. The
sample grid stays, and the generator goes last.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator

from absl import logging

from trainer.page import finder_fitting, sprites
from trainer.page.content import Page
from trainer.page.packer import Files, Form, Packer

MOST_BYTES = 15_000_000  # Of all files in the folder of a page.
_BESIDE = 5_000  # Bytes of it for the mark of the folder.
_FIRST = 6_000  # Images to try first of more.
_FEWEST = 200  # Images that a page shows in any case.
_ENOUGH, _CLOSE = 0.97, 0.02  # Of the bytes, when to stop the search; of the images, how close two tries may be.
_TRIES = 6
_FORMS = (  # From the best to the smallest, each with the fewest images that are worth it.
    (Form(), 3000),
    (Form(coarseness=1), 3000),
    (Form(coarseness=1, light=True), 3000),
    (Form(coarseness=1, light=True, neighbours=12, numbers=finder_fitting.MOST_NUMBERS // 2), 2000),
    (Form(coarseness=2, light=True, neighbours=6, numbers=finder_fitting.MOST_NUMBERS // 2, small=True), 1000),
    (Form(coarseness=2, light=True, neighbours=6, small=True, finder=False), _FEWEST),
    (Form(coarseness=3, light=True, neighbours=6, small=True, finder=False, generator=False), _FEWEST),
)


@dataclasses.dataclass(frozen=True)
class Fitted:
    """A packed page.

    Attributes:
      files: by their names, for `builder.write`.
      size: bytes of all of them.
      said: what is left out, in words; '' if nothing is.
    """

    files: Files
    size: int
    said: str


def fitted(page: Page, images: int = 0) -> Fitted:
    """Packs a page into MOST_BYTES, and logs its size and what is left out.

    Args:
      page: with all that there is to show, and `vectors`.
      images: the number of training images that the page must have; 0 for as many as there is room for.
    """
    best = _best(page, images)
    logging.info('page: %.2f MB of at most %s, with %s', best.size / 1e6, _megabytes(), best.said or 'everything')
    if best.size > _room():
        logging.warning(
            'the page takes %.2f MB, more than %s: fewer --images, --count or --neighbours make it smaller',
            best.size / 1e6,
            _megabytes(),
        )
    return best


def _best(page: Page, images: int) -> Fitted:
    assert page.dataset
    packer, total = Packer(page), len(page.dataset.images)

    def pack(form: Form, count: int) -> Fitted:
        said = '; '.join(_left_out(page, packer, form, count, images))
        facts = [('On this page', said)] if said else []
        files = packer.files(form, count, facts)
        return Fitted(files, sum(map(len, files.values())), said)

    asked = min(images or total, total)
    for form, fewest in _FORMS:
        of_form = functools.partial(pack, form)
        if images or total <= _FEWEST:
            found: Fitted | None = of_form(asked)
        else:
            found = _most(of_form, total, min(fewest, total))
        if found and found.size <= _room():
            return found
    # So many images leave no room in any form: then they have all the rest beside them.
    return pack(_FORMS[0][0], asked) if images else pack(_FORMS[-1][0], min(_FEWEST, total))


def _most(pack: Callable[[int], Fitted], total: int, fewest: int) -> Fitted | None:
    """The page with the most images that has room, or None if that has fewer than `fewest`.

    The size is nearly a straight line of the number of images, so each try lies where the line through the two tries
    before it meets the room.
    """
    room, count = _room(), min(total, max(_FIRST, fewest))
    best = pack(count)
    if best.size <= room and (count == total or best.size >= _ENOUGH * room):
        return best
    sizes, low, high = {count: best.size}, count, total + 1
    if best.size > room:
        best, low, high = pack(fewest), fewest, count
        if best.size > room:
            return None
    sizes[fewest] = pack(fewest).size
    for _ in range(_TRIES):
        count = min(_meeting(sizes, room), high - 1)
        if count <= low:  # The line has steps.
            count = (low + high) // 2
        if count in sizes or (count < total and count - low < _CLOSE * low):
            break
        tried = pack(count)
        sizes[count] = tried.size
        if tried.size > room:
            high = count
            continue
        low, best = count, tried
        if count == total or tried.size >= _ENOUGH * room:
            break
    return best


def _meeting(sizes: dict[int, int], room: int) -> int:
    """Where the line through the two tries nearest to the room meets it, a little on the safe side; 0 for nowhere."""
    (one, first), (other, second) = sorted(sizes.items(), key=lambda item: abs(item[1] - room))[:2]
    slope = (second - first) / (other - one)
    return int((1 - _CLOSE / 2) * (one + (room - first) / slope)) if slope > 0 else 0


def _left_out(page: Page, packer: Packer, form: Form, count: int, images: int) -> Iterator[str]:
    """What a page in this form lacks, each with what decides it."""
    assert page.dataset
    total = len(page.dataset.images)
    if count < total:
        which = 'those nearest to the samples, duplicates, outliers, and others spread over the set'
        why = f'as --images={images} asks' if images else 'fewer --neighbours or --count leave room for more'
        yield f'{count:,} of {total:,} training images, {which} ({why})'
    if page.generated:
        pixels = page.generated.pixels
        before, after = (sprites.sample_quality(pixels, least) for least in (0, form.coarseness))
        if after > before:
            yield f'samples as JPEG of quality {sprites.SAMPLE_QUALITIES[after]} (fewer --count are finer)'
    if form.neighbours and form.neighbours < page.neighbours:
        yield f'{form.neighbours} of {page.neighbours} --neighbours of each training image'
    if form.small:
        yield 'small, coarse thumbnails'
    if page.live:
        yield from _left_out_of_live(page, packer, form, count)


def _left_out_of_live(page: Page, packer: Packer, form: Form, count: int) -> Iterator[str]:
    assert page.live
    live = packer.live(form, count)
    if page.live.network and not live.network:
        yield f'no generator (this has it: {page.live.serve})'
    elif page.live.network and live.bits < page.live.bits:
        yield f'the generator in {live.bits} bits instead of {page.live.bits}'
    if page.live.finder and not live.finder:
        yield f'no search with a picture of your own (this has it: {page.live.serve})'
    elif live.finder and form.numbers < finder_fitting.MOST_NUMBERS and live.finder.axes is not None:
        few, all_of_them = live.finder.axes.shape
        yield f'a coarser search with a picture of your own ({few} of {all_of_them} numbers of each image)'


def _megabytes() -> str:
    return f'{MOST_BYTES / 1e6:g} MB'


def _room() -> int:
    return MOST_BYTES - _BESIDE
