"""The graph that TPUEstimator builds for eight TPU cores, built here without one."""

from __future__ import annotations

import contextlib
from unittest import mock

import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.python.tpu import tpu_system_metadata

from tests.conftest import tiny_hparams
from trainer import dataset, experiment, inputs, manifest, model
from trainer.options import RunOptions

tpu = v1.estimator.tpu
CORES = 8


@contextlib.contextmanager
def eight_cores():
    """Answers the one question that TPUEstimator asks of the hardware."""
    metadata = tf.tpu.experimental.TPUSystemMetadata(CORES, 1, CORES, None, [])
    with mock.patch.object(tpu_system_metadata, '_query_tpu_system_metadata', lambda *_, **__: metadata):
        yield


def tpu_graph(dataset32: str, tmp_path, **changes) -> tuple[v1.GraphDef, int]:
    """The training graph, and how many trainable variables it has."""
    hparams = tiny_hparams(train_batch_size=16, **changes)
    source = dataset.verify(dataset.find(dataset32, manifest.TRAIN), 32, 3, 'auto', 'auto')
    machine = tpu.TPUConfig(100, CORES, per_host_input_for_training=tpu.InputPipelineConfig.PER_HOST_V2)
    config = tpu.RunConfig(master='grpc://10.0.0.1:8470', model_dir=str(tmp_path), tpu_config=machine)
    params = {'hparams': hparams}
    estimator = tpu.TPUEstimator(model.model_fn, config=config, use_tpu=True, train_batch_size=16, params=params)
    estimator._rendezvous['train'] = None  # What train() itself would have set.
    with eight_cores(), tf.Graph().as_default() as graph:
        v1.train.create_global_step()
        features = estimator._call_input_fn(inputs.train_input_fn(source, 24, 0, False), 'train')
        estimator._call_model_fn(features, None, 'train', estimator.config)
        return graph.as_graph_def(), len(v1.trainable_variables())


def count(graph: v1.GraphDef, op: str) -> int:
    nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
    return sum(node.op == op for node in nodes)


def test_gradients_of_every_variable_are_summed_over_the_cores(dataset32, tmp_path):
    """TensorFlow 2.15 accepts a model without it in silence, and eight replicas drift apart."""
    graph, variables = tpu_graph(dataset32, tmp_path)
    assert count(graph, 'CrossReplicaSum') == variables


def test_the_infeed_is_uint8_of_static_shape_and_noise_knows_its_replica(dataset32, tmp_path):
    graph, _ = tpu_graph(dataset32, tmp_path)
    (infeed,) = (n for f in graph.library.function for n in f.node_def if n.op == 'InfeedDequeueTuple')
    assert list(infeed.attr['dtypes'].list.type) == [tf.uint8.as_datatype_enum]
    (shape,) = infeed.attr['shapes'].list.shape
    assert [dim.size for dim in shape.dim] == [2, 32, 32, 3]
    assert count(graph, 'XlaReplicaId') >= 1
    assert count(graph, 'OutfeedEnqueueTuple') == 1


@pytest.mark.parametrize('dtype', ['float32', 'bfloat16'])
def test_no_operation_is_lost_on_a_tpu(dataset32, tmp_path, dtype):
    """Summaries and prints build without a word and then vanish, or fail at compilation."""
    graph, _ = tpu_graph(dataset32, tmp_path, compute_dtype=dtype)
    del graph.node[:]  # What runs on the host, where all of this is allowed; the TPU's part lies in functions.
    lost = ('ScalarSummary', 'ImageSummary', 'HistogramSummary', 'PrintV2', 'EagerPyFunc', 'PyFunc', 'CheckNumerics')
    assert [op for op in lost if count(graph, op)] == []


def test_the_estimator_of_a_run_is_made_for_a_cpu_unless_asked(tmp_path):
    estimator = experiment.make_estimator(tiny_hparams(), RunOptions(str(tmp_path)), experiment.TpuOptions(), 8)
    assert estimator.config.tpu_config.iterations_per_loop == 1
