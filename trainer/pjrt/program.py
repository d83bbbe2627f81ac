"""The program of a training step, as it passes from TensorFlow, which lowers it, to JAX, which runs it."""

from __future__ import annotations

import dataclasses
import math


@dataclasses.dataclass(frozen=True)
class Variable:
    """A variable of the model: its name in a checkpoint, its shape and its dtype."""

    name: str
    shape: tuple[int, ...]
    dtype: str


@dataclasses.dataclass(frozen=True)
class Program:
    """One replica's training step.

    Its parameters are the images and then the variables; its results the scalars and then the variables' new values.

    Attributes:
      hlo: serialised HloModuleProto.
      text: the same as text.
      replicas: how many take the step together.
      images: shape of the images of one replica, uint8 [B, H, W, C].
      variables: in the order of the parameters.
      results: for each variable, the number of the result that is its new value.
      scalars: names of the float32 scalars of the step.
    """

    hlo: bytes
    text: str
    replicas: int
    images: tuple[int, ...]
    variables: tuple[Variable, ...]
    results: tuple[int, ...]
    scalars: tuple[str, ...]

    @property
    def image_bytes(self) -> int:
        """Bytes of the images of one step, of all replicas."""
        return self.replicas * math.prod(self.images)

    @property
    def result_types(self) -> list[tuple[tuple[int, ...], str]]:
        """Shape and dtype of each result."""
        types: list = [((), 'float32')] * (len(self.scalars) + len(self.variables))
        for number, variable in zip(self.results, self.variables):
            types[number] = variable.shape, variable.dtype
        return types
