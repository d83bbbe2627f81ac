"""What people can do on the page, with mouse, keyboard and links."""

from __future__ import annotations

import dataclasses
import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Tab, expect_focus
from tests.page.test_page import make_page, read, unpack
from trainer.page import builder

COPY = 'sample, seed 103, nearest training image cosine 1.00, likely a copy'


def tile(page, seed):
    return page.get_by_role('button', name=re.compile(f'^sample, seed {seed},')).first


def scores(page, label):
    return [
        float(text) for text in page.get_by_role('list', name=label, exact=True).locator('.score').all_inner_texts()
    ]


def opened(page):
    """The labels of the dialog's neighbour buttons, from the first list on."""
    return [button.get_attribute('aria-label') for button in page.locator('dialog .strip button').all()]


@pytest.mark.parametrize('scheme', ['file', 'http'])
def test_the_page_opens_from_disk_and_from_a_server(browser, folder, site, scheme):
    tab = Tab(browser, site if scheme == 'http' else f'file://{folder}')
    page = tab.open()
    expect(page).to_have_title('A run')
    expect(page.get_by_role('grid', name='Generated samples')).to_have_attribute('aria-rowcount', '13')
    tile(page, 103).click()
    expect(page.locator('dialog h2')).to_have_text('Seed 103')
    page.get_by_role('button', name=re.compile('^training image 7,')).click()
    expect(page.locator('dialog h2')).to_have_text('Training image 7')
    assert len(tab.requests) > 15
    tab.close()


def test_a_sample_is_shown_with_its_neighbours_its_standing_and_its_command(tab, folder):
    page = tab.open()
    tile(page, 103).click()
    dialog = page.get_by_role('dialog')
    indices, cosines = unpack(read(folder, 'start')['generated']['layers'][1])
    expect(dialog.locator('.strip button')).to_have_count(24)
    assert scores(page, 'Nearest training images by shape') == pytest.approx(list(cosines[3]))
    assert [int(re.match(r'training image (\d+)', text)[1]) for text in opened(page)] == list(indices[3])
    expect(dialog).to_contain_text('Likely a copy. Nearer to a training image than all of the 40 hold-out images')
    expect(dialog.get_by_role('img', name=re.compile('^Nearer to a training image than all'))).to_be_visible()
    expect(dialog.locator('code')).to_have_text('python -m trainer.generate --model_dir=x --seeds=103')
    assert page.url.endswith('#tab=generated&sample=103')
    large = dialog.get_by_role('img', name='sample of seed 103')
    assert large.bounding_box()['width'] == 384  # 24 times 16 px: each pixel is a square.
    assert large.evaluate('element => getComputedStyle(element).imageRendering') == 'pixelated'


def test_the_command_can_be_copied(tab):
    tab.context.grant_permissions(['clipboard-read', 'clipboard-write'])
    page = tab.open('#sample=104')
    page.get_by_role('button', name='Copy', exact=True).click()
    expect(page.get_by_role('button', name='Copied')).to_be_visible()
    assert page.evaluate('navigator.clipboard.readText()') == 'python -m trainer.generate --model_dir=x --seeds=104'


def test_the_layer_can_be_switched_and_stays_so(tab, folder):
    page = tab.open('#sample=110')
    late, early = opened(page), page.get_by_text('by colour and texture')
    early.click()
    expect(page.get_by_role('list', name='Nearest training images by colour and texture')).to_be_visible()
    assert opened(page) == late[::-1]  # The page was made so that one order reverses the other.
    expect(page.locator('#dialog-status')).to_have_text('Nearest training images by colour and texture')
    page.get_by_role('button', name='Next').click()
    expect(page.locator('dialog h2')).to_have_text('Seed 111')
    expect(page.get_by_role('radio', name='by colour and texture')).to_be_checked()


def test_everything_can_be_reached_with_the_keyboard_alone(tab):
    page = tab.open()
    page.keyboard.press('Tab')
    expect(page.get_by_role('tab', name='Generated')).to_be_focused()
    for _ in range(3):  # To the order, the filter, the grid.
        page.keyboard.press('Tab')
    expect_focus(page, 'sample, seed 100,')
    for key, seed in (('ArrowRight', 101), ('ArrowDown', 111), ('End', 119), ('Home', 110), ('Control+End', 229)):
        page.keyboard.press(key)
        expect_focus(page, f'sample, seed {seed},')
    expect(page.locator(':focus')).to_be_in_viewport(ratio=1)
    assert page.locator(':focus').evaluate('element => getComputedStyle(element).outlineStyle') == 'solid'
    page.keyboard.press('Control+Home')
    page.keyboard.press('Enter')
    expect(page.locator('dialog h2')).to_be_focused()
    page.keyboard.press('ArrowRight')
    expect(page.locator('dialog h2')).to_have_text('Seed 101')
    page.keyboard.press('Escape')
    expect(page.locator('dialog')).to_be_hidden()
    expect_focus(page, 'sample, seed 101,')
    assert page.evaluate('document.querySelectorAll("[role=grid] [tabindex=\\"0\\"]").length') == 1


def test_the_tabs_follow_the_arrow_keys(tab):
    page = tab.open()
    page.get_by_role('tab', name='Generated').focus()
    page.keyboard.press('ArrowRight')
    expect(page.get_by_role('tab', name='Data set')).to_be_focused()
    expect(page.get_by_role('tab', name='Data set')).to_have_attribute('aria-selected', 'true')
    expect(page.get_by_role('tabpanel', name='Data set')).to_be_visible()
    expect(page.get_by_role('tabpanel', name='Generated')).to_be_hidden()
    assert page.url.endswith('#tab=dataset')


def test_inside_the_dialog_the_keyboard_goes_through_neighbours(tab):
    page = tab.open()
    tile(page, 103).focus()
    page.keyboard.press('Enter')
    expect(page.locator('dialog h2')).to_be_focused()
    for _ in range(6):  # Previous, next, close, the command, the layer, the first neighbour.
        page.keyboard.press('Tab')
    expect_focus(page, 'training image 7,')
    page.keyboard.press('ArrowRight')
    expect(page.locator(':focus')).not_to_have_attribute('aria-label', re.compile('^training image 7,'))
    page.keyboard.press('Home')
    page.keyboard.press('Enter')
    expect(page.locator('dialog h2')).to_have_text('Training image 7')
    expect(page.locator('dialog h2')).to_be_focused()
    page.keyboard.press('Escape')
    expect_focus(page, COPY)


@pytest.mark.parametrize(
    ('fragment', 'title'),
    [
        ('#sample=103', 'Seed 103'),
        ('#image=9', 'Training image 9'),
        ('#tab=dataset&image=9', 'Training image 9'),
        ('#tab=dataset&sample=229', 'Seed 229'),
    ],
)
def test_a_link_leads_to_what_it_names(tab, fragment, title):
    page = tab.open(fragment)
    expect(page.locator('dialog h2')).to_have_text(title)
    page.keyboard.press('Escape')
    expect(page.get_by_role('tab', selected=True)).to_have_text(
        'Data set' if 'tab=dataset' in fragment else 'Generated'
    )


@pytest.mark.parametrize('fragment', ['#sample=17', '#image=300', '#image=-1', '#image=x', '#tab=other', '#%'])
def test_a_link_to_what_is_not_there_shows_the_grid(tab, fragment):
    page = tab.open(fragment)
    expect(page.locator('dialog')).to_be_hidden()
    expect(page.get_by_role('grid', name='Generated samples')).to_be_visible()


def test_only_likely_copies(tab, folder):
    page = tab.open()
    copies = read(folder, 'start')['generated']['copies']
    tiles = page.locator('#panel-generated [role=gridcell]')
    everything = tiles.count()
    page.get_by_label('Only likely copies').check()
    expect(tiles).to_have_count(len(copies))
    assert 1 <= len(copies) < everything
    expect(page.get_by_role('button', name=COPY)).to_have_text(re.compile('copy'))
    expect(page.locator('#status')).to_have_text(re.compile('only likely copies'))
    page.get_by_label('Only likely copies').uncheck()
    expect(tiles).to_have_count(everything)


def test_samples_sort_by_likeness(tab):
    page = tab.open()
    page.get_by_label('Sorted').select_option('near')
    first = page.locator('#panel-generated [role=gridcell] button').first
    expect(first).to_have_attribute('aria-label', COPY)
    page.get_by_label('Sorted').select_option('far')
    expect(first).not_to_have_attribute('aria-label', COPY)


def test_samples_of_a_label_are_shown_by_themselves(browser, tmp_path):
    page_ = make_page(samples=30)
    labelled = dataclasses.replace(page_.generated, labels=['', *['hat', 'shoe'] * 14, 'hat'])
    builder.write_page(str(tmp_path), dataclasses.replace(page_, generated=labelled))
    tab = Tab(browser, f'file://{tmp_path}')
    page = tab.open()
    expect(page.get_by_role('button', name=re.compile('^sample, seed 100,'))).to_have_count(1)
    page.get_by_label('Label').select_option('shoe')
    expect(page.locator('.count').first).to_have_text('14 samples of shoe')
    page.get_by_role('button', name=re.compile('^sample of shoe, seed 102,')).click()
    expect(page.locator('dialog h2')).to_have_text('Seed 102, shoe')
    page.keyboard.press('Escape')
    page.get_by_label('Label').select_option('all')
    expect(page.locator('.count').first).to_have_text('30 samples')
    tab.close()
