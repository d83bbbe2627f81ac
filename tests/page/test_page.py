"""The files of a page, read back as a browser would read them."""

from __future__ import annotations

import base64
import dataclasses
import json
import pathlib
import re
import zlib

import numpy as np
import pytest

from tests.conftest import ROOT, smooth_images
from trainer.data.image_set import Entry
from trainer.page import builder, comparison, packing
from trainer.page.content import DatasetPart, Figure, Generated, Layer, Nearest, Page, Suspect

ASSETS = ROOT / 'trainer' / 'page' / 'assets'


@dataclasses.dataclass(frozen=True)
class Pictures:
    """Pictures in memory, uint8 [N, H, W, C]."""

    pixels: np.ndarray

    def __len__(self):
        return len(self.pixels)

    def batches(self, size):
        return (self.pixels[i : i + size] for i in range(0, len(self), size))


def unit(count: int, seed: int, length: int = 8) -> np.ndarray:
    """Random float32 [count, length], rows of length 1."""
    rows = np.random.default_rng(seed).normal(size=(count, length)).astype(np.float32)
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


def make_page(samples: int = 30, count: int = 60, size: int = 16, title: str = 'A run', planted: int = 7) -> Page:
    """Random features: sample 3 has those of the training image `planted`; two layers, two labels, a cluster."""
    train, holdout, made = (unit(n, seed) for n, seed in ((count, 0), (40, 1), (samples, 2)))
    made[3] = train[planted]
    names = [f'{"ab"[i % 2]}/{i}.png' for i in range(count)]
    names[5] = 'a/<script>alert("x")</script>&\u2028.png'
    near, back = comparison.nearest(made, train, 24), comparison.nearest(train, made, 24)
    among = comparison.nearest(train, train, 24, exclude_self=True)
    early = Layer('colour and texture', Nearest(near.indices[:, ::-1], near.cosines[:, ::-1]))
    generated = Generated(
        pixels=smooth_images(samples, size, seed=1),
        seeds=range(100, 100 + samples),
        command='python -m trainer.generate --model_dir=x',
        to_training=(early, Layer('shape', near)),
        from_training=(Layer('colour and texture', back), Layer('shape', back)),
        nearest_cosines=near.cosines[:, 0],
        scale=comparison.scale(train, holdout),
    )
    dataset = DatasetPart(
        images=Pictures(smooth_images(count, size)),
        entries=[Entry(name, i % 2) for i, name in enumerate(names)],
        label_names=('ankle', 'boot'),
        density=np.linspace(1, 0, count, dtype=np.float32),
        clusters=[[2, 9, 11], [20, 21]],
        nearest=(Layer('colour and texture', among), Layer('shape', among)),
        notes=['Too few images.'],
        figures=[Figure('Width, px', [0, 10, 20], [3, 9])],
        suspects=[Suspect(7, 'ankle', 0.1234567), Suspect(3, 'ankle', 0.2)],
    )
    return Page(title, [('Run', 'runs/x')], dataset, generated)


def read_script(text: str) -> dict:
    """The value that a data script assigns."""
    match = re.fullmatch(r'explore\.data\["(\w+)"\]=(.*);\n', text)
    assert match, text[:80]
    return json.loads(match[2])


def read(folder: pathlib.Path, name: str) -> dict:
    return read_script((folder / 'data' / f'{name}.js').read_text(encoding='ascii'))


def unpack(layer: dict) -> tuple[np.ndarray, np.ndarray]:
    kind = {2: '<u2', 4: '<u4'}[layer['width']]
    if 'deflated' in layer:
        return unpack_deflated(layer)
    indices = np.frombuffer(base64.b64decode(layer['indices']), kind).reshape(-1, layer['count'])
    cosines = np.frombuffer(base64.b64decode(layer['cosines']), np.int8).reshape(indices.shape)
    return indices, cosines / 100


def unpack_deflated(layer: dict) -> tuple[np.ndarray, np.ndarray]:
    width, count = layer['width'], layer['count']
    planes = np.frombuffer(zlib.decompress(base64.b64decode(layer['deflated'])), np.uint8).reshape(width + 1, -1)
    indices = sum(plane.astype(int) << 8 * place for place, plane in enumerate(planes[:-1]))
    cosines = np.cumsum(planes[-1].view(np.int8).reshape(count, -1), axis=0, dtype=np.int8)
    return np.asarray(indices).reshape(-1, count), cosines.T / 100


@pytest.fixture(scope='module')
def page(tmp_path_factory) -> tuple[Page, pathlib.Path]:
    made, folder = make_page(), tmp_path_factory.mktemp('page')
    builder.write_page(str(folder), made)
    return made, folder


def test_everything_that_the_page_loads_is_there(page):
    _, folder = page
    text = (folder / 'index.html').read_text()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert len(loaded) > 10
    assert all((folder / name).is_file() for name in loaded if name != 'data:,')
    assert {path.name for path in folder.glob('code/*')} == {path.name for path in ASSETS.iterdir()} - {'index.html'}
    assert {path.name for path in (folder / 'data').iterdir()} == {'start.js', 'dataset.js', 'neighbours.js'}
    start = read(folder, 'start')
    assert all((folder / name).is_file() for kind in ('samples', 'thumbnails') for name in start[kind]['files'])


@pytest.mark.parametrize('path', sorted(ASSETS.iterdir()), ids=lambda path: path.name)
def test_assets_name_no_other_host_and_set_no_markup(path):
    text = path.read_text(encoding='utf-8').replace('http://www.w3.org/2000/svg', '')
    if path.name == 'remote.js':  # It asks the server that the page came from, if that says so.
        assert text.count('fetch(') == 1
        text = text.replace('fetch(explore.data.start.live.predict,', '')
    assert not re.search(r'https?:|["\'(]//|@import', text)
    assert not re.search(r'innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|fetch\(|import ', text)
    assert len(text.splitlines()) < 300


def test_neighbours_come_through_packing(page):
    made, folder = page
    start, neighbours = read(folder, 'start'), read(folder, 'neighbours')
    for packed, layers in (
        (start['generated']['layers'], made.generated.to_training),
        (neighbours['samples'], made.generated.from_training),
        (neighbours['images'], made.dataset.nearest),
    ):
        assert [layer['likeness'] for layer in packed] == ['colour and texture', 'shape']
        for layer, expected in zip(packed, layers):
            indices, cosines = unpack(layer)
            np.testing.assert_array_equal(indices, expected.nearest.indices)
            np.testing.assert_allclose(cosines, expected.nearest.cosines, atol=0.00501)


def test_many_images_take_wider_indices():
    nearest = Nearest(np.array([[70_000, 3]]), np.array([[1.0, -1.0]], np.float32))
    (packed,) = packing.layers((Layer('shape', nearest),))
    assert packed['width'] == 4
    indices, cosines = unpack(packed)
    assert (indices.tolist(), cosines.tolist()) == ([[70_000, 3]], [[1.0, -1.0]])


def test_a_planted_copy_is_marked_and_stands_above_all_real_images(page):
    made, folder = page
    generated = read(folder, 'start')['generated']
    assert 3 in generated['copies']
    assert len(generated['copies']) < 5
    assert generated['nearerThan'][3] == 1
    assert unpack(generated['layers'][1])[0][3, 0] == 7
    assert generated['seeds'][3] == 103
    assert generated['scale']['of'] == 'the 40 hold-out images (which it was not trained on)'


def test_neighbours_are_those_of_brute_force():
    queries, references = unit(20, 3), unit(50, 4)
    found = comparison.nearest(queries, references, 6)
    cosines = queries @ references.T
    order = np.argsort(-cosines, axis=1)[:, :6]
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_allclose(found.cosines, np.take_along_axis(cosines, order, 1), atol=1e-5)
    among = comparison.nearest(references, references, 99, exclude_self=True)
    assert among.indices.shape == (50, 49)
    assert not (among.indices == np.arange(50)[:, None]).any()


def test_without_a_holdout_training_images_are_held_against_each_other():
    train = unit(200, 0)
    scale = comparison.scale(train, None)
    expected = (train @ train.T - 9 * np.eye(200)).max(axis=1)
    np.testing.assert_allclose(scale.cosines, expected, atol=1e-5)
    assert scale.of == 'the 200 training images (each beside the others, as there is no hold-out)'
    assert (scale.cosines >= scale.threshold).mean() == pytest.approx(comparison.COPY_SHARE, abs=0.01)


def test_copies_in_the_holdout_do_not_put_the_mark_out_of_reach():
    train = unit(50, 0)
    assert comparison.scale(train, train[:30]).threshold < 1


def test_the_share_below_counts_real_images_that_are_less_near():
    scale = dataclasses.replace(comparison.scale(unit(9, 0), None), cosines=np.array([0.9, 0.1, 0.5, 0.5], np.float32))
    np.testing.assert_array_equal(comparison.share_below(np.array([0.0, 0.5, 0.6, 1.0]), scale), [0, 0.25, 0.75, 1])


def test_a_name_cannot_end_its_script(page):
    made, folder = page
    text = (folder / 'data' / 'dataset.js').read_text(encoding='ascii')
    assert '<' not in text
    assert read(folder, 'dataset')['names'][5] == made.dataset.entries[5].name


def test_the_data_set_is_described(page):
    made, folder = page
    data = read(folder, 'dataset')
    assert data['labels'][:3] == [0, 1, 0]
    assert data['labelNames'] == ['ankle', 'boot']
    assert data['clusters'] == [[2, 9, 11], [20, 21]]
    assert data['suspects'][0] == {'number': 7, 'suggested': 'ankle', 'confidence': 0.1235}
    np.testing.assert_allclose(data['density'], made.dataset.density, atol=1e-4)
    assert data['figures'] == [{'title': 'Width, px', 'edges': [0, 10, 20], 'counts': [3, 9]}]


def test_a_page_of_a_data_set_alone(tmp_path):
    whole = make_page()
    bare = dataclasses.replace(whole.dataset, density=None, clusters=(), nearest=(), label_names=())
    builder.write_page(str(tmp_path), dataclasses.replace(whole, dataset=bare, generated=None))
    assert 'generated' not in read(tmp_path, 'start')
    assert not list(tmp_path.glob('sprites/samples*'))
    assert read(tmp_path, 'dataset')['density'] is None
    assert read(tmp_path, 'neighbours') == {'samples': [], 'images': []}
