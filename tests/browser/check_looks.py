"""The page is readable: contrast in both colour schemes, on a phone, without motion."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Tab

VIEWS = ['', '#tab=dataset', '#sample=103', '#tab=dataset&image=9']

# The contrast of each text with its background, as WCAG 2 defines it; disabled controls are exempt.
CONTRASTS = """() => {
  const channel = value => value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const light = rgb => [0.2126, 0.7152, 0.0722].reduce((sum, k, i) => sum + k * channel(rgb[i] / 255), 0);
  const parse = text => text.match(/[\\d.]+/g).map(Number);
  const ground = element => {
    for (let at = element; at; at = at.parentElement) {
      const rgb = parse(getComputedStyle(at).backgroundColor);
      if (rgb.length < 4 || rgb[3] === 1) return rgb;
    }
    throw new Error('no ground');
  };
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let node = walker.nextNode(); node; node = walker.nextNode()) {
    const element = node.parentElement;
    if (!node.textContent.trim() || !element.checkVisibility()) continue;
    if (element.closest('.unseen, :disabled, script')) continue;
    const [front, back] = [light(parse(getComputedStyle(element).color)), light(ground(element))];
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    found.push({text: node.textContent.trim().slice(0, 40), contrast});
  }
  return found;
}"""


@pytest.mark.parametrize('scheme', ['light', 'dark'])
@pytest.mark.parametrize('view', VIEWS)
def test_text_stands_out_from_its_ground(browser, site, scheme, view):
    tab = Tab(browser, site, color_scheme=scheme)
    found = tab.open(view).evaluate(CONTRASTS)
    assert len(found) > 20
    assert [entry for entry in found if entry['contrast'] < 4.5] == []
    tab.close()


def test_the_schemes_differ(browser, site):
    grounds = []
    for scheme in ('light', 'dark'):
        tab = Tab(browser, site, color_scheme=scheme)
        grounds.append(tab.open().evaluate('getComputedStyle(document.body).backgroundColor'))
        tab.close()
    assert grounds == ['rgb(251, 250, 248)', 'rgb(21, 21, 22)']


@pytest.mark.parametrize('view', VIEWS)
def test_a_phone_scrolls_one_way_only(browser, site, view):
    tab = Tab(browser, site, viewport={'width': 360, 'height': 740}, has_touch=True)
    page = tab.open(view)
    assert page.evaluate('document.documentElement.scrollWidth') <= 360
    assert page.evaluate('document.getElementById("dialog-body").scrollWidth') <= 360
    if view in ('', '#tab=dataset'):
        tile = page.locator('[role=gridcell] button:visible').first.bounding_box()
        assert tile['width'] >= 80  # For a thumb.
    tab.close()


def test_a_resized_window_keeps_the_tile_that_has_the_focus(browser, site):
    tab = Tab(browser, site)
    page = tab.open()
    page.locator('[role=gridcell] button').nth(15).focus()
    page.set_viewport_size({'width': 500, 'height': 800})
    page.wait_for_function(
        'document.activeElement.getAttribute("aria-label") && '
        'document.activeElement.getAttribute("aria-label").startsWith("sample, seed 115,")'
    )
    tab.close()


def test_nothing_moves_for_those_who_ask_for_it(browser, site):
    durations = {}
    for motion in ('reduce', 'no-preference'):
        tab = Tab(browser, site, reduced_motion=motion)
        picture = tab.open().locator('.tile .picture').first
        durations[motion] = picture.evaluate('element => getComputedStyle(element).transitionDuration')
        tab.close()
    assert durations == {'reduce': '0s', 'no-preference': '0.15s'}


def test_every_control_has_a_name_and_headings_are_in_order(tab):
    page = tab.open('#sample=103')
    unnamed = page.evaluate(
        '[...document.querySelectorAll("button, input, select")].filter(element => !element.getAttribute("aria-label")'
        '&& !element.textContent.trim() && !(element.labels || []).length).map(element => element.outerHTML)'
    )
    assert unnamed == []
    assert page.locator('h1').count() == 1
    assert page.locator('main').count() == page.locator('body > footer').count() == page.locator('header').count() == 1
