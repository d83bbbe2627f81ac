"""What the page shows about the data set, and about a training image."""

from __future__ import annotations

import dataclasses
import re

import pytest
from playwright.sync_api import expect

from convert import marks
from tests.browser.conftest import Tab, expect_focus, serve
from tests.page.test_page import Pictures, make_page, read, smooth_images, unpack
from tests.page.test_selection import compared
from trainer.data.image_set import Entry
from trainer.page import builder, selection


def test_the_data_set_shows_advice_outliers_labels_and_duplicates(tab):
    page = tab.open('#tab=dataset')
    panel = page.get_by_role('tabpanel', name='Data set')
    expect(panel.get_by_role('listitem').first).to_have_text('Too few images.')
    expect(panel.get_by_role('img', name='Histogram: Width, px')).to_be_visible()
    page.get_by_label('Show').select_option('outliers')
    first = panel.locator('[role=gridcell] button').first
    expect(first).to_have_attribute('aria-label', re.compile('^training image 299,'))
    page.get_by_role('combobox', name=re.compile('^Label')).select_option('0')
    expect(first).to_have_attribute('aria-label', re.compile('^training image 298, a/298.png, ankle'))
    expect(panel.locator('.count')).to_have_text('150 images')
    page.get_by_role('combobox', name=re.compile('^Label')).select_option('')
    page.get_by_label('Show').select_option('duplicates')
    expect(panel.get_by_role('list', name='Group 1, 3 images').get_by_role('button')).to_have_count(3)
    panel.get_by_role('button', name=re.compile('^training image 21,')).click()
    expect(page.locator('dialog h2')).to_be_focused()
    page.keyboard.press('Escape')
    expect_focus(page, 'training image 21,')


def test_a_page_with_some_of_the_images_calls_them_by_their_numbers_in_the_set(browser, tmp_path):
    part = selection.part(compared(samples=30, count=120), 60, 6)
    builder.write_page(str(tmp_path), part)
    numbers = list(part.dataset.numbers)
    place = next(place for place, number in enumerate(numbers) if number > place + 20)
    tab = Tab(browser, f'file://{tmp_path}')
    page = tab.open('#tab=dataset')
    panel = page.get_by_role('tabpanel', name='Data set')
    expect(panel.locator('.count')).to_have_text('60 images on this page, of 120 in the set')
    panel.get_by_role('button', name=re.compile(f'^training image {numbers[place]},')).click()
    dialog = page.get_by_role('dialog')
    expect(dialog.locator('h2')).to_have_text(f'Training image {numbers[place]}')
    assert page.evaluate('location.hash').endswith(f'image={numbers[place]}')
    expect(dialog.get_by_text('% of the images on this page')).to_be_visible()
    near = dialog.get_by_role('list', name='Nearest training images by shape').get_by_role('button')
    expect(near).to_have_count(6)
    layer = part.dataset.nearest[1].nearest
    first, cosine = numbers[layer.indices[place, 0]], layer.cosines[place, 0]
    expect(near.first).to_have_attribute('aria-label', re.compile(f'^training image {first},.*cosine {cosine:.2f}$'))
    page.keyboard.press('Escape')
    absent = next(number for number in range(120) if number not in numbers)
    page.goto(f'{tab.address}/index.html#tab=dataset&image={absent}')
    expect(dialog).to_be_hidden()
    tab.close()


def test_suspicious_labels_are_listed_with_the_label_that_fits(tab):
    page = tab.open('#tab=dataset')
    page.get_by_label('Show').select_option('suspects')
    tiles = page.get_by_role('tabpanel', name='Data set').locator('[role=gridcell] button')
    expect(tiles).to_have_count(2)
    expect(tiles.first).to_have_attribute('aria-label', re.compile('^training image 7,.* boot'))
    tiles.first.click()
    expect(page.get_by_role('dialog')).to_contain_text('ankle fits better; confidence in the label it has 12%')


def test_marks_are_given_by_mouse_and_keys_and_leave_as_a_table(tab, tmp_path):
    """Which `convert.label` and `convert.audit` read."""
    page = tab.open('#tab=dataset')
    panel = page.get_by_role('tabpanel', name='Data set')
    save = panel.get_by_role('button', name=re.compile('^Download'))
    expect(save).to_be_hidden()
    page.get_by_label('Mark images').check()
    expect(save).to_be_disabled()
    page.get_by_label('Labels, separated by commas').fill('ankle, =1, a "b"')
    tiles = panel.locator('[role=gridcell] button')
    tiles.nth(0).click()
    expect(page.get_by_role('dialog')).to_be_hidden()
    expect(tiles.nth(0)).to_have_attribute('aria-label', re.compile('^training image 0,.*, marked ankle$'))
    expect(page.get_by_role('status').first).to_have_text('marked ankle')
    for key in ('ArrowRight', '2', 'ArrowRight', '3', 'ArrowRight', '3', '0', '7'):
        page.keyboard.press(key)
    expect_focus(page, 'training image 3,')
    page.get_by_role('radio', name='2 =1').check()
    tiles.nth(4).click()
    tiles.nth(4).click()
    tiles.nth(0).click()
    expect(panel.locator('.tile.marked')).to_have_count(3)
    expect(save).to_have_text('Download marks.csv (3 images)')
    with page.expect_download() as download:
        save.click()
    path = tmp_path / download.value.suggested_filename
    download.value.save_as(path)
    read = marks.read(str(path), marks.Names(make_page().dataset.entries))
    assert {number: vote.label for number, vote in read.items()} == {0: '=1', 1: '=1', 2: 'a "b"'}
    page.get_by_label('Mark images').uncheck()
    tiles.nth(0).click()
    expect(page.get_by_role('dialog')).to_be_visible()


def test_markup_in_a_name_is_only_text(tab):
    page = tab.open('#tab=dataset&image=5')
    expect(page.get_by_role('dialog')).to_contain_text('a/<script>alert("x")</script>&')
    assert page.locator('dialog script').count() == 0


def test_a_page_of_the_data_set_alone_has_no_tabs(browser, tmp_path):
    whole = make_page(title='An audit')
    bare = dataclasses.replace(whole.dataset, nearest=(), clusters=())
    builder.write_page(str(tmp_path), dataclasses.replace(whole, dataset=bare, generated=None))
    tab = Tab(browser, f'file://{tmp_path}')
    page = tab.open()
    expect(page.get_by_role('tablist')).to_be_hidden()
    page.get_by_role('button', name=re.compile('^training image 2,')).click()
    expect(page.get_by_role('dialog')).to_contain_text('a/2.png')
    page.keyboard.press('Escape')
    page.get_by_label('Show').select_option('duplicates')
    expect(page.get_by_text('No image was found twice.')).to_be_visible()
    tab.close()


def test_of_many_images_only_those_in_sight_are_in_the_document(browser, tmp_path):
    count = 4000
    part = dataclasses.replace(
        make_page().dataset,
        images=Pictures(smooth_images(count, 8)),
        entries=[Entry(f'{i}.png', -1) for i in range(count)],
        density=None,
        clusters=(),
        nearest=(),
    )
    builder.write_page(str(tmp_path), dataclasses.replace(make_page(), dataset=part, generated=None))
    with serve(tmp_path) as address:
        tab = Tab(browser, address)
        page = tab.open()
        tiles = page.locator('[role=gridcell] button')
        assert 50 < tiles.count() < 400
        assert sum('images-' in url for url in tab.requests) < 3  # The sheets in sight.
        tiles.first.focus()
        page.keyboard.press('Control+End')
        expect_focus(page, 'training image 3999, 3999.png')
        assert tiles.count() < 400
        tab.close()


@pytest.mark.parametrize('name', ['start', 'dataset', 'neighbours'])
def test_a_missing_file_is_named(browser, folder, name):
    tab = Tab(browser, f'file://{folder}')
    tab.page.route(f'**/data/{name}.js', lambda route: route.abort())
    tab.page.goto(f'{tab.address}/index.html#tab=dataset&image=3')
    expect(tab.page.get_by_text(f'data/{name}.js is missing').last).to_be_visible()
    tab.context.close()


def test_from_a_training_image_to_its_samples_and_back(tab, folder):
    page = tab.open('#image=9')
    nearest = unpack(read(folder, 'neighbours')['samples'][1])[0][9, 0]
    samples = page.get_by_role('list', name='Nearest samples by shape').get_by_role('button')
    expect(samples).to_have_count(24)
    expect(page.get_by_role('list', name='Nearest training images by shape').get_by_role('button')).to_have_count(24)
    expect(page.get_by_role('list', name='Duplicates').get_by_role('button')).to_have_count(2)
    expect(page.get_by_role('dialog')).to_contain_text('b/9.png')
    expect(page.get_by_role('dialog')).to_contain_text('boot')
    samples.first.click()
    expect(page.locator('dialog h2')).to_have_text(f'Seed {100 + nearest}')
    page.go_back()
    expect(page.locator('dialog h2')).to_have_text('Training image 9')


def test_both_lists_of_a_training_image_follow_one_switch(tab):
    page = tab.open('#image=9')
    page.get_by_role('group', name='Nearest samples').get_by_text('by colour and texture').click()
    for label in ('Nearest samples', 'Nearest training images'):
        expect(page.get_by_role('list', name=f'{label} by colour and texture')).to_be_visible()
        expect(page.get_by_role('group', name=label).get_by_label('by colour and texture')).to_be_checked()
