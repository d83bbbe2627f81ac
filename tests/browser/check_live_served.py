"""The live tab of a page behind a server, which makes its pictures and finds what a picture is like."""

from __future__ import annotations

import base64
import contextlib
import http.server
import json
import re
import threading

import numpy as np
import pytest
import tensorflow as tf
from playwright.sync_api import Locator, expect

from tests.browser.check_live import own, pixels_of, show_seed, stage, until, walk
from tests.browser.check_looks import CONTRASTS
from tests.browser.conftest import Tab
from tests.conftest import smooth_images
from trainer.data import images
from trainer.dcgan import noise
from trainer.page import builder
from trainer.page.content import Page
from trainer.page.live_content import Live

NOISE_DIM, SIDE = 8, 32
LABELS = ('hat', 'shoe')


def picture(instance: dict) -> np.ndarray:
    """What the server makes: another one for each seed or noise and each label."""
    if 'seed' in instance:
        vector = noise.from_seeds(tf.constant([instance['seed']]), NOISE_DIM).numpy()[0]
    else:
        vector = np.array(instance['noise'])
    made = smooth_images(1, SIDE)[0] * (0.5 + 0.1 * np.clip(vector[0], -4, 4))
    return (made + 20 * (instance.get('label') == 'shoe')).clip(0, 255).astype(np.uint8)


def coded(pixels: np.ndarray) -> dict:
    return {'b64': base64.b64encode(images.encode_png(pixels)).decode()}


class Server(http.server.SimpleHTTPRequestHandler):
    """Serves a page's folder, and answers as trainer.serve does."""

    asked: list[dict] = []
    refuses = ''

    def do_POST(self) -> None:  # noqa: N802  The name that http.server calls.
        instances = json.loads(self.rfile.read(int(self.headers['Content-Length'])))['instances']
        type(self).asked += instances
        body = json.dumps(
            {'error': self.refuses} if self.refuses else {'predictions': [self.answer(i) for i in instances]}
        )
        self.send_response(400 if self.refuses else 200)
        self.end_headers()
        self.wfile.write(body.encode())

    def answer(self, instance: dict) -> dict:
        if 'image' not in instance:
            return {'image': coded(picture(instance))}
        train = smooth_images(2, SIDE, seed=3)
        neighbours = [
            {
                'name': f'a/{i}.png',
                'label': 'hat',
                'cosine': 0.99 - i / 2,
                'likely_copy': i == 0,
                'image': coded(train[i]),
            }
            for i in range(2)
        ]
        sample = {'seed': 17, 'cosine': 0.6, 'image': coded(train[1])}
        return {'label': 'shoe', 'confidence': 0.8, 'neighbours': neighbours, 'sample': sample}

    def log_message(self, format: str, *args) -> None:
        """Logs nothing."""


@pytest.fixture
def served(browser, tmp_path):
    """A tab of the page, and the class that answers it."""
    live = Live(
        NOISE_DIM, SIDE, 3, labels=LABELS, shares=(0, 0.5, 0.5), directions=np.eye(2, NOISE_DIM, dtype=np.float32),
        predict='/predict',
    )  # fmt: skip
    builder.write_page(str(tmp_path), Page('A server', [('Run', 'runs/x')], None, live=live))
    handler = type('Handler', (Server,), {'asked': [], 'refuses': ''})

    def make(*arguments) -> Server:
        return handler(*arguments, directory=str(tmp_path))

    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), make) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        tab = Tab(browser, f'http://127.0.0.1:{server.server_port}')
        with contextlib.ExitStack() as stack:
            stack.callback(thread.join)
            stack.callback(server.shutdown)
            yield tab, handler
        tab.close()


def is_moved(asked: dict, shown: Locator) -> bool:
    """Whether the server was asked for a shoe by its noise, and the page shows it."""
    if len(asked.get('noise', ())) != NOISE_DIM or asked['label'] != 'shoe':
        return False
    return np.array_equal(pixels_of(shown.locator('canvas')), picture(asked))


def test_the_server_makes_the_pictures(served):
    tab, handler = served
    page = tab.open()
    page.wait_for_selector('#panel-live[data-made]')
    expect(page.locator('.summary')).to_have_text('Made by the server.')
    expect(page.locator('code')).to_have_count(0)
    assert len(handler.asked) >= 24
    show_seed(page, 1234)
    np.testing.assert_array_equal(pixels_of(stage(page).locator('canvas')), picture({'seed': 1234}))
    page.get_by_role('combobox', name=re.compile('^Label')).select_option('shoe')
    tile = page.get_by_role('grid', name='New pictures').get_by_role('button').nth(1)
    expect(tile).to_have_attribute('aria-label', re.compile('shoe$'))
    expect(stage(page).get_by_role('img')).to_have_attribute('aria-label', re.compile('^chosen picture, .*shoe$'))
    page.get_by_label('Direction 1').fill('4')
    until(page, lambda: any(is_moved(asked, stage(page)) for asked in handler.asked))
    walk(page).get_by_role('slider').fill('0.3')
    share = walk(page).get_by_role('img', name='picture at 30% of the way')
    until(page, lambda: any(np.array_equal(pixels_of(share), picture(asked)) for asked in handler.asked))


def test_the_server_says_what_is_on_a_picture(served, tmp_path):
    tab, handler = served
    page = tab.open()
    images.write_png(str(tmp_path / 'own.png'), smooth_images(1, 600)[0])
    page.set_input_files('input[type=file]', tmp_path / 'own.png')
    expect(own(page)).to_contain_text('Likely a copy. shoe, confidence 80%. Nearest training image: cosine 0.99.')
    expect(own(page).get_by_role('img', name='a/0.png, hat, cosine 0.99, likely a copy')).to_be_visible()
    expect(own(page).get_by_role('img', name='seed 17, cosine 0.60')).to_be_visible()
    sent = next(instance for instance in handler.asked if 'image' in instance)
    assert images_size(sent['image']['b64']) == (512, 512)
    for scheme in ('light', 'dark'):
        page.emulate_media(color_scheme=scheme)
        assert [entry for entry in page.evaluate(CONTRASTS) if entry['contrast'] < 4.5] == []


def test_a_refusal_of_the_server_is_shown(served):
    tab, handler = served
    page = tab.open()
    page.wait_for_selector('#panel-live[data-made]')
    handler.refuses = 'too many pictures: 64 at most'
    page.get_by_role('button', name='New pictures').click()
    expect(page.get_by_role('alert').first).to_have_text('too many pictures: 64 at most')
    tab.complaints.clear()  # The browser itself reports a 400.


def images_size(b64: str) -> tuple[int, int]:
    return tuple(tf.io.decode_png(base64.b64decode(b64)).shape[:2])
