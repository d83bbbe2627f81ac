"""The live tab is readable: contrast in both schemes, on a phone, a name for every control."""

from __future__ import annotations

import pytest

from tests.browser.check_live import SIDE, made, open_live, own  # noqa: F401  A fixture.
from tests.browser.check_looks import CONTRASTS
from tests.browser.conftest import Tab
from tests.conftest import smooth_images
from trainer.data import images


@pytest.fixture
def opened(browser, made, tmp_path, request):  # noqa: F811
    """The tab with everything on it, the results of a picture of one's own too."""
    tab = Tab(browser, f'file://{made.folder}', **getattr(request, 'param', {}))
    page = open_live(tab)
    images.write_png(str(tmp_path / 'own.png'), smooth_images(1, SIDE)[0])
    page.set_input_files('input[type=file]', tmp_path / 'own.png')
    own(page).get_by_role('list').first.wait_for()
    yield page
    tab.close()


@pytest.mark.parametrize('opened', [{'color_scheme': 'light'}, {'color_scheme': 'dark'}], indirect=True, ids=str)
def test_text_stands_out_from_its_ground(opened):
    opened.get_by_label('Seed', exact=True).fill('x')
    opened.keyboard.press('Enter')
    found = opened.evaluate(CONTRASTS)
    assert len(found) > 40
    assert [entry for entry in found if entry['contrast'] < 4.5] == []


PHONE = {'viewport': {'width': 360, 'height': 740}, 'has_touch': True}


@pytest.mark.parametrize('opened', [PHONE], indirect=True, ids=['phone'])
def test_a_phone_scrolls_one_way_only(opened):
    assert opened.evaluate('document.documentElement.scrollWidth') <= 360
    tile = opened.locator('#panel-live [role=gridcell] button:visible').first.bounding_box()
    assert tile['width'] >= 80  # For a thumb.


def test_every_control_has_a_name_and_headings_are_in_order(opened):
    unnamed = opened.evaluate(
        '[...document.querySelectorAll("#panel-live :is(button, input, select, canvas)")].filter(element => '
        '!element.getAttribute("aria-label") && !element.hasAttribute("aria-hidden") && !element.textContent.trim() && '
        '!(element.labels || []).length).map(element => element.outerHTML)'
    )
    assert unnamed == []
    levels = opened.evaluate(
        '[...document.querySelectorAll("main :is(h1, h2, h3)")].filter(element => element.checkVisibility())'
        '.map(element => Number(element.tagName[1]))'
    )
    assert levels[0] == 2 and all(after - before <= 1 for before, after in zip(levels, levels[1:]))


def test_the_focus_can_be_seen(opened):
    for label in ('Direction 1', 'Way from the one to the other'):
        opened.get_by_label(label).focus()
        opened.keyboard.press('ArrowRight')
        assert opened.locator(':focus').evaluate('element => getComputedStyle(element).outlineStyle') == 'solid'
