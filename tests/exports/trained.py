"""A run with classes of nasty names, trained and exported in all formats, which tests only read."""

from __future__ import annotations

import importlib.util
import pathlib

import pytest

from tests.conftest import SHIPPED, write_dataset
from tests.once import made_once
from tests.run.test_experiment import run

HAS_ONNX = all(importlib.util.find_spec(name) for name in ('tf2onnx', 'onnx', 'onnxruntime'))
needs_onnx = pytest.mark.skipif(not HAS_ONNX, reason="tf2onnx, onnx and onnxruntime: pip install 'tpu-dcgan[export]'")
FORMATS = 'savedmodel,onnx,tflite' if HAS_ONNX else 'savedmodel,tflite'
NAMES = ('a | b', '<script>alert(1)</script>', '``` [x](javascript:y) ```\n# heading `')
# By the high rate the classes and the networks' weights are visible after two steps.
_NETWORKS = {name: SHIPPED[name] for name in ('generator_norm', 'generator_output')}
SHAPE = {
    **_NETWORKS, 'condition': 'labels', 'condition_after_kimg': 0.0, 'ema_half_life_kimg': 1.0, 'learning_rate': 0.1,
}  # fmt: skip


def model_dir(factory: pytest.TempPathFactory) -> pathlib.Path:
    def train(folder: pathlib.Path) -> None:
        data = write_dataset(folder / 'data', labels=NAMES)
        assert run(data, folder / 'run', SHAPE, eval_steps=2, sample_count=12, export_format=FORMATS) == 0

    return made_once(factory, 'exported_run', train) / 'run'
