"""ONNX and TensorFlow Lite make the pictures of the SavedModel, of every kind of network and any number at once."""

from __future__ import annotations

import importlib.util
import json
import sys

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import SHIPPED, tiny_hparams
from tests.exports import trained
from tests.exports.trained import HAS_ONNX, NAMES, needs_onnx
from trainer import errors
from trainer.dcgan.hparams import HParams
from trainer.exports import conversion, onnx_file, tflite_file
from trainer.generator import saved_model, weights
from trainer.generator.sampler import ExportedGenerator
from trainer.options import ONNX, TFLITE

NETWORKS = {name: SHIPPED[name] for name in ('generator_norm', 'generator_output')}
_FORMATS = (ONNX, TFLITE) if HAS_ONNX else (TFLITE,)


def exported(folder, hparams: HParams, seed: int = 0) -> ExportedGenerator:
    """A generator with random weights, so large that its pictures have all grey levels."""
    random = np.random.default_rng(seed)
    with tf.Graph().as_default(), v1.Session() as session:
        weights.generator(tf.zeros([1, hparams.noise_dim]), tf.zeros([1, 0]), hparams)
        session.run(v1.global_variables_initializer())
        for variable in v1.trainable_variables():
            variable.load(random.normal(0, 0.3, variable.shape).astype(np.float32), session)
        checkpoint = v1.train.Saver().save(session, f'{folder}/model.ckpt', 1, write_meta_graph=False)
    saved_model.export(hparams, checkpoint, f'{folder}/saved_model')
    return ExportedGenerator(f'{folder}/saved_model')


@pytest.mark.parametrize(
    'networks',
    [
        {'image_size': 64, 'channels': 1, 'kernel_size': 5},
        {'image_size': 128, 'kernel_size': 4, 'generator_upsampling': 'filtered', **NETWORKS},
    ],
    ids=lambda networks: f'{networks["image_size"]} px',
)
def test_their_pictures_are_those_of_the_saved_model(networks, tmp_path):
    hparams = tiny_hparams(ema_half_life_kimg=0.0, **networks)
    generator = exported(tmp_path, hparams)
    latents = generator.latents(range(100, 116))
    expected = generator.images(latents)
    assert expected.std() > 20
    for found in conversion.convert(generator, f'{tmp_path}/saved_model', _FORMATS):
        _, run = conversion.CONVERTERS[found.format]
        other = run(found.content, generator)
        assert np.abs(other.images(latents).astype(int) - expected).max() <= 1
        alone = np.concatenate([other._run(latents[:1]), other._run(latents[1:4])])  # Any number at once.
        assert np.abs(alone.astype(int) - expected[:4]).max() <= 1
        assert found.difference <= 1 and found.ms > 0 and found.size == len(found.content)


def test_float16_halves_the_files_and_says_what_it_costs(tmp_path, monkeypatch):
    generator = exported(tmp_path, tiny_hparams(ema_half_life_kimg=0.0, base_filters=24))
    sizes = {}
    for float16 in (False, True):
        for found in conversion.convert(generator, f'{tmp_path}/saved_model', _FORMATS, float16):
            sizes.setdefault(found.format, []).append(found.size)
            assert found.float16 == float16 and ('float16' in found.summary) == float16
            assert found.difference <= (8 if float16 else 1)
    for full, half in sizes.values():
        assert half < 0.56 * full
    # A limit that even float32 breaks: rounding of float16 is only reported.
    monkeypatch.setattr(conversion, '_MOST_DIFFERENCE', -1)
    assert conversion.convert(generator, f'{tmp_path}/saved_model', (TFLITE,), float16=True)
    with pytest.raises(errors.UserError, match='makes other pictures than the SavedModel, by up to [01] grey levels'):
        conversion.convert(generator, f'{tmp_path}/saved_model', (TFLITE,))


@needs_onnx
def test_an_onnx_file_tells_what_it_takes(tmp_path_factory):
    import onnx

    content = (trained.model_dir(tmp_path_factory) / 'export' / 'generator.onnx').read_bytes()
    model = onnx.load_from_string(content)
    values = [*model.graph.input, *model.graph.output]
    shapes = {
        value.name: [dim.dim_param or dim.dim_value for dim in value.type.tensor_type.shape.dim] for value in values
    }
    assert shapes == {'noise': ['N', 8], 'classes': ['N', 3], 'images': ['N', 32, 32, 3]}
    assert [value.type.tensor_type.elem_type for value in values] == [1, 1, 2]  # float, float, uint8.
    (labels,) = (entry.value for entry in model.metadata_props if entry.key == 'labels')
    assert json.loads(labels) == list(NAMES)
    assert [opset.version for opset in model.opset_import if not opset.domain] == [15]


def test_missing_packages_are_one_line(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, 'find_spec', lambda name: None if name == 'tf2onnx' else find(name))
    monkeypatch.setattr(sys, 'version_info', (3, 11, 7))
    missing = 'tf2onnx' if HAS_ONNX else 'tf2onnx, .*'
    message = rf"--format=onnx,tflite needs {missing}: run pip install 'tpu-dcgan\[export\]', or leave"
    with pytest.raises(errors.UserError, match=message):
        conversion.check_installed('--format', (ONNX, TFLITE))
    monkeypatch.setattr(sys, 'version_info', (3, 9, 1))
    with pytest.raises(errors.UserError, match='on Python 3.9 no onnx fits beside TensorFlow 2.15: use Python 3.10 or'):
        conversion.check_installed('--format', (ONNX,))
    conversion.check_installed('--format', (TFLITE,))


def test_a_converter_that_fails_is_one_line(tmp_path):
    generator = exported(tmp_path, tiny_hparams(ema_half_life_kimg=0.0))
    with pytest.raises(errors.UserError, match=r'generator\.tflite cannot be made \(ValueError: .*\): leave its'):
        tflite_file.TfliteGenerator(b'no model', generator)
    if HAS_ONNX:
        with pytest.raises(errors.UserError, match=r'generator\.onnx cannot be made \(.*\): leave its format out'):
            onnx_file.OnnxGenerator(b'no model', generator)
