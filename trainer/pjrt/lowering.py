"""Lowers a training step of `model_fn` to one XLA program, with its variables as arguments and results.

TensorFlow needs no device for that, and nothing of the model is written twice: `model_fn.training_step` is built as it
is, for a backend whose sum over replicas is an operation that the ordinary wheel can lower.
"""

from __future__ import annotations

import re

import tensorflow as tf
import tensorflow.compat.v1 as v1

from trainer.dcgan import model_fn
from trainer.dcgan.backend import Backend, SumOverReplicas, replica_id
from trainer.dcgan.hparams import HParams
from trainer.pjrt.program import Array, Program

_ALIAS = re.compile(r'\{(\d+)\}: \((\d+), \{\}')  # {result}: (parameter, {}) in the first line of a module's text.


def lower(hparams: HParams, replicas: int, for_tpu: bool = False) -> Program:
    """Lowers the step of one of `replicas` replicas, which share the batch.

    Args:
      hparams: complete, with image size and channels.
      replicas: must divide the batch.
      for_tpu: whether convolutions take their form for a TPU.
    """
    share = hparams.train_batch_size // replicas
    inputs = {'images': tf.TensorSpec([share, hparams.image_size, hparams.image_size, hparams.channels], tf.uint8)}
    if hparams.classes:
        inputs['labels'] = tf.TensorSpec([share], tf.int32)
    specs = list(inputs.values())
    backend = Backend(replicas, _sum_over(replicas), replica_id, for_tpu, auto_dtype='bfloat16')
    names: list[str] = []

    def take_step(*values: tf.Tensor) -> list[tf.Tensor]:
        v1.train.get_or_create_global_step()
        step = model_fn.training_step(dict(zip(inputs, values)), {'hparams': hparams, 'backend': backend})
        names[:] = step.scalars
        with tf.control_dependencies([step.counted]):
            return [tf.identity(value) for value in step.scalars.values()]

    built = v1.wrap_function(take_step, specs)
    compiled = tf.function(lambda *values: built(*values), specs, jit_compile=True, autograph=False)
    lowered = compiled.experimental_get_compiler_ir(*(tf.zeros(spec.shape, spec.dtype) for spec in specs))
    text = lowered(stage='hlo')
    created = built.graph.get_collection(v1.GraphKeys.GLOBAL_VARIABLES)
    named = {id(variable.handle): variable for variable in created}
    variables = [named[id(handle)] for handle in compiled.get_concrete_function().captured_inputs]
    results = {int(parameter): int(result) for result, parameter in _ALIAS.findall(text.splitlines()[0])}
    return Program(
        hlo=lowered(stage='hlo_serialized'),
        text=text,
        replicas=replicas,
        inputs=tuple(Array(name, tuple(spec.shape), spec.dtype.name) for name, spec in inputs.items()),
        variables=tuple(Array(v.name.split(':')[0], tuple(v.shape), v.dtype.name) for v in variables),
        results=tuple(results[len(inputs) + number] for number in range(len(variables))),
        scalars=tuple(names),
    )


def _sum_over(replicas: int) -> SumOverReplicas:
    """A sum that lowers to XLA's all-reduce. The ordinary wheel has no kernel for a TPU's own CrossReplicaSum."""
    if replicas == 1:
        return lambda tensor: tensor
    return lambda tensor: tf.raw_ops.CollectiveReduceV2(
        input=tensor, group_size=replicas, group_key=1, instance_key=1, ordering_token=[], merge_op='Add', final_op='Id'
    )
