"""Opens a page of generated images in a real, headless Chromium; `make test-browser` runs these tests."""

from __future__ import annotations

import contextlib
import functools
import http.server
import os
import pathlib
import re
import shutil
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.page.test_page import make_page
from trainer.page import builder

NAMES = ('chromium', 'chromium-browser', 'google-chrome', 'google-chrome-stable')


def find_chromium() -> str:
    """The path of the browser to test in.

    Raises:
      RuntimeError: there is no browser. These tests run only on request, so they are not skipped.
    """
    for name in (os.environ.get('CHROMIUM', ''), *NAMES):
        found = shutil.which(name) if name else None
        if found:
            return found
    raise RuntimeError(f'no Chromium: install one as {", ".join(NAMES)}, or give its path in $CHROMIUM')


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        """Logs nothing."""


@contextlib.contextmanager
def serve(folder: pathlib.Path) -> Iterator[str]:
    """Serves a folder on loopback while the context lasts; yields its address."""
    handler = functools.partial(_Quiet, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f'http://127.0.0.1:{server.server_port}'
        server.shutdown()
        thread.join()


class Tab:
    """One tab of the browser; it fails on any console error, and on any request to another address than the page's."""

    def __init__(self, browser: Browser, address: str, **context: Any):
        self.context = browser.new_context(**{'viewport': {'width': 1280, 'height': 860}, **context})
        self.context.set_default_timeout(10_000)
        self.page: Page = self.context.new_page()
        self.address, self.complaints, self.requests = address, [], []
        self.page.on('console', lambda message: self.complaints.append(f'{message.type}: {message.text}'))
        self.page.on('pageerror', lambda error: self.complaints.append(str(error)))
        self.page.on('request', lambda request: self.requests.append(request.url))

    def open(self, fragment: str = '') -> Page:
        self.page.goto(f'{self.address}/index.html{fragment}')
        self.page.wait_for_selector('html[data-ready]')
        return self.page

    def close(self) -> None:
        self.context.close()
        assert self.complaints == []
        assert [url for url in self.requests if not url.startswith((f'{self.address}/', 'data:'))] == []


def expect_focus(page: Page, name: str) -> None:
    """Expects that an element whose label begins with `name` has the focus, or gets it soon."""
    expect(page.locator(':focus')).to_have_attribute('aria-label', re.compile('^' + re.escape(name)))


@pytest.fixture(scope='session')
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=find_chromium(), args=['--no-sandbox'])
        yield started
        started.close()


@pytest.fixture(scope='session')
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    """A page of 130 samples and 300 images; the sample of seed 103 is a copy of image 7."""
    written = tmp_path_factory.mktemp('page')
    builder.write_page(str(written), make_page(samples=130, count=300))
    return written


@pytest.fixture(scope='session')
def site(folder: pathlib.Path) -> Iterator[str]:
    with serve(folder) as address:
        yield address


@pytest.fixture
def tab(browser: Browser, site: str) -> Iterator[Tab]:
    made = Tab(browser, site)
    yield made
    made.close()
