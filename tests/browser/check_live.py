"""The tab in which the page makes pictures itself: they are the generator's, and all can be done with the keyboard."""

from __future__ import annotations

import dataclasses
import io
import pathlib
import re
from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from playwright.sync_api import Page as BrowserPage
from playwright.sync_api import expect

from tests.browser.conftest import Tab, expect_focus, serve
from tests.conftest import smooth_images
from tests.page.test_page import Pictures, make_page
from tests.random_generator import RandomGenerator
from trainer import operations
from trainer.data import images as data_images
from trainer.dcgan import conditioning, noise
from trainer.evaluation import finder, live_generator, pictures
from trainer.features import extraction, registry
from trainer.features.space import Space
from trainer.generator import loading, tracing
from trainer.page import builder, network_packing
from trainer.page.content import Page
from trainer.page.live_content import Live
from trainer.pretrained import packing

COMMAND = 'python -m trainer.generate --model_dir=x'
LABELS = ('hat', "men's shoe", 'coat')
SHARES = (0.1, 0.2, 0.3, 0.4)
SEEDS = [0, 1, 1234, 2**31 - 1]
PIXELS = """canvas => {
  const copy = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d', {willReadFrequently: true});
  copy.drawImage(canvas, 0, 0);
  const data = copy.getImageData(0, 0, canvas.width, canvas.height).data;
  return Array.from(data).filter((_, i) => i % 4 < 3);
}"""
SIDE, IMAGES = 32, 40


@dataclasses.dataclass(frozen=True)
class Made:
    """A page, and what is on it."""

    folder: pathlib.Path
    network: operations.Network
    live: Live
    space: Space
    train: np.ndarray
    embedded: np.ndarray

    def images(self, vectors: np.ndarray, labels: list[int]) -> np.ndarray:
        """The pictures that the page should make, uint8 [N, SIDE, SIDE, 3]."""
        rounded = network_packing.rounded(self.network, self.live.bits)
        classes = np.eye(1 + len(LABELS), dtype=np.float32)[:, 1:][np.array(labels) + 1]
        return operations.pixels(operations.run(rounded, vectors, classes))

    def of_seeds(self, seeds: list[int], label: int | None = None) -> tuple[np.ndarray, list[int]]:
        """The pictures of seeds, and their classes."""
        vectors = noise.from_seeds(tf.constant(seeds, tf.int32), self.live.noise_dim).numpy()
        drawn = conditioning.draw(tf.constant(seeds, tf.int32), np.array(SHARES)).numpy().tolist()
        labels = drawn if label is None else [label] * len(seeds)
        return self.images(vectors, labels), labels


@pytest.fixture(scope='module')
def made(tmp_path_factory) -> Made:
    generator = RandomGenerator(condition='labels', classes=3, generator_norm='self_modulated', kernel_size=4)
    network = tracing.network(generator.weights, generator.hparams.architecture)
    extractor = registry.make('squeezenet')
    train, samples = smooth_images(IMAGES, SIDE, seed=5), smooth_images(30, SIDE, seed=6)
    raw, raw_samples = (extraction.of_pixels(pixels, extractor)['fire9'] for pixels in (train, samples))
    space = Space.of(raw)
    embedded = space.embed(raw)
    found, note = finder.of(extractor, space, embedded, space.embed(raw_samples))
    live = Live(
        noise_dim=generator.hparams.noise_dim, side=SIDE, channels=3, labels=LABELS, shares=SHARES, command=COMMAND,
        directions=tracing.directions(generator.weights, 5), network=network, note='As on the tin.', finder=found,
        finder_note=note,
    )  # fmt: skip
    page = make_page(samples=30, count=IMAGES, size=SIDE)
    page = dataclasses.replace(
        page,
        dataset=dataclasses.replace(page.dataset, images=Pictures(train)),
        generated=dataclasses.replace(page.generated, pixels=samples),
        live=live,
    )
    folder = tmp_path_factory.mktemp('live')
    builder.write_page(str(folder), page)
    return Made(folder, network, live, space, train, embedded)


@pytest.fixture
def opened(browser, made):
    tab = Tab(browser, f'file://{made.folder}')
    yield tab
    tab.close()


def open_live(tab: Tab, fragment: str = '', query: str = ''):
    tab.page.goto(f'{tab.address}/index.html{query}#tab=live{fragment}')
    tab.page.wait_for_selector('#panel-live[data-made]')
    return tab.page


def until(page: BrowserPage, holds: Callable[[], bool]) -> None:
    """Waits, at most 10 s, for what no locator can tell."""
    for _ in range(100):
        if holds():
            return
        page.wait_for_timeout(100)
    assert holds()


def pixels_of(canvas) -> np.ndarray:
    return np.array(canvas.evaluate(PIXELS), np.int16).reshape(SIDE, SIDE, 3)


def stage(page):
    return page.get_by_role('region', name='Chosen picture')


def walk(page):
    return page.get_by_role('region', name='A walk between two pictures')


def own(page):
    return page.get_by_role('region', name='A picture of your own')


def show_seed(page, seed: int) -> None:
    page.get_by_label('Seed', exact=True).fill(str(seed))
    page.get_by_role('button', name='Show', exact=True).click()
    expect(stage(page).get_by_role('heading')).to_have_text(re.compile(f'^Seed {seed}(,|$)'))


@pytest.mark.parametrize('query', ['', '?wasm=off'])
def test_a_seed_makes_the_same_picture_as_the_generator(opened, made, query):
    page = open_live(opened, query=query)
    expect(page.locator('#panel-live .summary')).to_have_text(
        re.compile('plain JavaScript' if query else 'Made by WebAssembly')
    )
    expected, labels = made.of_seeds(SEEDS)
    assert len({picture.tobytes() for picture in expected}) == len(SEEDS) and expected.std() > 30
    for seed, picture, label in zip(SEEDS, expected, labels):
        show_seed(page, seed)
        assert np.abs(pixels_of(stage(page).locator('canvas')) - picture).max() <= 1
        name = f'Seed {seed}' + (f', {LABELS[label]}' if label >= 0 else '')
        expect(stage(page).get_by_role('heading')).to_have_text(name)
        expect(stage(page).locator('code')).to_have_text(f'{COMMAND} --seeds={seed}')
        expect(stage(page).get_by_role('img')).to_have_attribute('aria-label', f'chosen picture, s{name[1:]}')


def test_where_a_policy_refuses_webassembly_plain_javascript_makes_the_pictures(browser, made):
    with serve(made.folder) as address:
        tab = Tab(browser, address)
        policy = {'Content-Security-Policy': "script-src 'self'"}
        body = (made.folder / 'index.html').read_text()
        tab.page.route(
            '**/index.html', lambda route: route.fulfill(body=body, content_type='text/html', headers=policy)
        )
        page = open_live(tab, '&seed=5')
        expect(page.locator('.summary').last).to_have_text(
            re.compile('plain JavaScript, because WebAssembly is refused')
        )
        assert np.abs(pixels_of(stage(page).locator('canvas')) - made.of_seeds([5])[0][0]).max() <= 1
        tab.complaints.clear()  # The browser itself reports what the policy forbids.
        tab.close()


def test_noise_and_classes_are_those_of_tensorflow(opened, made):
    """For seeds that trainer.generate takes, and negative ones, which TensorFlow takes too."""
    page = open_live(opened)
    seeds = [*SEEDS, -1, -(2**31), 65536, *np.random.default_rng(0).integers(-(2**31), 2**31, 60).tolist()]
    expected = noise.from_seeds(tf.constant(seeds, tf.int32), 101).numpy()
    found = page.evaluate('seeds => seeds.map(seed => Array.from(explore.noiseOf(seed, 101)))', seeds)
    np.testing.assert_allclose(np.array(found), expected, atol=4e-6)
    drawn = page.evaluate('seeds => seeds.map(seed => explore.classOf(seed, explore.data.start.live.edges))', seeds)
    assert drawn == conditioning.draw(tf.constant(seeds, tf.int32), np.array(SHARES)).numpy().tolist()


def test_a_trained_generator_of_the_package_is_itself_on_the_page(browser, tmp_path):
    with packing.unpacked('clothes32') as folder:
        trained = loading.load(folder)
        live = live_generator.embedded(trained.generator, trained.hparams, COMMAND, 'serve it')
        expected = trained.generator.images(trained.generator.latents(SEEDS))
    assert live.bits == 16
    builder.write_page(str(tmp_path), Page('A generator', [], None, live=live))
    tab = Tab(browser, f'file://{tmp_path}')
    page = open_live(tab)
    for seed, picture in zip(SEEDS, expected):
        show_seed(page, seed)
        assert np.abs(pixels_of(stage(page).locator('canvas')) - picture).max() <= 2
    expect(page.get_by_role('tablist')).to_be_hidden()
    expect(page.locator('footer')).to_have_count(0)
    tab.close()


def test_new_pictures_of_a_label(opened, made):
    page = open_live(opened)
    tiles = page.get_by_role('grid', name='New pictures').get_by_role('button')
    before = tiles.first.get_attribute('aria-label')
    page.get_by_role('combobox', name='Label').select_option("men's shoe")
    expect(tiles.nth(3)).to_have_attribute('aria-label', re.compile("^new picture, seed [0-9]+, men's shoe$"))
    page.get_by_role('button', name='New pictures').click()
    expect(page.locator('#status')).to_have_text('24 new pictures')
    assert tiles.first.get_attribute('aria-label') != before
    tiles.nth(2).click()
    seed = int(re.search('[0-9]+', tiles.nth(2).get_attribute('aria-label'))[0])
    expect(tiles.nth(2)).to_have_attribute('aria-pressed', 'true')
    expect(stage(page).locator('code')).to_have_text(f"{COMMAND} --seeds={seed} --label='men'\"'\"'s shoe'")
    assert np.abs(pixels_of(tiles.nth(2).locator('canvas')) - made.of_seeds([seed], 1)[0][0]).max() <= 1
    assert page.url.endswith(f"#tab=live&seed={seed}&label=men's%20shoe")


def test_a_link_leads_to_its_picture(opened):
    page = open_live(opened, '&seed=77&label=coat')
    expect(stage(page).get_by_role('heading')).to_have_text('Seed 77, coat')
    page.evaluate('location.hash = "#tab=live&seed=78&label=unknown"')
    expect(stage(page).get_by_role('heading')).to_have_text(re.compile('^Seed 78'))


@pytest.mark.parametrize('typed', ['', 'x', '-1', '1.5', '2147483648', '99999999999'])
def test_what_is_no_seed_is_explained(opened, typed):
    page = open_live(opened, '&seed=5')
    page.get_by_label('Seed', exact=True).fill(typed)
    page.keyboard.press('Enter')
    expect(page.get_by_text('A seed is a whole number from 0 to 2147483647.')).to_be_visible()
    expect(stage(page).get_by_role('heading')).to_have_text(re.compile('^Seed 5(,|$)'))


def test_a_walk_goes_along_the_sphere(opened, made):
    page = open_live(opened, '&seed=11')
    stage(page).get_by_role('button', name='Walk to here').click()
    show_seed(page, 12)
    expect(walk(page).locator('figcaption').first).to_have_text(re.compile('From: Seed 12'))
    stage(page).get_by_role('button', name='Walk from here').click()
    page.get_by_role('grid', name='New pictures').get_by_role('button').nth(5).click()
    stage(page).get_by_role('button', name='Walk to here').click()
    show_seed(page, 12)
    seeds = [12, int(re.search('[0-9]+', walk(page).locator('figcaption').last.inner_text())[0])]
    way = walk(page).get_by_role('slider')
    way.focus()
    page.keyboard.press('Home')
    for _ in range(25):
        page.keyboard.press('ArrowRight')
    expect(way).to_have_attribute('aria-valuetext', '25%')
    start, end = noise.from_seeds(tf.constant(seeds, tf.int32), made.live.noise_dim)
    vector = noise.spherical(start, end, 4).numpy()[1:2]
    labels = conditioning.draw(tf.constant(seeds, tf.int32), np.array(SHARES)).numpy()
    one_hot = np.eye(1 + len(LABELS), dtype=np.float32)[:, 1:][labels + 1]
    rounded = network_packing.rounded(made.network, 16)
    expected = operations.pixels(operations.run(rounded, vector, one_hot[:1] * 0.75 + one_hot[1:] * 0.25))[0]
    large = walk(page).get_by_role('img', name='picture at 25% of the way')
    until(page, lambda: np.abs(pixels_of(large) - expected).max() <= 1)


def test_play_moves_and_pause_stops(opened):
    page = open_live(opened)
    way = walk(page).get_by_role('slider')
    walk(page).get_by_role('button', name='Play').click()
    page.wait_for_function('way => Number(way.value) > 0.6', arg=way.element_handle())
    walk(page).get_by_role('button', name='Pause').click()
    value = way.input_value()
    page.wait_for_timeout(200)
    assert way.input_value() == value
    expect(walk(page).get_by_role('button', name='Play')).to_be_visible()


def test_who_wants_no_motion_gets_the_slider_alone(browser, made):
    tab = Tab(browser, f'file://{made.folder}', reduced_motion='reduce')
    page = open_live(tab)
    expect(walk(page).get_by_role('slider')).to_be_visible()
    expect(walk(page).get_by_role('button', name='Play')).to_be_hidden()
    tab.close()


def test_sliders_move_the_picture_along_their_directions(opened, made):
    page = open_live(opened, '&seed=1234&label=hat')
    sliders = page.get_by_role('group', name=re.compile('directions')).get_by_role('slider')
    expect(sliders).to_have_count(5)
    sliders.nth(1).focus()
    page.keyboard.press('End')
    page.get_by_label('Direction 4').fill('-2.5')
    expect(stage(page).get_by_role('heading')).to_have_text('Seed 1234, hat, moved')
    expect(stage(page).locator('code')).to_have_count(0)
    vector = noise.from_seeds(tf.constant([1234]), made.live.noise_dim).numpy()
    vector = vector + 4 * made.live.directions[1] - 2.5 * made.live.directions[3]
    moved, of_seed = made.images(vector.astype(np.float32), [0])[0], made.of_seeds([1234], 0)[0][0]
    assert np.abs(moved - of_seed).max() > 2
    until(page, lambda: np.abs(pixels_of(stage(page).locator('canvas')) - moved).max() <= 1)
    page.get_by_role('button', name='Reset').click()
    expect(stage(page).locator('code')).to_contain_text('--seeds=1234 --label=hat')
    expect(sliders.nth(1)).to_have_value('0')
    until(page, lambda: np.abs(pixels_of(stage(page).locator('canvas')) - of_seed).max() <= 1)


def test_a_training_image_is_found_and_marked(opened, made, tmp_path):
    page = open_live(opened)
    assert not any('data/finder.js' in url for url in opened.requests)
    data_images.write_png(str(tmp_path / 'seven.png'), made.train[7])
    page.set_input_files('input[type=file]', tmp_path / 'seven.png')
    entries = own(page).get_by_role('list', name='Nearest training images of your picture').get_by_role('button')
    expect(entries).to_have_count(12)
    expect(entries.first).to_have_attribute('aria-label', re.compile('^training image 7, .*, cosine 1.00$'))
    expect(own(page)).to_contain_text('Likely a copy. Nearer to a training image than all of the 40 hold-out images')
    expect(page.locator('#status')).to_have_text('seven.png: nearest training image cosine 1.00, likely a copy')
    entries.first.click()
    expect(page.locator('dialog h2')).to_have_text('Training image 7')
    page.keyboard.press('Escape')
    expect_focus(page, 'training image 7, ')


@pytest.mark.parametrize('size', [(41, 30), (20, 70)])
def test_a_dropped_picture_is_compared_as_the_trainer_does(opened, made, tmp_path, size):
    """Of another size and shape, and partly transparent."""
    whole = np.concatenate([smooth_images(1, 100, seed=9)[0], np.full((100, 100, 1), 255, np.uint8)], axis=2)
    whole[40:45, :, 3] = 0
    picture = Image.fromarray(whole).resize(size)
    buffer = io.BytesIO()
    picture.save(buffer, 'PNG')
    (tmp_path / 'pictures').mkdir()
    (tmp_path / 'pictures' / 'own.png').write_bytes(buffer.getvalue())
    page = open_live(opened)
    transfer = page.evaluate_handle(
        """bytes => {
          const transfer = new DataTransfer();
          transfer.items.add(new File([new Uint8Array(bytes)], 'own.png', {type: 'image/png'}));
          return transfer;
        }""",
        list(buffer.getvalue()),
    )
    own(page).locator('.drop').dispatch_event('drop', {'dataTransfer': transfer})
    entries = own(page).get_by_role('list', name='Nearest training images of your picture').get_by_role('button')
    expect(entries).to_have_count(12)
    fitted = pictures.read(str(tmp_path / 'pictures'), SIDE, 3).pixels
    assert np.abs(pixels_of(own(page).locator('canvas')) - fitted[0]).max() <= 2
    vector = made.space.embed(extraction.of_pixels(fitted, registry.make('squeezenet'))['fire9'])
    cosines = (vector @ made.embedded.T)[0]
    found = [
        re.match('training image ([0-9]+),.* cosine (.*)$', text.get_attribute('aria-label')) for text in entries.all()
    ]
    numbers, scores = [int(match[1]) for match in found], [float(match[2]) for match in found]
    np.testing.assert_allclose(scores, cosines[numbers], atol=0.02)
    assert set(numbers[:3]) <= set(np.argsort(-cosines)[:5].tolist())


def test_a_pasted_picture_is_compared(opened, made):
    page = open_live(opened)
    buffer = io.BytesIO()
    Image.fromarray(made.train[11]).save(buffer, 'PNG')
    page.evaluate(
        """bytes => {
          const clipboardData = new DataTransfer();
          clipboardData.items.add(new File([new Uint8Array(bytes)], '', {type: 'image/png'}));
          document.body.dispatchEvent(new ClipboardEvent('paste', {clipboardData, bubbles: true}));
        }""",
        list(buffer.getvalue()),
    )
    entries = own(page).get_by_role('list', name='Nearest training images of your picture').get_by_role('button')
    expect(entries.first).to_have_attribute('aria-label', re.compile('^training image 11, .*, cosine 1.00$'))
    expect(own(page)).to_contain_text('the pasted picture')


def test_a_file_that_is_no_picture_is_named(opened, tmp_path):
    page = open_live(opened)
    (tmp_path / 'notes.txt').write_text('no picture')
    page.set_input_files('input[type=file]', tmp_path / 'notes.txt')
    expect(own(page).get_by_role('alert')).to_contain_text('notes.txt is no picture that this browser can read')


def test_the_chosen_picture_is_compared_too(opened):
    page = open_live(opened, '&seed=3&label=hat')
    stage(page).get_by_role('button', name='What is it like?').click()
    expect(own(page).get_by_role('list')).to_have_count(2)
    expect(own(page).get_by_role('heading', name='A picture of your own')).to_be_focused()
    expect(own(page)).to_contain_text('Seed 3, hat')


def test_all_of_it_with_the_keyboard(opened):
    page = open_live(opened, '&seed=3')
    page.get_by_role('tab', name='Live').focus()
    page.keyboard.press('Tab')
    expect(page.get_by_role('button', name='New pictures')).to_be_focused()
    for name in (re.compile('^Label'), 'Seed'):
        page.keyboard.press('Tab')
        expect(page.get_by_label(name, exact=True)).to_be_focused()
    for name in ('Show', 'Copy', 'Walk from here', 'Walk to here', 'What is it like?'):
        page.keyboard.press('Tab')
        expect(page.get_by_role('button', name=name, exact=True)).to_be_focused()
    for number in range(1, 6):
        page.keyboard.press('Tab')
        expect(page.get_by_label(f'Direction {number}')).to_be_focused()
    page.keyboard.press('Tab')
    expect_focus(page, 'new picture, seed 3')
    page.keyboard.press('ArrowRight')
    page.keyboard.press('Enter')
    chosen = page.locator(':focus')
    expect(chosen).to_have_attribute('aria-pressed', 'true')
    expect(chosen).to_have_attribute('aria-label', re.compile('^new picture, seed'))
    page.keyboard.press('Tab')
    expect(walk(page).get_by_role('slider')).to_be_focused()
    page.keyboard.press('Tab')
    expect(walk(page).get_by_role('button', name='Play')).to_be_focused()
    page.keyboard.press('Tab')
    expect(page.locator('input[type=file]')).to_be_focused()


def test_a_page_without_the_generator_names_the_reason_and_keeps_the_finder(browser, made, tmp_path):
    page_ = make_page(samples=30, count=IMAGES, size=SIDE)
    live = dataclasses.replace(made.live, network=None, note='Too large: python -m trainer.serve --model_dir=x')
    builder.write_page(str(tmp_path), dataclasses.replace(page_, live=live))
    tab = Tab(browser, f'file://{tmp_path}')
    page = tab.open('#tab=live')
    expect(page.get_by_text('Too large: python -m trainer.serve --model_dir=x')).to_be_visible()
    expect(own(page).locator('input[type=file]')).to_be_visible()
    tab.close()


def test_a_damaged_page_names_the_command_that_serves_it(browser, made):
    tab = Tab(browser, f'file://{made.folder}')
    tab.page.add_init_script('delete window.DecompressionStream')
    page = tab.open('#tab=live')
    expect(page.get_by_text('this browser cannot unpack it')).to_be_visible()
    expect(page.locator('code')).to_have_text(f'python -m http.server --directory {made.folder}/')
    tab.close()
