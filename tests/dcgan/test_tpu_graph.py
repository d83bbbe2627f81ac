"""The graphs that TPUEstimator builds for a v3-8 and for a Pod of 32 cores, built here without either."""

from __future__ import annotations

import re

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.framework import function_def_to_graph, kernels

from tests.conftest import write_dataset
from tests.dcgan.test_tpu_step import OPTIONS
from tests.fakes import tpu_program
from trainer.data import dataset, manifest
from trainer.dcgan import architecture, input_fn, optimization
from trainer.dcgan.hparams import HParams

BATCH = 1024
# Only a TPU has these, and XLA's registry on a machine without one does not list them.
TPU_ONLY = {'InfeedDequeueTuple', 'OutfeedEnqueueTuple', 'CrossReplicaSum', 'TPUReplicateMetadata'}
# Batch norm's scratch outputs, which only a GPU fills.
SCRATCH = {('FusedBatchNormV3', 5), ('FusedBatchNormGradV3', 3), ('FusedBatchNormGradV3', 4)}
_built: dict = {}


def noise_input_fn(params: dict) -> tf.data.Dataset:
    noise = tf.zeros([params['batch_size'], params['hparams'].noise_dim])
    return tf.data.Dataset.from_tensors({'noise': noise})


def program(mode: str, size: int, cores: int, options: str = 'default') -> tpu_program.TpuProgram:
    """The real networks, batch 1,024; built once, because several tests look at each."""
    key = mode, size, cores, options
    if key not in _built:
        made = noise_input_fn if mode == 'infer' else input_fn.null_input_fn
        hparams = HParams(image_size=size, channels=3, base_filters=64, train_batch_size=BATCH, **OPTIONS[options][0])
        _built[key] = tpu_program.build(hparams, mode, made, 'never_written', cores)
    return _built[key]


def shapes_of(node: v1.NodeDef) -> list[list[int]]:
    return [[dim.size for dim in shape.dim] for shape in node.attr['shapes'].list.shape]


def unsummed(found: tpu_program.TpuProgram) -> set[str]:
    """The trainable variables whose update does not come straight from a sum over the cores."""
    body = found.body()
    nodes = {node.name: node for node in body.node_def}
    arguments = dict(zip((arg.name for arg in body.signature.input_arg), found.loop().input))
    updates = [node for node in body.node_def if node.op == 'ResourceApplyAdam']
    gradients = {arguments[update.input[0]]: update.input[9].split(':')[0] for update in updates}
    assert set(gradients) == set(found.trainable)
    return {name for name, gradient in gradients.items() if nodes[gradient].op != 'CrossReplicaSum'}


GRAPHS = [(mode, 8, size, 'default') for mode in ('train', 'eval', 'infer') for size in architecture.IMAGE_SIZES]
# A Pod, whose cores have a smaller share of the batch and the same networks. It cannot predict (TPUEstimator says so),
# so samples are generated from checkpoints, on the host.
GRAPHS += [(mode, 32, 32, 'default') for mode in ('train', 'eval')]
GRAPHS += [('train', 8, 32, options) for options in OPTIONS if options != 'default']


@pytest.fixture(scope='module', params=GRAPHS, ids=str)
def graph(request) -> tuple[str, int, int, str, tpu_program.TpuProgram]:
    """Mode, cores, size, options, program. A fixture of the module: the tests of one program follow each other."""
    mode, cores, size, options = request.param
    return mode, cores, size, options, program(mode, size, cores, options)


def test_a_graph_is_fit_for_a_tpu(graph):
    mode, cores, size, options, found = graph
    share = BATCH // cores
    (metadata,) = found.nodes('TPUReplicateMetadata')
    assert metadata.attr['num_replicas'].i == cores

    (infeed,) = found.nodes('InfeedDequeueTuple')
    first = [share, 100] if mode == 'infer' else [share, size, size, 3]
    inputs = [(first, tf.float32 if mode == 'infer' else tf.uint8)]
    inputs += [([share], tf.int32)] if OPTIONS[options][0].get('classes') else []
    types = [tf.as_dtype(number) for number in infeed.attr['dtypes'].list.type]
    assert list(zip(shapes_of(infeed), types))[: len(inputs)] == inputs
    assert tf.int32 in types or not OPTIONS[options][0].get('classes')

    outfeeds = found.nodes('OutfeedDequeueTuple')
    assert len(outfeeds) == len(found.nodes('InfeedEnqueueTuple')) == cores
    sent = {'train': [[1]] * 5, 'eval': [[share, 1]] * 2, 'infer': [[share, size, size, 3]]}[mode]
    assert all(shapes_of(outfeed)[: len(sent)] == sent for outfeed in outfeeds)

    tf.function(lambda x: x + 1, jit_compile=True)(tf.ones([2]))  # XLA registers its kernels at the first use.
    assert {op for op in found.device_ops() if not has_xla_kernel(op)} <= TPU_ONLY
    if mode == 'train':
        assert unsummed(found) == set()


def has_xla_kernel(op: str) -> bool:
    return any('XLA' in kernel.device_type for kernel in kernels.get_registered_kernels_for_op(op).kernel)


@pytest.mark.parametrize('op', ['ScalarSummary', 'ImageSummary', 'PrintV2', 'EagerPyFunc', 'DecodeJpeg'])
def test_the_check_of_kernels_sees_what_a_tpu_has_not(op):
    """TPUEstimator silently builds a graph with any of these."""
    assert not has_xla_kernel(op)


def test_every_shape_on_the_tpu_is_static(graph):
    step = tpu_program.XlaStep(graph[-1])
    built = step.step.get_concrete_function().graph
    needed = [op for op in built.get_operations() if op.type.startswith(('Resource', 'Assign'))]
    needed += [tensor.op for tensor in built.outputs]
    for op in needed:  # Grows during this walk back along the data; XLA drops unused operations.
        needed.extend({tensor.op for tensor in op.inputs} - set(needed))
    assert len(needed) > 30
    outputs = [(op.type, i, tensor) for op in needed for i, tensor in enumerate(op.outputs)]
    used = [tensor for kind, i, tensor in outputs if (kind, i) not in SCRATCH]
    assert [tensor.name for tensor in used if not tensor.shape.is_fully_defined()] == []


@pytest.mark.parametrize('forgotten', ['generator', 'discriminator'])
def test_a_forgotten_sum_over_the_cores_is_seen(forgotten, monkeypatch):
    """TensorFlow 2.15 silently accepts the graph, and the eight replicas drift apart."""
    summed = optimization._summed
    monkeypatch.setattr(
        optimization,
        '_summed',
        lambda gradients, backend: (
            gradients if gradients[0][1].name.startswith(forgotten) else summed(gradients, backend)
        ),
    )
    hparams = HParams(image_size=32, channels=3, base_filters=4, train_batch_size=16)
    found = tpu_program.build(hparams, 'train', input_fn.null_input_fn, 'never_written')
    assert unsummed(found) == {name for name in found.trainable if name.startswith(f'{forgotten}/')}


def test_each_host_reads_other_records(tmp_path):
    """Takes the deployment that TPUEstimator itself gives four hosts, and checks the images that each reads."""
    data = write_dataset(tmp_path / 'data', train=96, holdout=0, shards=3)
    source = dataset.verify(dataset.find(data, manifest.TRAIN), 32, 3, 'auto', 'auto')
    contexts = []

    def noting_input_fn(params: dict) -> tf.data.Dataset:
        contexts.append(params['context'].current_input_fn_deployment()[1:3])
        return input_fn.train_input_fn(source, 24, 0, False)(params)

    hparams = HParams(image_size=32, channels=3, train_batch_size=64)
    tpu_program.build(hparams, 'train', noting_input_fn, 'never_written', 32)
    assert contexts == [(0, 4), (1, 4), (2, 4), (3, 4)]

    seen = []
    for host, hosts in contexts:
        params = {'hparams': hparams, 'batch_size': 8, 'context': Deployment(host, hosts)}
        images = next(iter(input_fn.train_input_fn(source, 24, 0, False)(params).unbatch().batch(24)))['images']
        seen.append({image.numpy().tobytes() for image in images})
    assert [len(images) for images in seen] == [24] * 4
    assert len(set.union(*seen)) == 96


class Deployment:
    """The part of TPUContext that an input_fn sees."""

    def __init__(self, host: int, hosts: int):
        self._deployment = '', host, hosts, 8

    def current_input_fn_deployment(self) -> tuple:
        return self._deployment


@pytest.mark.parametrize('size', architecture.IMAGE_SIZES)
def test_tensorflows_own_tpu_rewrite_accepts_the_graph(size):
    """TensorFlow's own part of the TPU compiler, which clusters the graph and splits it into compile and execute."""
    text = tf.mlir.experimental.convert_graph_def(program('train', size, 8).graph, pass_pipeline='')
    host = '/job:localhost/replica:0/task:0/device:'
    devices = ', '.join(f'"{host}{device}"' for device in ['CPU:0', 'TPU_SYSTEM:0', *(f'TPU:{i}' for i in range(8))])
    text = re.sub(r'module attributes {', f'module attributes {{tf.devices = [{devices}], ', text, count=1)
    rewritten = tf.mlir.experimental.run_pass_pipeline(text, 'tf-cluster-tpu-bridge-v1', False)
    assert 'tf._TPUCompileMlir' in rewritten
    assert 'tf.TPUExecute' in rewritten


def test_the_functions_of_a_body_can_be_read_back():
    """`XlaStep` and `unsummed` rely on reading TPUEstimator's graph this way."""
    found = program('train', 32, 8)
    graph, _ = function_def_to_graph.function_def_to_graph_def(found.body())
    assert {node.op for node in graph.node} >= {'ResourceApplyAdam', 'Conv2D', 'InfeedDequeueTuple'}
