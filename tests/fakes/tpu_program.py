"""Builds and runs the programs that TPUEstimator makes for Cloud TPU, on a machine without a TPU.

TPUEstimator asks the hardware only how many cores and hosts there are. This module gives that answer, and TPUEstimator
builds exactly the graph that a TPU would get. The body of its training loop can then run through XLA on a CPU, after
the three operations that only a TPU has are replaced.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import Any
from unittest import mock

import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.framework import function_def_to_graph
from tensorflow.python.tpu import tpu_system_metadata

from trainer.dcgan.hparams import HParams
from trainer.dcgan.input_fn import InputFn
from trainer.machine import schedule
from trainer.machine.preparation import Machine
from trainer.options import RunOptions
from trainer.run.estimator import make_estimator

tpu = v1.estimator.tpu
CORES_PER_HOST = 8


@dataclasses.dataclass(frozen=True)
class TpuProgram:
    """One graph from TPUEstimator for `cores` TPU cores.

    Attributes:
      graph: what the host would send to the TPU system.
      cores: replicas.
      trainable: names of the trainable variables.
      variables: shape and dtype of each variable by name.
    """

    graph: v1.GraphDef
    cores: int
    trainable: tuple[str, ...]
    variables: dict[str, tf.TensorSpec]

    def nodes(self, op: str) -> list[v1.NodeDef]:
        """All nodes of one operation, on the host and on the TPU."""
        inside = [node for function in self.graph.library.function for node in function.node_def]
        return [node for node in [*self.graph.node, *inside] if node.op == op]

    def functions(self) -> dict[str, Any]:
        """The FunctionDefs of the graph by name."""
        return {function.signature.name: function for function in self.graph.library.function}

    def loop(self) -> v1.NodeDef:
        """The While loop that runs on the TPU: many steps without the host."""
        (loop,) = (node for node in self.graph.node if node.op == 'While' and '_tpu_replicate' in node.attr)
        return loop

    def body(self) -> Any:
        """The FunctionDef of one step."""
        return self.functions()[self.loop().attr['body'].func.name]

    def device_ops(self) -> set[str]:
        """The operations that are compiled for the TPU, including those in functions."""
        found = [node for node in self.graph.node if '_tpu_replicate' in node.attr]
        functions, seen = self.functions(), set()
        for node in found:  # The list grows during the loop: functions that functions call are appended.
            for name in _called(node) - seen:
                seen.add(name)
                found.extend(functions[name].node_def)
        return {node.op for node in found}


def build(hparams: HParams, mode: str, input_fn: InputFn, model_dir: str, cores: int = 8) -> TpuProgram:
    """Makes TPUEstimator build the graph of a mode, 'train', 'eval' or 'infer', for `cores` TPU cores."""
    with tpu_system(cores), tf.Graph().as_default() as graph:
        options = RunOptions(model_dir=model_dir)
        machine = Machine(_cluster(cores), cores, schedule.iterations_per_loop(0, options))
        estimator = make_estimator(hparams, options, machine, hparams.train_batch_size)
        estimator._rendezvous[mode] = None  # train() and its like would have set it.
        v1.train.create_global_step()
        features = estimator._call_input_fn(input_fn, mode)
        estimator._call_model_fn(features, None, mode, estimator.config)
        trainable = tuple(variable.op.name for variable in v1.trainable_variables())
        handles = {op.name: op for op in graph.get_operations() if op.type == 'VarHandleOp'}
        variables = {name: tf.TensorSpec(op.get_attr('shape'), op.get_attr('dtype')) for name, op in handles.items()}
        return TpuProgram(graph.as_graph_def(), cores, trainable, variables)


def _cluster(cores: int) -> tf.distribute.cluster_resolver.ClusterResolver:
    """A TPU VM, or a Pod that would be reached over the network; nothing is ever sent to it."""
    if cores <= CORES_PER_HOST:
        return tf.distribute.cluster_resolver.TPUClusterResolver('local')
    workers = [f'10.0.0.{host + 1}:8470' for host in range(cores // CORES_PER_HOST)]
    spec = v1.train.ClusterSpec({'worker': workers})
    return tf.distribute.cluster_resolver.SimpleClusterResolver(spec, master=f'grpc://{workers[0]}')


@contextlib.contextmanager
def tpu_system(cores: int) -> Iterator[None]:
    """Answers for the hardware: `cores` cores, eight per host."""
    hosts = -(-cores // CORES_PER_HOST)
    metadata = tf.tpu.experimental.TPUSystemMetadata(cores, hosts, cores // hosts, None, [])
    with mock.patch.object(tpu_system_metadata, '_query_tpu_system_metadata', lambda *_, **__: metadata):
        yield


class XlaStep:
    """One core's step, taken out of TPUEstimator's loop and compiled by XLA for this machine.

    The infeed becomes the arguments and the outfeed the results. The sum over cores becomes the value times the number
    of cores, which is the sum if all cores had the pixels and noise of this one.

    Attributes:
      variables: all variables of the graph by their names, zero until assigned.
      infeed: what the core takes from the host.
      step: (a tensor for each of `infeed`) -> the tensors that the core sends to the host.
    """

    def __init__(self, program: TpuProgram):
        body, _ = function_def_to_graph.function_def_to_graph_def(program.body())
        self._graph = _for_any_device(body, program.cores)
        used = {name.split(':')[0] for node in self._graph.node for name in node.input}
        self.variables: dict[str, tf.Variable] = {}
        self._arguments: dict[str, tf.Tensor] = {}
        for argument, source in zip(program.body().signature.input_arg, program.loop().input):
            if argument.type == tf.resource.as_datatype_enum:
                spec = program.variables[source]
                self.variables[source] = tf.Variable(tf.zeros(spec.shape, spec.dtype))
                self._arguments[argument.name] = self.variables[source].handle
            else:
                self._arguments[argument.name] = tf.zeros([], tf.as_dtype(argument.type))
        self._arguments = {name: value for name, value in self._arguments.items() if name in used}
        (infeed,) = (node for node in body.node if node.op == 'InfeedDequeueTuple')
        dtypes, shapes = infeed.attr['dtypes'].list.type, infeed.attr['shapes'].list.shape
        self.infeed = [tf.TensorSpec(shape, dtype) for shape, dtype in zip(shapes, dtypes)]
        self._infeed_name = infeed.name
        (outfeed,) = (node for node in body.node if node.op == 'OutfeedEnqueueTuple')
        self._outfeed = [name for name in outfeed.input if not name.startswith('^')]
        self.step = tf.function(self._step, self.infeed, jit_compile=True, autograph=False)

    def _step(self, *infeed: tf.Tensor) -> list[tf.Tensor]:
        named = {f'{self._infeed_name}:{i}': tensor for i, tensor in enumerate(infeed)}
        used = {name for node in self._graph.node for name in node.input}
        inputs = {name: v1.get_default_graph().capture(value) for name, value in self._arguments.items()}
        inputs.update({name: tensor for name, tensor in named.items() if name in used})
        computed = [name for name in self._outfeed if name not in named]  # Predictions pass through their stop signal.
        results = tf.import_graph_def(self._graph, inputs, return_elements=computed, name='')
        named.update(zip(computed, results))
        return [named[name] for name in self._outfeed]


def _for_any_device(body: v1.GraphDef, cores: int) -> v1.GraphDef:
    """The body without its external inputs and the operations that only a TPU has."""
    result = v1.GraphDef()
    outside = {
        node.name for node in body.node if node.op in ('Placeholder', 'InfeedDequeueTuple', 'OutfeedEnqueueTuple')
    }
    for node in body.node:
        if node.name in outside:
            continue
        copy = result.node.add()
        copy.CopyFrom(node)
        copy.device = ''
        copy.attr.pop('_tpu_replicate', None)
        copy.attr.pop('_class', None)  # Names an operation to be placed with, which may be removed.
        del copy.input[:]
        copy.input.extend(name for name in node.input if name.lstrip('^') not in outside)
        if node.op == 'XlaReplicaId':
            copy.CopyFrom(_constant(node.name, tf.make_tensor_proto(0)))
        if node.op == 'CrossReplicaSum':
            number = _constant(f'{node.name}/cores', tf.make_tensor_proto(float(cores)))
            result.node.add().CopyFrom(number)
            copy.op = 'Mul'
            copy.input[1] = number.name
    return result


def _constant(name: str, value: Any) -> v1.NodeDef:
    attr = {'dtype': v1.AttrValue(type=value.dtype), 'value': v1.AttrValue(tensor=value)}
    return v1.NodeDef(name=name, op='Const', attr=attr)


def _called(node: v1.NodeDef) -> set[str]:
    names = set()
    for attr in node.attr.values():
        names |= {attr.func.name} if attr.func.name else set()
        names |= {function.name for function in attr.list.func}
    return names
