"""The generator as an ONNX file, for onnxruntime and for browsers.

The packages for it are the extra `export`; they are imported when they are needed.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from typing import Any

import numpy as np

from trainer import errors
from trainer.exports import quiet
from trainer.exports.freezing import IMAGES, fed, frozen, inputs_of
from trainer.generator.sampler import ExportedGenerator, Generator

NAME = 'generator.onnx'
INSTALL = "pip install 'tpu-dcgan[export]'"
_PACKAGES = ('tf2onnx', 'onnx', 'onnxruntime')
_OLDEST_PYTHON = (3, 10)
_OPSET = 15  # Every onnxruntime since 1.10 of 2021 has it, and those of browsers.
_BATCH = 'N'


def check_installed(flag: str) -> None:
    """Checks that the packages are there, without importing them.

    Args:
      flag: as it was given, such as '--format=onnx'.

    Raises:
      errors.UserError: one is missing.
    """
    missing = [name for name in _PACKAGES if not importlib.util.find_spec(name)]
    if not missing:
        return
    if sys.version_info < _OLDEST_PYTHON:
        raise errors.UserError(
            f'{flag}: on Python 3.9 no onnx fits beside TensorFlow 2.15: use Python 3.10 or 3.11, or leave onnx out'
        )
    raise errors.UserError(f'{flag} needs {", ".join(missing)}: run {INSTALL}, or leave onnx out')


def convert(exported: ExportedGenerator, float16: bool = False) -> bytes:
    """The file's bytes.

    Inputs and output are those of `freezing.Frozen`, by name. The file's metadata have the names of the classes as a
    JSON list, `labels`.

    Args:
      exported: the generator.
      float16: keep the weights in float16; the arithmetic stays float32, so every runtime computes it.

    Raises:
      errors.UserError: it cannot be converted.
    """
    with quiet.converting(NAME):
        import onnx
        import tf2onnx

        made = frozen(exported)
        model, _ = tf2onnx.convert.from_graph_def(
            made.function.graph.as_graph_def(),
            input_names=[name for wanted in made.inputs for name, called in made.tensors.items() if called == wanted],
            output_names=[name for name, called in made.tensors.items() if called == IMAGES],
            opset=_OPSET,
        )
        _rename(model, made.tensors)
        model = onnx.shape_inference.infer_shapes(model)
        if float16:
            _halve(model)
        model.graph.name = 'generator'
        labels = json.dumps(exported.classes.names) if exported.classes else '[]'
        onnx.helper.set_model_props(model, {'labels': labels})
        onnx.checker.check_model(model)
        return model.SerializeToString()


class OnnxGenerator(Generator):
    """The generator in an ONNX file, run by onnxruntime on one thread."""

    def __init__(self, content: bytes, exported: ExportedGenerator):
        """Loads the file's bytes; `exported` is the generator that it was made from."""
        self.noise_dim, self.classes = exported.noise_dim, exported.classes
        with quiet.converting(NAME):
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = options.inter_op_num_threads = 1
            self._session = onnxruntime.InferenceSession(content, options, providers=['CPUExecutionProvider'])
        self._inputs = inputs_of(exported)

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._session.run([IMAGES], fed(batch, self._inputs))[0]


def _rename(model: Any, new: dict[str, str]) -> None:
    """Gives inputs and outputs the names `new[old]`, and makes their first dimension free."""
    for node in model.graph.node:
        for names in (node.input, node.output):
            for i, name in enumerate(names):
                names[i] = new.get(name, name)
    for value in (*model.graph.input, *model.graph.output):
        value.name = new[value.name]
        value.type.tensor_type.shape.dim[0].dim_param = _BATCH
    del model.graph.value_info[:]  # They have the old names; the shapes are inferred again.


def _halve(model: Any) -> None:
    """Stores every matrix and kernel in float16, and casts it to float32 where it is used."""
    import onnx

    casts = []
    for weight in model.graph.initializer:
        if weight.data_type != onnx.TensorProto.FLOAT or len(weight.dims) < 2:
            continue
        name, values = weight.name, onnx.numpy_helper.to_array(weight)
        weight.CopyFrom(onnx.numpy_helper.from_array(values.astype(np.float16), f'{name}/float16'))
        casts.append(onnx.helper.make_node('Cast', [weight.name], [name], to=onnx.TensorProto.FLOAT))
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*casts, *nodes])
