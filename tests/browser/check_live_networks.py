"""The page runs the networks of all architectures as the reference in numpy does, with and without WebAssembly."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.browser.conftest import Tab
from tests.conftest import smooth_images
from tests.generator.test_tracing import KINDS
from tests.page.test_page import Pictures, make_page, unit
from tests.random_generator import RandomGenerator
from trainer import operations
from trainer.features import squeezenet
from trainer.features.squeezenet import SqueezeNet
from trainer.generator import tracing
from trainer.page import builder, network_packing
from trainer.page.content import Page
from trainer.page.live_content import Finder, Live

COUNT = 2
RUN = """async ([data, keys, wasm, inputs]) => {
  const packed = keys.reduce((value, key) => value[key], await explore.load(data));
  const network = await explore.makeNetwork(packed, wasm);
  const run = each => Array.from(network.run(...each.map(values => new Float32Array(values))));
  return {wasm: network.wasm, outputs: inputs.map(run)};
}"""

MAKE = """async () => {
  const latent = explore.latentOf(3);
  let shown;
  await (await explore.makeMaker()).make([latent], (_, picture) => { shown = Array.from(picture.data); });
  return [{noise: Array.from(latent.noise), classes: Array.from(latent.classes)}, shown];
}"""


def run(page, wasm: bool, inputs: list[np.ndarray], data: str = 'live', keys: tuple[str, ...] = ()) -> np.ndarray:
    """The outputs of a network of the page, [N, length]."""
    each = [[array[i].ravel().tolist() for array in inputs] for i in range(len(inputs[0]))]
    found = page.evaluate(RUN, [data, list(keys), wasm, each])
    assert found['wasm'] == wasm
    return np.array(found['outputs'], np.float32)


@pytest.mark.parametrize(('kind', 'bits'), list(zip(KINDS, [8, 16, 8, 16])), ids=str)
def test_a_generator_of_each_kind(browser, tmp_path, kind, bits):
    made = RandomGenerator(**kind)
    network = tracing.network(made.weights, made.hparams.architecture)
    live = Live(
        8,
        made.hparams.image_size,
        made.hparams.channels,
        network=network,
        bits=bits,
        labels=['x'] * made.hparams.classes,
        shares=np.ones(1 + made.hparams.classes),
    )
    builder.write_page(str(tmp_path), Page('A generator', [], None, live=live))
    inputs = made.inputs(COUNT)[: len(network.inputs)]
    expected = operations.run(network_packing.rounded(network, bits), *inputs).reshape(COUNT, -1)
    tab = Tab(browser, f'file://{tmp_path}')
    page = tab.open()
    for wasm in (True, False):
        np.testing.assert_allclose(run(page, wasm, inputs), expected, atol=2e-5)
    latent, shown = page.evaluate(MAKE)
    one = [np.array([latent[name]], np.float32) for name in ('noise', 'classes')][: len(network.inputs)]
    (picture,) = operations.pixels(operations.run(network_packing.rounded(network, bits), *one))
    in_colour = np.broadcast_to(picture, (*picture.shape[:2], 3)).astype(np.int16)  # Grey is shown three times.
    assert np.abs(np.array(shown).reshape(*picture.shape[:2], 4)[..., :3] - in_colour).max() <= 1
    tab.close()


@pytest.mark.parametrize('bits', network_packing.PRECISIONS)
def test_squeezenet_and_a_finder_with_fewer_numbers_and_images(browser, tmp_path, bits):
    """Images 0, 3, 6 ... are there, by 64 numbers each."""
    extractor, numbers = SqueezeNet(), range(0, 60, 3)
    network = network_packing.rounded(extractor.network(), bits)
    pictures = smooth_images(COUNT, squeezenet.SIDE, seed=4)
    blue_first = (pictures[..., ::-1] - np.array(squeezenet.MEAN_BGR)).astype(np.float32)
    features = operations.run(network, blue_first)
    centre = features.mean(axis=0)
    embedded = (features - centre) / np.linalg.norm(features - centre, axis=1, keepdims=True)
    axes = np.linalg.qr(np.concatenate([embedded.T, np.random.default_rng(0).normal(size=(512, 61))], axis=1))[0].T
    images = unit(len(numbers), 0, len(axes))
    images[7] = (embedded @ axes.T)[1]
    finder = Finder(extractor.network(), squeezenet.MEAN_BGR, centre, axes, images, numbers, images[:5], bits=bits)
    page_ = make_page(count=60)
    page_ = dataclasses.replace(
        page_, dataset=dataclasses.replace(page_.dataset, images=Pictures(smooth_images(60, 16)))
    )
    live = Live(8, squeezenet.SIDE, 3, finder=finder)
    builder.write_page(str(tmp_path), dataclasses.replace(page_, live=live))
    tab = Tab(browser, f'file://{tmp_path}')
    page = tab.open()
    for wasm in (True, False):
        found = run(page, wasm, [blue_first], 'finder', ('network',))
        np.testing.assert_allclose(found, features, rtol=1e-4, atol=1e-3)
    found = page.evaluate(
        """async ([rgb, side]) => {
          const picture = new ImageData(side, side);
          for (let i = 0; i < side * side; i += 1) picture.data.set([...rgb.slice(3 * i, 3 * i + 3), 255], 4 * i);
          return explore.find(picture, 2);
        }""",
        [pictures[1].ravel().tolist(), squeezenet.SIDE],
    )
    assert found['images'][0] == {'index': 21, 'cosine': pytest.approx(1, abs=0.01)}
    assert found['images'][1]['cosine'] < 0.7 and len(found['samples']) == 2
    tab.close()
