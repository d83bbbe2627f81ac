"""The generator of a SavedModel as one function without variables, which the converters take."""

from __future__ import annotations

import dataclasses

import numpy as np
import tensorflow as tf
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2
from tensorflow.types.experimental import ConcreteFunction

from trainer.generator.sampler import ExportedGenerator, Generator

NOISE, CLASSES, IMAGES = 'noise', 'classes', 'images'  # Inputs and output of every file.


@dataclasses.dataclass(frozen=True)
class Frozen:
    """The generator as a function of constants.

    A seed is none of its inputs, because its noise comes from TensorFlow's random numbers, which other runtimes lack.

    Attributes:
      function: noise, float32 [N, noise_dim], and for a generator with K classes also classes, float32 [N, K] ->
        images, uint8 [N, H, W, C].
      inputs: the names of its inputs, in the order of a latent vector, and the length of a row of each.
    """

    function: ConcreteFunction
    inputs: dict[str, int]

    @property
    def tensors(self) -> dict[str, str]:
        """The names of its inputs and of its output, by the names of their tensors."""
        found = {tensor.name: tensor.name.partition(':')[0] for tensor in self.function.inputs}
        return {**found, self.function.outputs[0].name: IMAGES}

    def __call__(self, **inputs: tf.Tensor) -> dict[str, tf.Tensor]:
        """Runs it."""
        (images,) = self.function(*(inputs[self.tensors[tensor.name]] for tensor in self.function.inputs))
        return {IMAGES: images}


def frozen(exported: ExportedGenerator) -> Frozen:
    """Freezes the generator of a SavedModel."""
    return Frozen(convert_variables_to_constants_v2(exported.signature), inputs_of(exported))


def inputs_of(generator: Generator) -> dict[str, int]:
    """The inputs of a file; see `Frozen`."""
    classes = {CLASSES: len(generator.classes.names)} if generator.classes else {}
    return {NOISE: generator.noise_dim, **classes}


def fed(latents: np.ndarray, inputs: dict[str, int]) -> dict[str, np.ndarray]:
    """Splits latent vectors [N, noise_dim + K] into the inputs."""
    parts = np.split(latents, np.cumsum(list(inputs.values()))[:-1], axis=1)
    return dict(zip(inputs, parts))
