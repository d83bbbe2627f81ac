"""Runs the program of a step on PJRT devices, with the variables of each replica in their memory."""

from __future__ import annotations

import contextlib
import functools
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

    A visit is one call from TensorFlow, which takes several steps in a loop on the devices, as TPUEstimator's does: to
    pass hundreds of arrays for each step would take the host as long as small steps take a TPU. The batches of a visit
    come first, by `put`, from the thread of the input pipeline: they are on their way to the devices while the steps of
    the visits before are computed.

    Attributes:
      program: of one replica.
      steps: the most steps of a visit.
      moved: whether steps have been taken since `load`, or since `values`.
      failure: the exception that ended a visit. TensorFlow passes on only its text.
    """

    def __init__(self, program: Program, devices: Sequence[jax.Device], steps: int = 1):
        """Takes a program, as many devices as it has replicas, and the steps of a visit."""
        import jax
        from jax.sharding import Mesh, NamedSharding, PartitionSpec

        jax.config.update('jax_enable_x64', True)  # global_step is an int64.
        assert len(devices) == program.replicas
        self.program, self.steps = program, steps
        self._last_step = 0
        self.moved = False
        self.failure: Exception | None = None
        self._sharding = NamedSharding(Mesh(np.array(devices), AXIS), PartitionSpec(AXIS))
        self._jax = jax
        self._visit: Any = None
        self._state: list[jax.Array] = []
        self._batches: dict[int, list[jax.Array]] = {}
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
        if self._visit is not None:
            return
        began = time.monotonic()
        visit = visit_function(self.program, self._sharding)
        self._visit = visit.lower(*arguments(self.program, self._sharding, self.steps)).compile()
        logging.info(
            'compiled the step for %d x %s in %.1f s',
            self.program.replicas,
            self._sharding.mesh.devices.flat[0].device_kind,
            time.monotonic() - began,
        )

    def put(self, *values: np.ndarray) -> np.int64:
        """Begins to send a batch of all replicas, an array for each input, to the devices; returns its number."""
        number = next(self._numbers)
        with self._noting_failure():
            self._batches[number] = [self._jax.device_put(value, self._sharding) for value in values]
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
        count, self.moved = len(batches), True
        unused = [batches[-1]] * (self.steps - count)
        with self._noting_failure():
            self._state, sums = self._visit(self._state, np.int32(count), [*batches, *unused])
            means = np.mean(self._jax.device_get(sums), axis=0) / np.float32(count)
        return [np.int64(count), *means]

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:
            self.failure = error
            raise


def arguments(program: Program, sharding: jax.sharding.NamedSharding, steps: int) -> tuple[list, Any, list]:
    """Shapes and dtypes of the arguments of `visit_function`, for visits of so many steps."""
    import jax

    replicas = program.replicas

    def array(dtype: str, *shape: int) -> Any:
        return jax.ShapeDtypeStruct(shape, dtype, sharding=sharding)

    variables = [array(variable.dtype, replicas, *variable.shape) for variable in program.variables]
    count = jax.ShapeDtypeStruct((), 'int32', sharding=jax.sharding.NamedSharding(sharding.mesh, _everywhere()))
    batch = [array(value.dtype, replicas * value.shape[0], *value.shape[1:]) for value in program.inputs]
    return variables, count, [batch] * steps


def visit_function(program: Program, sharding: jax.sharding.NamedSharding) -> Any:
    """The steps of a visit as a jitted function: (variables, count, batches) -> (variables, sums).

    Args:
      program: of one replica.
      sharding: how arrays are spread over the devices: by their first axis.

    Returns:
      A function that takes a list of arrays [replicas, ...], which it donates, the number of steps, int32 scalar, and
      at least as many batches, a list of arrays [replicas * B, ...] each. The sums of the scalars over the steps are
      float32 [replicas, scalars].
    """
    import jax
    import jax.numpy as jnp

    take = functools.partial(jax.lax.dynamic_index_in_dim, keepdims=False)
    run = private.as_function(private.to_stablehlo(program.hlo), program.result_types)
    scalars = len(program.scalars)

    def visit(variables: list, count: Any, batches: list) -> tuple[list, Any]:
        inputs = [jnp.stack(values) for values in zip(*batches)]

        def take_step(i: Any, before: tuple[list, Any]) -> tuple[list, Any]:
            results = run(*(take(values, i) for values in inputs), *before[0])
            return [results[number] for number in program.results], before[1] + jnp.stack(results[:scalars])

        begin = [variable[0] for variable in variables], jnp.zeros([scalars], jnp.float32)
        after, sums = jax.lax.fori_loop(jnp.int32(0), count, take_step, begin)
        return [variable[None] for variable in after], sums[None]

    spec = sharding.spec
    specs = spec, _everywhere(), spec
    mapped = jax.shard_map(visit, mesh=sharding.mesh, in_specs=specs, out_specs=spec, check_vma=False)
    return jax.jit(mapped, donate_argnums=0)


def _everywhere() -> jax.sharding.PartitionSpec:
    from jax.sharding import PartitionSpec

    return PartitionSpec()
