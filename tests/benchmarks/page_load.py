"""How large a page of many images is, and how soon it draws its first grid; run by hand, needs Chromium.

    python -m tests.benchmarks.page_load [--samples=1000] [--images=10000] [--image_size=64] [--pictures=DATA]
    python -m tests.benchmarks.page_load --page=FOLDER

Builds a page with two layers of random neighbours, and opens it in a new browser, from disk and over http on loopback.
Times are from the start of the navigation until the samples of the first grid are decoded and drawn, in 5 openings with
an empty cache. The pictures are noise over soft shapes, which takes more bytes than photographs. --pictures=DATA uses
the images of a data set instead, repeated as often as necessary, and its hold-out for the samples. --page=FOLDER opens
a page of trainer.explore instead, and its live tab too.
"""

from __future__ import annotations

import argparse
import collections
import pathlib
import statistics
import tempfile

import numpy as np
from playwright.sync_api import sync_playwright

from tests.browser.conftest import Tab, find_chromium, serve
from tests.conftest import smooth_images
from tests.page.test_page import Pictures
from trainer.data import image_set
from trainer.data.image_set import Entry
from trainer.page import budget, builder
from trainer.page.content import DatasetPart, Generated, Layer, Nearest, Page, Scale

_NEIGHBOURS = 24
_OPENINGS = 5
_LIMIT_S = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--samples', type=int, default=1000)
    parser.add_argument('--images', type=int, default=10_000)
    parser.add_argument('--image_size', type=int, default=64)
    parser.add_argument('--pictures', default='', metavar='DATA')
    parser.add_argument('--page', default='', metavar='FOLDER')
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(arguments.page or temporary).absolute()
        if not arguments.page:
            builder.write_page(temporary, _page(arguments))
        sizes: collections.Counter[str] = collections.Counter()
        for path in folder.rglob('*.*'):
            sizes[path.parent.name if path.parent.name != 'sprites' else path.name.split('-')[0]] += path.stat().st_size
        for part, size in sizes.most_common():
            print(f'{part if part != folder.name else "index.html":12s} {size / 1e6:7.2f} MB')
        print(f'{"in all":12s} {sum(sizes.values()) / 1e6:7.2f} MB (at most {budget.MOST_BYTES / 1e6:g})')
        with serve(folder) as address:
            for kind, place in (('from disk', f'file://{folder}'), ('over http', address)):
                first = _measure(place, '')
                whole = _measure(place, '#tab=dataset&image=17')
                print(f'{kind}: {_seconds(first)} to the first grid (at most {_LIMIT_S} s); ', end='')
                print(f'{_seconds(whole)} to the data set and the details of an image', end='')
                print(f'; {_seconds(_measure(place, "#tab=live"))} to new pictures' if arguments.page else '')


def _measure(address: str, fragment: str) -> list[float]:
    """Seconds to the mark that the page sets, for each opening."""
    seconds = []
    with sync_playwright() as playwright:
        for _ in range(_OPENINGS):
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=['--no-sandbox'])
            tab = Tab(browser, address)
            marked = tab.open(fragment).evaluate('performance.getEntriesByName("first-grid")[0].startTime')
            seconds.append(marked / 1000)
            tab.close()
            browser.close()
    return seconds


def _seconds(values: list[float]) -> str:
    return f'{statistics.median(values):.2f} s (most {max(values):.2f})'


def _page(arguments: argparse.Namespace) -> Page:
    random = np.random.default_rng(0)

    def layers(rows: int, among: int) -> tuple[Layer, ...]:
        indices = random.integers(0, among, (rows, _NEIGHBOURS))
        cosines = -np.sort(-random.uniform(0, 1, (rows, _NEIGHBOURS))).astype(np.float32)
        return tuple(Layer(likeness, Nearest(indices, cosines)) for likeness in ('colour and texture', 'shape'))

    samples, count = arguments.samples, arguments.images
    made, real = _pictures(arguments)
    to_training = layers(samples, count)
    generated = Generated(
        pixels=made,
        seeds=range(samples),
        command='python -m trainer.generate --model_dir=runs/large',
        to_training=to_training,
        from_training=layers(count, samples),
        nearest_cosines=to_training[1].nearest.cosines[:, 0],
        scale=Scale(random.uniform(0, 1, 500).astype(np.float32), 'the 500 hold-out images', 0.99),
    )
    names = [f'folder/{random.bytes(16).hex()}.jpg' for _ in range(count)]
    dataset = DatasetPart(
        images=Pictures(real),
        entries=[Entry(name, i % 10) for i, name in enumerate(names)],
        label_names=[f'class {i}' for i in range(10)],
        density=random.normal(size=count).astype(np.float32),
        clusters=random.permutation(count)[:400].reshape(200, 2).tolist(),
        nearest=layers(count, count),
    )
    return Page('A large page', [('Run', 'runs/large')], dataset, generated)


def _pictures(arguments: argparse.Namespace) -> tuple[np.ndarray, np.ndarray]:
    """Samples and images, uint8 [N, H, W, 3]."""
    if arguments.pictures:
        train, holdout = image_set.open_both(arguments.pictures)
        of_samples, of_images = (holdout or train).pixels(), train.pixels()
        return np.resize(of_samples, (arguments.samples, *of_samples.shape[1:])), np.resize(
            of_images, (arguments.images, *of_images.shape[1:])
        )
    return tuple(
        _with_noise(smooth_images(count, arguments.image_size, seed=count))
        for count in (arguments.samples, arguments.images)
    )


def _with_noise(pictures: np.ndarray) -> np.ndarray:
    random = np.random.default_rng(0)
    for i, picture in enumerate(pictures):
        pictures[i] = np.clip(picture + random.normal(0, 12, picture.shape), 0, 255)
    return pictures


if __name__ == '__main__':
    main()
