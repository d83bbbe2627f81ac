"""Pages that would be too large: what goes first, what is said of it, and that no page is larger than it may be."""

from __future__ import annotations

import dataclasses
import logging
import re

import numpy as np
import pytest

from tests.page.test_finder_fitting import whole
from tests.page.test_live import small_network
from tests.page.test_page import Pictures, read_script
from tests.page.test_selection import compared
from trainer.page import budget, builder, sprites
from trainer.page.content import Page
from trainer.page.live_content import Live
from trainer.page.packer import Packer

IMAGES, SERVE = 400, 'python -m trainer.serve --model_dir=x'
ROOM = 3_000  # Bytes for the words of what is left out.
# The words for each cut, in the order of the cuts.
ORDER = (
    'training images, those nearest',
    'samples as JPEG of quality',
    'the generator in 8 bits instead of 16',
    'of 24 --neighbours',
    'small, coarse thumbnails',
    'no search with a picture',
    'no generator',
)


@pytest.fixture(scope='module')
def page() -> Page:
    """Of noise, so that all sheets are large; its generator and its search have some 50 KB each."""
    made = compared(samples=100, count=IMAGES)
    random = np.random.default_rng(0)
    noise = [random.integers(0, 256, (count, 16, 16, 3)).astype(np.uint8) for count in (100, IMAGES)]
    network = small_network()
    kernel = random.normal(size=(16, 20, 8, 4))
    first = dataclasses.replace(network.operations[2], arrays={**network.operations[2].arrays, 'kernel': kernel})
    network = dataclasses.replace(network, operations=(*network.operations, first))
    none = Live(6, 8, 3, note='No room.', serve=SERVE)
    light = dataclasses.replace(none, network=network, bits=8, note='In 8 bits.', smaller=none)
    live = dataclasses.replace(light, bits=16, note='In 16 bits.', smaller=light, finder=whole(IMAGES, 100))
    return dataclasses.replace(
        made,
        generated=dataclasses.replace(made.generated, pixels=noise[0]),
        dataset=dataclasses.replace(made.dataset, images=Pictures(noise[1])),
        live=live,
    )


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The forms of a page, for fewer images."""
    changes = [{}, {}, {}, {'neighbours': 2, 'numbers': 26_000}, {'neighbours': 2, 'numbers': 17_000}, {}, {}]
    fewest = (200, 200, 200, 150, 100, 50, 50)
    forms = [dataclasses.replace(form, **change) for (form, _), change in zip(budget._FORMS, changes)]
    monkeypatch.setattr(budget, '_FORMS', list(zip(forms, fewest)))
    monkeypatch.setattr(budget, '_FEWEST', 50)
    monkeypatch.setattr(budget, '_FIRST', 250)
    monkeypatch.setattr(budget, '_BESIDE', 0)


def start_of(fitted: budget.Fitted) -> dict:
    return read_script(fitted.files['data/start.js'].decode())


def test_nothing_is_left_out_where_all_fits(page, caplog):
    with caplog.at_level(logging.INFO, 'absl'):
        fitted = budget.fitted(page)
    assert fitted.said == '' and 'MB of at most 15 MB, with everything' in caplog.text
    start = start_of(fitted)
    assert start['facts'] == [['Run', 'runs/x']] and start['thumbnails']['numbers'] is None
    assert start['thumbnails']['count'] == IMAGES and start['live']['note'] == 'In 16 bits.'


def test_each_cut_comes_in_its_order_is_said_and_keeps_the_page_in_its_bounds(page, monkeypatch, tmp_path, caplog):
    packer = Packer(page)
    sizes = [sum(map(len, packer.files(form, fewest).values())) + ROOM for form, fewest in budget._FORMS]
    assert sizes == sorted(sizes, reverse=True)
    counts = []
    for number, size in enumerate(sizes):
        monkeypatch.setattr(budget, 'MOST_BYTES', size)
        with caplog.at_level(logging.INFO, 'absl'):
            fitted = budget.fitted(page)
        assert fitted.size == sum(map(len, fitted.files.values())) <= size
        start = start_of(fitted)
        assert dict(start['facts'])['On this page'] == fitted.said and caplog.messages[-1].endswith(fitted.said)
        count = start['thumbnails']['count']
        expected = ORDER[0 if count < IMAGES else 1 : number + 1]  # Where a cut makes room, images come back.
        gone = ORDER[2] if ORDER[-1] in expected else ''
        assert [words for words in ORDER if words in fitted.said] == [words for words in expected if words != gone]
        assert budget._FORMS[number][1] <= count
        counts.append(count)
    assert max(counts[:2]) < IMAGES
    assert SERVE in fitted.said and SERVE in start['live']['finderNote']
    assert start['live']['note'] == 'No room.'
    builder.write(str(tmp_path), fitted.files)
    assert sum(path.stat().st_size for path in tmp_path.rglob('*.*')) == fitted.size
    assert not (tmp_path / 'data' / 'live.js').exists() and not start['live']['embedded']


def test_the_tail_goes_as_far_as_it_must_and_no_further(page, monkeypatch):
    size = budget.fitted(page).size
    monkeypatch.setattr(budget, 'MOST_BYTES', size - 90_000)
    fitted = budget.fitted(page)
    count = int(re.match(r'([0-9]+) of 400 training images, those nearest', fitted.said)[1])
    assert 200 <= count < IMAGES and fitted.size > 0.95 * budget.MOST_BYTES
    start = start_of(fitted)
    numbers = start['thumbnails']['numbers']
    assert (len(numbers), start['thumbnails']['total'], start['thumbnails']['count']) == (count, IMAGES, count)
    nearest = page.generated.to_training[1].nearest.indices[:, 0]
    assert set(nearest.tolist()) <= set(numbers)


def test_flags_that_force_more_are_obeyed_with_a_warning(page, monkeypatch, caplog):
    caplog.set_level('WARNING', 'absl')
    monkeypatch.setattr(budget, 'MOST_BYTES', 150_000)
    fitted = budget.fitted(page, IMAGES)
    assert fitted.said == '' and start_of(fitted)['live']['embedded']
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == 'WARNING']
    assert warning == (
        f'the page takes {fitted.size / 1e6:.2f} MB, more than 0.15 MB: fewer --images, --count or --neighbours make '
        'it smaller'
    )


def test_as_many_images_as_are_asked_for_make_room_elsewhere(page, monkeypatch):
    monkeypatch.setattr(budget, 'MOST_BYTES', budget.fitted(page).size - 60_000)
    fitted = budget.fitted(page, IMAGES)
    assert fitted.size <= budget.MOST_BYTES and 'samples as JPEG' in fitted.said
    assert start_of(fitted)['thumbnails']['count'] == IMAGES
    assert budget.fitted(page, 150).said.endswith('(as --images=150 asks)')


def test_samples_lose_no_more_than_they_must():
    pixels = np.zeros((4, 16, 16, 3), np.uint8)
    assert [sprites.sample_quality(pixels, least) for least in range(4)] == [0, 1, 2, 3]
    assert [sheet.suffix for least in (0, 3) for sheet in sprites.samples(pixels, least)] == ['.webp', '.jpg']
