"""The program of a training step, as it passes from TensorFlow, which lowers it, to JAX, which runs it."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Array:
    """An input of a step, or a variable of the model: its name there or in a checkpoint, its shape and its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Program:
    """One replica's training step.

    Its parameters are the inputs and then the variables; its results the scalars and then the variables' new values.

    Attributes:
      hlo: serialised HloModuleProto.
      text: the same as text.
      replicas: how many take the step together.
      inputs: what one replica gets for a step: images uint8 [B, H, W, C] and, with classes, labels int32 [B].
      variables: in the order of the parameters.
      results: for each variable, the number of the result that is its new value.
      scalars: names of the float32 scalars of the step.
    """

    hlo: bytes
    text: str
    replicas: int
    inputs: tuple[Array, ...]
    variables: tuple[Array, ...]
    results: tuple[int, ...]
    scalars: tuple[str, ...]

    @property
    def image_bytes(self) -> int:
        """Bytes of the images of one step, of all replicas."""
        return self.replicas * math.prod(self.inputs[0].shape)

    @property
    def result_types(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and dtype of each result."""
        types: list = [((), 'float32')] * (len(self.scalars) + len(self.variables))
        for number, variable in zip(self.results, self.variables):
            types[number] = variable.shape, variable.dtype
        return types
