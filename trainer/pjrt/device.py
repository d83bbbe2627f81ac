"""Runs the program of a step on PJRT devices, with the variables of each replica in their memory."""

from __future__ import annotations

import contextlib
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from absl import logging

from trainer.pjrt import private
from trainer.pjrt.program import Program

if TYPE_CHECKING:  # Imported where it is needed: the trainer works without JAX.
    import jax

AXIS = 'replicas'  # Over which arrays are sharded.


class Device:
    """The replicas of a step, one on each device, and their variables.

    The devices' memory holds each variable once for each replica: an array with a leading axis of replicas. Replicas
    have the same weights, because their gradients are summed; their moving averages of batch norm differ, and those of
    the first replica are the run's, as on a TPU of TPUEstimator.

    A visit is one call from TensorFlow, which takes several steps. Its batches come first, by `put`, from the thread of
    the input pipeline: they are on their way to the devices while the steps of the visits before are computed.

    Attributes:
      program: of one replica.
      moved: whether steps have been taken since `load`, or since `values`.
      failure: the exception that ended a visit. TensorFlow passes on only its text.
    """

    def __init__(self, program: Program, devices: Sequence[jax.Device]):
        """Takes a program and as many devices as it has replicas."""
        import jax
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        jax.config.update('jax_enable_x64', True)  # global_step is an int64.
        assert len(devices) == program.replicas
        self.program = program
        self._last_step = 0
        self.moved = False
        self.failure: Exception | None = None
        self._sharding = NamedSharding(Mesh(np.array(devices), AXIS), PartitionSpec(AXIS))
        self._jax = jax
        self._step: Any = None
        self._state: list[jax.Array] = []
        self._no_sums = jax.device_put(np.zeros([program.replicas, len(program.scalars)], np.float32), self._sharding)
        self._batches: dict[int, jax.Array] = {}
        self._numbers = itertools.count()

    def begin(self, last_step: int) -> None:
        """Begins a session, which takes no step beyond `last_step`; drops the images of the session before."""
        self._last_step = last_step
        self._batches.clear()

    def load(self, values: Mapping[str, np.ndarray]) -> None:
        """Sets the variables of all replicas."""
        self._state = []  # Else the devices would have to hold the old ones as well.
        shape = (self.program.replicas,)
        self._state = [
            self._jax.device_put(np.broadcast_to(values[v.name], shape + v.shape), self._sharding)
            for v in self.program.variables
        ]
        self.moved = False

    def values(self) -> dict[str, np.ndarray]:
        """The variables of the first replica, by name."""
        shards = [array.addressable_shards[0].data for array in self._state]
        self.moved = False
        return {v.name: value[0] for v, value in zip(self.program.variables, self._jax.device_get(shards))}

    def compile(self) -> None:
        """Compiles the program, or takes it from the cache, if that has not happened yet; logs the time."""
        if self._step is not None:
            return
        began = time.monotonic()
        lowered = step_function(self.program, self._sharding).lower(*arguments(self.program, self._sharding))
        self._step = lowered.compile()
        logging.info(
            'compiled the step for %d x %s in %.1f s',
            self.program.replicas,
            self._sharding.mesh.devices.flat[0].device_kind,
            time.monotonic() - began,
        )

    def put(self, images: np.ndarray) -> np.int64:
        """Begins to send a batch of all replicas, uint8 [B, H, W, C], to the devices; returns its number."""
        number = next(self._numbers)
        with self._noting_failure():
            self._batches[number] = self._jax.device_put(images, self._sharding)
        return np.int64(number)

    def visit(self, numbers: np.ndarray, step: int) -> list[np.generic]:
        """Takes a step on each batch of a visit, but none beyond the session's last step.

        Args:
          numbers: of the batches, from `put`, int64 [steps].
          step: the global step before the visit.

        Returns:
          The number of steps taken, int64, then the mean of each scalar over these steps and all replicas, float32.
        """
        batches = [self._batches.pop(number) for number in numbers.tolist()][: self._last_step - int(step)]
        sums, self.moved = self._no_sums, True
        with self._noting_failure():
            for batch in batches:  # Waits for nothing: the devices have a queue.
                self._state, sums = self._step(self._state, sums, batch)
            means = np.mean(self._jax.device_get(sums), axis=0) / np.float32(len(batches))
        return [np.int64(len(batches)), *means]

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failure = error
            raise


def arguments(program: Program, sharding: jax.sharding.NamedSharding) -> tuple[list, Any, Any]:
    """Shapes and dtypes of the arguments of `step_function`."""
    import jax

    replicas, (share, *image) = program.replicas, program.images

    def array(dtype: str, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    variables = [array(variable.dtype, replicas, *variable.shape) for variable in program.variables]
    return variables, array('float32', replicas, len(program.scalars)), array('uint8', replicas * share, *image)


def step_function(program: Program, sharding: jax.sharding.NamedSharding) -> Any:
    """The step of all replicas as a jitted function: (variables, sums, images) -> (variables, sums).

    Args:
      program: of one replica.
      sharding: how arrays are spread over the devices: by their first axis.

    Returns:
      A function that takes a list of arrays [replicas, ...], which it donates, the sums of scalars so far, float32
      [replicas, scalars], and images uint8 [replicas * B, H, W, C].
    """
    import jax
    import jax.numpy as jnp

    run = private.as_function(private.to_stablehlo(program.hlo), program.result_types)

    def take_step(variables: list, sums: Any, images: Any) -> tuple[list, Any]:
        results = run(images, *[variable[0] for variable in variables])
        scalars = jnp.stack(results[: len(program.scalars)])
        return [results[number][None] for number in program.results], sums + scalars

    mapped = jax.shard_map(
        take_step, mesh=sharding.mesh, in_specs=sharding.spec, out_specs=sharding.spec, check_vma=False
    )
    return jax.jit(mapped, donate_argnums=0)
