"""The names of JAX and TensorFlow that this package needs and that are not public, in one place.

Read in jax 0.6.2 and 0.7.1, and in TensorFlow 2.15.1. JAX has no public way to run a module that another program has
lowered with its arguments donated and sharded; its raw client's calls change with each release, while `jax.jit` of a
primitive with a lowering of its own has stayed the same: tests/benchmarks/pjrt_gpu.py runs it with 0.11.2.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Callable

from trainer import errors

if TYPE_CHECKING:
    import tensorflow.compat.v1 as v1

_READ_IN = 'jax 0.6.2 and 0.7.1'
_NAMES = {
    'jax._src.lib': ('_jax.mlir.xla_computation_to_mlir_module', 'xla_client.XlaComputation'),
    'jax._src.lib.mlir': ('ir.Module.parse', 'ir.FlatSymbolRefAttr.get'),
    'jax._src.lib.mlir.dialects': ('func.CallOp',),
    'jax._src.interpreters.mlir': ('merge_mlir_modules', 'register_lowering', 'aval_to_ir_type'),
    'jax.extend.core': ('Primitive',),
}


def check_names() -> None:
    """Raises errors.UserError if this JAX lacks a name that is used here."""
    for module, names in _NAMES.items():
        for name in names:
            _found(module, name)


def to_stablehlo(hlo: bytes) -> str:
    """A serialised HloModuleProto as the text of a StableHLO module, for a program that is partitioned by shard_map."""
    computation = _found('jax._src.lib', 'xla_client.XlaComputation')(hlo)
    module = _found('jax._src.lib', '_jax.mlir.xla_computation_to_mlir_module')(computation)
    text = module if isinstance(module, str) else module.decode()
    # TensorFlow copies each result, in a dialect that newer compilers do not take: a reshape to the same shape instead.
    text = re.sub(r'mhlo\.copy (%\w+) : (\S+)', r'stablehlo.reshape \1 : (\2) -> \2', text)
    # The number of a replica is, under shard_map, that of a partition.
    return text.replace('stablehlo.replica_id', 'stablehlo.partition_id')


def as_function(stablehlo: str, results: Sequence[tuple[tuple[int, ...], str]]) -> Callable[..., list[Any]]:
    """A function of JAX arrays that runs a module, of which `results` gives shape and dtype of each result."""
    import jax

    primitive = _found('jax.extend.core', 'Primitive')('dcgan_step')
    primitive.multiple_results = True
    primitive.def_abstract_eval(lambda *_: [jax.core.ShapedArray(shape, dtype) for shape, dtype in results])

    def lower(context: Any, *arguments: Any) -> Any:
        ir_module, symbol = (_found('jax._src.lib.mlir', f'ir.{n}') for n in ('Module.parse', 'FlatSymbolRefAttr.get'))
        merge = _found('jax._src.interpreters.mlir', 'merge_mlir_modules')
        outer = context.module_context
        name = merge(outer.module, 'dcgan_step', ir_module(stablehlo), dst_symtab=outer.symbol_table)
        call = _found('jax._src.lib.mlir.dialects', 'func.CallOp')
        return call(_ir_types(outer, context.avals_out), symbol(name), arguments).results

    _found('jax._src.interpreters.mlir', 'register_lowering')(primitive, lower)
    return primitive.bind


def _ir_types(module: Any, avals: Sequence[Any]) -> list[Any]:
    to_type = _found('jax._src.interpreters.mlir', 'aval_to_ir_type')
    if len(inspect.signature(to_type).parameters) > 1:  # Since 0.8.
        to_type = functools.partial(to_type, module)
    return [to_type(aval) for aval in avals]


def saver_of_visits(model_dir: str, save_steps: int, steps_a_visit: int) -> v1.train.CheckpointSaverHook:
    """A CheckpointSaverHook that knows how many steps a call takes; otherwise it would save a visit late.

    TPUEstimator tells its own in the same way, but only on a TPU.
    """
    import tensorflow.compat.v1 as v1

    saver = v1.train.CheckpointSaverHook(model_dir, save_steps=save_steps, save_graph_def=False)
    saver._set_steps_per_run(steps_a_visit)
    return saver


def _found(module: str, name: str) -> Any:
    import jax

    try:
        value = importlib.import_module(module)
        for part in name.split('.'):
            value = getattr(value, part)
    except (ImportError, AttributeError):
        raise errors.UserError(
            f'jax {jax.__version__} has no {module}.{name}, which was read in {_READ_IN}: install one of these, as '
            'docs/tpu.md says, or train with --runtime=estimator'
        ) from None
    return value
