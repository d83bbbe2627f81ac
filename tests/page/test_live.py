"""The data of the live tab, read back as a browser would read it."""

from __future__ import annotations

import base64
import dataclasses
import zlib

import numpy as np
import pytest

from tests.page.test_page import make_page, read, unit
from trainer import operations
from trainer.operations import Network, Tracer
from trainer.page import builder, live_packing, network_packing
from trainer.page.content import Page
from trainer.page.live_content import Finder, Live


def small_network() -> Network:
    random = np.random.default_rng(0)
    tracer = Tracer((6,), (2,))
    x = tracer.add(
        operations.DENSE, tracer.add(operations.CONCAT, 0, 1),
        arrays={'kernel': random.normal(size=(8, 4 * 4 * 3)), 'bias': random.normal(size=48)}, side=4, relu=True,
    )  # fmt: skip
    for kind, channels in ((operations.DECONV, (5, 3)), (operations.CONV, (5, 2))):
        settings = {'stride': 1} if kind == operations.CONV else {}
        arrays = {'kernel': random.normal(size=(3 if settings else 4, 3 if settings else 4, *channels)) / 4}
        biases = channels[1 if settings else 0]
        x = tracer.add(kind, x, arrays={**arrays, 'bias': random.normal(size=biases)}, **settings)
    tracer.add(operations.TANH, x)
    return tracer.network()


def unpacked(packed: dict) -> Network:
    block = zlib.decompress(base64.b64decode(packed['bytes']))

    def array(entry: dict, axis: int) -> np.ndarray:
        size = int(np.prod(entry['shape']))
        if entry['type'] == 'f4':
            return np.frombuffer(block, '<f4', size, entry['at']).reshape(entry['shape'])
        if entry['type'] == 'f2':
            upper, lower = np.frombuffer(block, np.uint8, 2 * size, entry['at']).reshape(2, size)
            halves = np.stack([lower, upper], axis=1).copy().view('<f2')
            return halves.astype(np.float32).reshape(entry['shape'])
        factors = np.frombuffer(block, '<f4', entry['shape'][axis], entry['factors'])
        whole = np.frombuffer(block, np.int8, size, entry['at']).reshape(entry['shape'])
        return whole * factors.reshape([-1 if i == axis else 1 for i in range(whole.ndim)])

    listed = []
    for entry in packed['operations']:
        bare = operations.Operation(entry['kind'], tuple(entry['inputs']), {}, entry['settings'], entry['relu'])
        axis = bare.output_axis if entry['arrays'] else 0
        arrays = {name: array(of, axis) for name, of in entry['arrays'].items()}
        listed.append(dataclasses.replace(bare, arrays=arrays))
    return Network(tuple(tuple(shape) for shape in packed['inputs']), tuple(listed))


@pytest.mark.parametrize(('bits', 'apart'), [(16, 5e-3), (8, 0.1)])
def test_a_network_comes_through_packing(bits, apart):
    network = small_network()
    packed = network_packing.packed(network, bits)
    back, rounded = unpacked(packed), network_packing.rounded(network, bits)
    random = np.random.default_rng(1)
    inputs = [random.normal(size=(3, length)).astype(np.float32) for length in (6, 2)]
    np.testing.assert_allclose(operations.run(back, *inputs), operations.run(rounded, *inputs), atol=1e-6)
    exact = operations.run(network, *inputs)
    difference = np.abs(operations.run(back, *inputs) - exact).max()
    assert 0 < difference < apart
    assert exact.shape == (3, 8, 8, 2) and network.size == 8 * 48 + 48 + 16 * 15 + 5 + 9 * 10 + 2


def test_a_channel_of_zeros_stays_zero_in_8_bits():
    network = small_network()
    first = network.operations[1]
    kernel = first.arrays['kernel'].copy()
    kernel[:, 3] = 0
    changed = dataclasses.replace(first, arrays={**first.arrays, 'kernel': kernel})
    (operation,) = network_packing.rounded(Network(network.inputs, (changed,)), 8).operations
    assert not operation.arrays['kernel'][:, 3].any()
    assert np.isfinite(operation.arrays['kernel']).all()


def make_live(**changes) -> Live:
    return Live(6, 8, 3, labels=('hat', 'shoe'), shares=(0.1, 0.3, 0.6), **changes)


def make_finder(numbers: range, length: int = 512) -> Finder:
    axes = None if length == 512 else np.linalg.qr(np.random.default_rng(0).normal(size=(512, length)))[0].T
    vectors, samples = unit(len(numbers), 0, length), unit(5, 1, length)
    return Finder(small_network(), (1.5, 2, 3), np.arange(512.0), axes, vectors, numbers, samples, 'Some are left out.')


def test_a_page_of_new_pictures_alone(tmp_path):
    live = make_live(directions=np.eye(2, 6), predict='/predict', note='A server makes them.')
    builder.write_page(str(tmp_path), Page('A server', [], None, live=live))
    start = read(tmp_path, 'start')
    assert 'thumbnails' not in start and 'generated' not in start
    assert start['live'] == {
        'noiseDim': 6, 'side': 8, 'channels': 3, 'labels': ['hat', 'shoe'],
        'edges': [float(np.float32(0.1)), float(np.float32(0.4))], 'directions': np.eye(2, 6).tolist(),
        'command': '', 'embedded': False, 'note': 'A server makes them.', 'predict': '/predict', 'finds': False,
        'finderNote': '',
    }  # fmt: skip
    assert {path.name for path in (tmp_path / 'data').iterdir()} == {'start.js'}
    assert not (tmp_path / 'sprites').exists()


def test_a_page_with_everything_loads_the_large_parts_by_themselves(tmp_path):
    live = make_live(network=small_network(), bits=8, finder=make_finder(range(60)))
    builder.write_page(str(tmp_path), dataclasses.replace(make_page(), live=live))
    start = read(tmp_path, 'start')
    assert start['live']['embedded'] and start['live']['finds'] and start['live']['finderNote'] == 'Some are left out.'
    assert read(tmp_path, 'live')['operations'][1]['arrays']['kernel']['type'] == 'i1'
    assert read(tmp_path, 'finder')['network']['operations'][1]['arrays']['kernel']['type'] == 'f2'
    assert len((tmp_path / 'data' / 'start.js').read_bytes()) < 40_000


def rows(packed: dict, length: int) -> np.ndarray:
    whole = np.frombuffer(zlib.decompress(base64.b64decode(packed['whole'])), np.int8).reshape(length, -1).T
    return whole * np.frombuffer(base64.b64decode(packed['factors']), '<f4')[:, None]


@pytest.mark.parametrize(('numbers', 'length'), [(range(60), 512), (range(0, 120, 2), 64)])
def test_the_vectors_of_the_images_come_through_packing(numbers, length):
    finder = make_finder(numbers, length)
    packed = live_packing.finder(finder)
    assert packed['numbers'] == (None if length == 512 else list(numbers))
    assert packed['length'] == length and packed['mean'] == [1.5, 2, 3]
    for name, vectors in (('images', finder.images), ('samples', finder.samples)):
        np.testing.assert_allclose(rows(packed[name], length) @ vectors.T, vectors @ vectors.T, atol=0.01)
    if finder.axes is not None:
        random = unit(50, 3, 512)
        np.testing.assert_allclose(random @ rows(packed['axes'], 512).T, random @ finder.axes.T, atol=0.003)
