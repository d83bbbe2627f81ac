"""The generator as a TensorFlow Lite file, for phones and small computers."""

from __future__ import annotations

from typing import Callable

import numpy as np
import tensorflow as tf

from trainer.exports import quiet
from trainer.exports.freezing import CLASSES, IMAGES, Frozen, fed, frozen, inputs_of
from trainer.generator.sampler import ExportedGenerator, Generator

NAME = 'generator.tflite'


def convert(exported: ExportedGenerator, float16: bool = False) -> bytes:
    """The file's bytes.

    Its one signature, `serving_default`, has the inputs and the output of `freezing.Frozen`, by name.

    Args:
      exported: the generator.
      float16: keep the weights in float16; the arithmetic stays float32.

    Raises:
      errors.UserError: it cannot be converted.
    """
    with quiet.converting(NAME):
        made = frozen(exported)
        module = tf.Module()
        specs = [tf.TensorSpec([None, length], tf.float32, name) for name, length in made.inputs.items()]
        module.generator = tf.function(_with_named_arguments(made), input_signature=specs)
        concrete = module.generator.get_concrete_function()
        converter = tf.lite.TFLiteConverter.from_concrete_functions([concrete], module)
        if float16:
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        return converter.convert()


class TfliteGenerator(Generator):
    """The generator in a TensorFlow Lite file, run on one thread."""

    def __init__(self, content: bytes, exported: ExportedGenerator):
        """Loads the file's bytes; `exported` is the generator that it was made from."""
        self.noise_dim, self.classes = exported.noise_dim, exported.classes
        self._inputs = inputs_of(exported)
        with quiet.converting(NAME):
            self._interpreter = tf.lite.Interpreter(model_content=content, num_threads=1)  # The runner needs it.
            self._runner = self._interpreter.get_signature_runner()
            self._run(np.zeros((1, sum(self._inputs.values())), np.float32))

    def _run(self, batch: np.ndarray) -> np.ndarray:
        return self._runner(**fed(batch, self._inputs))[IMAGES]


def _with_named_arguments(made: Frozen) -> Callable[..., dict[str, tf.Tensor]]:
    """The function with arguments that become names in the file."""

    def of_noise(noise: tf.Tensor) -> dict[str, tf.Tensor]:
        return made(noise=noise)

    def of_noise_and_classes(noise: tf.Tensor, classes: tf.Tensor) -> dict[str, tf.Tensor]:
        return made(noise=noise, classes=classes)

    return of_noise_and_classes if CLASSES in made.inputs else of_noise
