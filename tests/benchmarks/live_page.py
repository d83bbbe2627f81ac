"""How long a page takes for a new picture, beside onnxruntime-web in the same browser; run by hand, needs Chromium.

    python -m tests.benchmarks.live_page --ort=FOLDER [--image_size=64] [--base_filters=32,64]

--ort names the unpacked npm package onnxruntime-web, such as that of version 1.30 (npm pack onnxruntime-web). Each
generator has random weights. It runs as the page runs it, in WebAssembly and in plain JavaScript, and as an ONNX file
that tf2onnx makes of the same graph, on one thread each. Also timed: the search for the training images nearest to a
picture, without the images.
"""

from __future__ import annotations

import argparse
import pathlib
import shutil
import statistics
import tempfile
from typing import Any

import numpy as np
import tensorflow.compat.v1 as v1
import tf2onnx
from playwright.sync_api import Page, sync_playwright

from tests.browser.conftest import find_chromium, serve
from tests.conftest import SHIPPED
from tests.random_generator import RandomGenerator
from trainer import operations
from trainer.features import squeezenet
from trainer.features.squeezenet import SqueezeNet
from trainer.generator import tracing
from trainer.page import builder, content, live_content, network_packing

_ORT = ('ort.wasm.min.js', 'ort-wasm-simd-threaded.mjs', 'ort-wasm-simd-threaded.wasm')
_TIMES = """
  const times = async (run, count) => {
    const found = [];
    for (let i = 0; i < count; i += 1) {
      const begun = performance.now();
      await run();
      found.push(performance.now() - begun);
    }
    return found.sort((a, b) => a - b);
  };
"""
_OURS = (
    """async ([data, path, wasm, count]) => {"""
    + _TIMES
    + """
  const packed = path.reduce((value, key) => value[key], await explore.load(data));
  const begun = performance.now();
  const network = await explore.makeNetwork(packed, wasm);
  const ready = performance.now() - begun;
  const size = packed.inputs[0].reduce((product, side) => product * side, 1);
  const input = Float32Array.from({length: size}, (_, i) => Math.sin(i));
  return {ready, times: await times(() => network.run(input), count)};
}"""
)
_THEIRS = (
    """async ([input, count]) => {"""
    + _TIMES
    + """
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmPaths = '/ort/';
  const begun = performance.now();
  const session = await ort.InferenceSession.create('/ort/model.onnx', {executionProviders: ['wasm']});
  const ready = performance.now() - begun;
  const noise = Float32Array.from({length: 100}, (_, i) => Math.sin(i));
  const feeds = {[input]: new ort.Tensor('float32', noise, [1, 100])};
  return {ready, times: await times(() => session.run(feeds), count)};
}"""
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--ort', type=pathlib.Path, required=True, metavar='FOLDER')
    parser.add_argument('--image_size', type=int, default=64)
    parser.add_argument('--base_filters', default='32,64')
    arguments = parser.parse_args()
    for base in map(int, arguments.base_filters.split(',')):
        with tempfile.TemporaryDirectory() as name, serve(pathlib.Path(name)) as address:
            changes: dict[str, Any] = {**SHIPPED, 'kernel_size': 4, 'noise_dim': 100}
            made = RandomGenerator(image_size=arguments.image_size, base_filters=base, **changes)
            folder = pathlib.Path(name)
            network = tracing.network(made.weights, made.hparams.architecture)
            _write(folder, network, arguments)
            shutil.copytree(arguments.ort / 'dist', folder / 'ort', ignore=_others)
            _to_onnx(made, folder / 'ort' / 'model.onnx')
            print(f'\n{arguments.image_size} px, --base_filters={base}: {network.size:,} weights')
            for bits in network_packing.PRECISIONS:
                noise, classes = made.inputs(16)
                rounded = operations.run(network_packing.rounded(network, bits), noise)
                apart = np.abs(operations.pixels(rounded).astype(int) - operations.pixels(made.images(noise, classes)))
                size = len(network_packing.packed(network, bits)['bytes']) / 1e6
                print(
                    f'{bits:4d} bits: {size:5.2f} MB, differs by {apart.mean():.3f} grey levels, {apart.max()} at most'
                )
            _measure(address)


def _write(folder: pathlib.Path, network: operations.Network, arguments: argparse.Namespace) -> None:
    extractor = SqueezeNet()
    vectors = np.eye(8, 512, dtype=np.float32)
    finder = live_content.Finder(
        extractor.network(), squeezenet.MEAN_BGR, np.zeros(512, np.float32), None, vectors, range(8), vectors
    )
    live = live_content.Live(100, arguments.image_size, 3, network=network, finder=finder)
    builder.write_page(str(folder), content.Page('A generator', [], None, live=live))


def _others(folder: str, names: list[str]) -> list[str]:
    return [name for name in names if name not in _ORT]


def _to_onnx(made: RandomGenerator, path: pathlib.Path) -> None:
    """The graph of the generator without classes, with its weights as constants."""
    graph, output, noise = made.session.graph, made.output, made.noise
    frozen = v1.graph_util.convert_variables_to_constants(made.session, graph.as_graph_def(), [output.op.name])
    tf2onnx.convert.from_graph_def(
        frozen, input_names=[noise.name], output_names=[output.name], opset=17, output_path=str(path)
    )


def _measure(address: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find_chromium(), args=['--no-sandbox'])
        page = browser.new_page()
        page.goto(f'{address}/index.html')
        page.wait_for_selector('html[data-ready]')
        for wasm in (True, False):
            name = 'WebAssembly' if wasm else 'JavaScript'
            _say(f'page, {name}', page, _OURS, ['live', [], wasm, 60])
            _say(f'page, {name}, features of a picture', page, _OURS, ['finder', ['network'], wasm, 20])
        page.add_script_tag(url=f'{address}/ort/{_ORT[0]}')
        _say(f'onnxruntime-web {page.evaluate("ort.env.versions.web")}', page, _THEIRS, ['noise:0', 60])
        browser.close()


def _say(name: str, page: Page, script: str, arguments: list) -> None:
    found = page.evaluate(script, arguments)
    times = found['times']
    print(f'  {name}: {times[0]:.1f} ms at best, median {statistics.median(times):.1f} ms', end='')
    print(f'; ready after {found["ready"]:.0f} ms')


if __name__ == '__main__':
    main()
