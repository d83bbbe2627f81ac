"""Programs that load an export, for the model card; a test runs them."""

from __future__ import annotations

import json
import shlex

from trainer.exports import freezing
from trainer.exports.facts import Facts
from trainer.generator import signatures

_COUNT = 4


def saved_model(facts: Facts, path: str) -> str:
    """Python that writes PNG files with TensorFlow, for the SavedModel in `path`."""
    labelled = signatures.LABELLED_PNG if facts.classes else signatures.PNG
    label = ', label=tf.constant(0)' if facts.classes else ''
    return f"""
import pathlib

import tensorflow as tf

model = tf.saved_model.load({path!r})
pngs = model.signatures[{labelled!r}](seed=tf.constant(0), count=tf.constant({_COUNT}){label})[{signatures.PNGS!r}]
for seed, png in enumerate(pngs.numpy()):
    pathlib.Path(f'seed_{{seed}}.png').write_bytes(png)
"""


def request(facts: Facts) -> str:
    """The body of a request to TensorFlow Serving: JSON."""
    label = {'label': 0} if facts.classes else {}
    name = signatures.LABELLED_PNG if facts.classes else signatures.PNG
    instances = [{'seed': seed, 'count': 1, **label} for seed in range(_COUNT)]
    return json.dumps({'signature_name': name, 'instances': instances})


def serving(facts: Facts, path: str) -> str:
    """Shell that starts TensorFlow Serving and asks it for PNG files in base64, for the SavedModel in `path`."""
    fetch, mounted = '', path
    if '://' in path:
        fetch, mounted = f'gcloud storage cp --recursive {shlex.quote(path)} .\n', path.rstrip('/').rpartition('/')[-1]
    mount = shlex.quote(f'{mounted}:/models/generator/1')
    mount = mount if mounted.startswith('/') else f'"$PWD"/{mount}'
    return f"""
{fetch}docker run --rm --publish=8501:8501 --env=MODEL_NAME=generator --volume={mount} tensorflow/serving
curl --data {shlex.quote(request(facts))} http://localhost:8501/v1/models/generator:predict
"""


def onnx(facts: Facts, name: str) -> str:
    """Python that makes pictures with onnxruntime, from the file `name`."""
    return f"""
import numpy as np
import onnxruntime

{_noise(facts)}
session = onnxruntime.InferenceSession({name!r})
(images,) = session.run(None, {_feed(facts)})  # uint8 {_shape(facts)}
"""


def tflite(facts: Facts, name: str) -> str:
    """Python that makes pictures with TensorFlow Lite, from the file `name`."""
    arguments = ', '.join(f'{key}={key}' for key in _inputs(facts))
    return f"""
import numpy as np
import tensorflow as tf

{_noise(facts)}
run = tf.lite.Interpreter(model_path={name!r}).get_signature_runner()
images = run({arguments})['{freezing.IMAGES}']  # uint8 {_shape(facts)}
"""


def browser(facts: Facts, name: str) -> str:
    """JavaScript that makes pictures with onnxruntime-web, from the file `name`."""
    count = len(facts.classes.names) if facts.classes else 0
    classes = (
        f'const classes = new ort.Tensor("float32", new Float32Array({count}), [1, {count}]);\n'
        f'classes.data[0] = 1; // The first label.\n' if count else ''
    )  # fmt: skip
    return f"""
import * as ort from "onnxruntime-web";

const normal = () => Math.sqrt(-2 * Math.log(1 - Math.random())) * Math.cos(2 * Math.PI * Math.random());
const length = {facts.noise_dim};
const noise = new ort.Tensor("float32", Float32Array.from({{ length }}, normal), [1, length]);
{classes}const session = await ort.InferenceSession.create({json.dumps(name)});
const {{ images }} = await session.run({{ {', '.join(_inputs(facts))} }}); // images.data: Uint8Array, row by row.
"""


def _inputs(facts: Facts) -> list[str]:
    return [freezing.NOISE, *([freezing.CLASSES] if facts.classes else [])]


def _noise(facts: Facts) -> str:
    noise = f'noise = np.random.default_rng(0).standard_normal(({_COUNT}, {facts.noise_dim}), np.float32)'
    if not facts.classes:
        return noise
    return (
        f'{noise}\nclasses = np.eye({len(facts.classes.names)}, dtype=np.float32)[[0] * {_COUNT}]  # The first label.'
    )


def _feed(facts: Facts) -> str:
    return f'{{{", ".join(f"{key!r}: {key}" for key in _inputs(facts))}}}'


def _shape(facts: Facts) -> str:
    return f'[{_COUNT}, {facts.image_size}, {facts.image_size}, {facts.channels}]'
