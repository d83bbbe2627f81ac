"""Classes: how they are drawn, how they enter the networks, and that a run without them has none."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1

from tests.conftest import SHIPPED, tiny_hparams, write_shard
from tests.data.test_records import tpu_dcgan_record
from tests.dcgan.test_input_fn import drawn, numbered  # noqa: F401  A fixture.
from tests.dcgan.test_tpu_step import CONDITIONAL, batch
from trainer.data import dataset, manifest
from trainer.dcgan import conditioning, input_fn, model_fn, networks, order
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.reading import Labels

CLASSES = Classes(('a', 'b', 'c'), (16, 4, 1), 2)


def test_rare_classes_are_drawn_more_often_and_images_without_a_label_as_often_as_they_come():
    assert Classes.of(('a', 'b', 'c'), np.repeat([-1, 0, 1, 2], [2, 16, 4, 1])) == CLASSES
    np.testing.assert_allclose(CLASSES.shares, np.array([2, 16, 4, 1]) / 23)
    np.testing.assert_allclose(CLASSES.drawn_shares, [2 / 23, *(21 / 23 * np.array([4, 2, 1]) / 7)])
    np.testing.assert_allclose(CLASSES.weights, [1, 0.75, 1.5, 3], rtol=1e-6)
    assert Classes(('a', 'b'), (0, 5)).weights.tolist() == [0, 0, 1]


@pytest.mark.parametrize('wrong', [(('a',), (1, 2)), (('a', 'a'), (1, 2)), (('a', 'b'), (1, -1)), (('a', 'b'), (0, 0))])
def test_classes_that_no_data_have_are_refused(wrong):
    with pytest.raises(ValueError):
        Classes(*wrong)


def test_seeds_have_the_classes_in_their_shares():
    labels = conditioning.draw(tf.range(3000), CLASSES.shares).numpy()
    np.testing.assert_allclose(np.bincount(labels + 1) / 3000, CLASSES.shares, atol=0.02)
    np.testing.assert_array_equal(conditioning.draw(tf.constant([7, 2999]), CLASSES.shares), labels[[7, 2999]])
    assert conditioning.at_quantile(tf.constant([0.0, 1.0]), CLASSES.shares).numpy().tolist() == [-1, 2]
    assert conditioning.at_quantile(tf.constant([0.0, 1.0]), np.array([0.0, 0.5, 0.5])).numpy().tolist() == [0, 1]


def test_classes_are_blended_in():
    hparams = tiny_hparams(train_batch_size=10, **{**CONDITIONAL, 'condition_after_kimg': 0.1})
    found = [float(conditioning.strength(hparams, tf.constant(step, tf.int64))) for step in (0, 10, 15, 20, 100)]
    assert found == [0, 0, 0.5, 1, 1]
    assert float(conditioning.strength(tiny_hparams(**CONDITIONAL), tf.constant(0, tf.int64))) == 1


def test_a_weighted_order_has_each_image_as_often_as_its_weight_says():
    weights = np.array([0.5] * 4 + [2.0] * 2 + [1.0] * 2, np.float32)
    counts = [np.bincount(order.weighted(tf.constant(weights), 3, epoch), minlength=8) for epoch in range(200)]
    assert {tuple(count[4:].tolist()) for count in counts} == {(2, 2, 1, 1)}
    np.testing.assert_allclose(np.mean(counts, axis=0), weights, atol=0.1)
    first, second = (order.weighted(tf.constant(weights), 3, epoch).numpy().tolist() for epoch in (0, 1))
    assert first != second
    even = order.weighted(tf.ones([50]), 0, 1).numpy().tolist()
    assert sorted(even) == list(range(50)) != even


@pytest.fixture
def labels() -> Labels:
    """Of the 24 numbered images: the first 16 are of class 0, six of class 1, and two without a class."""
    of_images = np.array([0] * 16 + [1] * 6 + [-1] * 2, np.int32)
    return Labels(of_images, (8, 8, 8), Classes.of(('a', 'b'), of_images).weights)


@pytest.mark.parametrize('cache', [False, True])
def test_each_image_comes_with_its_own_label(numbered, labels, cache):  # noqa: F811
    params = {'hparams': tiny_hparams(**CONDITIONAL), 'batch_size': 8}
    made = input_fn.train_input_fn(numbered, 24, 0, cache, labels)(params)
    assert made.element_spec['labels'] == tf.TensorSpec([8], tf.int32)
    found = [
        (int(picture[0, 0, 0]), int(label))
        for group in made.take(30)
        for picture, label in zip(group['images'], group['labels'])
    ]
    assert all(labels.of_images[number] == label for number, label in found)
    shares = np.bincount([label + 1 for _, label in found]) / len(found)
    np.testing.assert_allclose(shares, Classes.of(('a', 'b'), labels.of_images).drawn_shares, atol=0.02)
    in_order = [group['labels'].numpy() for group in input_fn.eval_input_fn(numbered, labels)(params)]
    assert sorted(np.concatenate(in_order)) == sorted(labels.of_images)


def test_from_memory_a_resumed_conditional_run_sees_what_it_would_have_seen(numbered, labels, monkeypatch):  # noqa: F811
    made = input_fn.train_input_fn
    monkeypatch.setattr(input_fn, 'train_input_fn', lambda *arguments: made(*arguments, labels=labels))
    unbroken = drawn(numbered, 12, cache=True)
    assert drawn(numbered, 5, cache=True) + drawn(numbered, 7, start_step=5, cache=True) == unbroken


def test_labels_stay_with_their_images_on_each_host_and_in_many_shards(tmp_path):
    pictures = [np.full([32, 32, 3], number, np.uint8) for number in range(40)]
    for shard in range(20):
        write_shard(tmp_path / f'{shard:02}.tfrecord', [tpu_dcgan_record(p) for p in pictures[2 * shard :][:2]])
    source = dataset.verify(dataset.find(f'{tmp_path}/*.tfrecord', manifest.TRAIN), 32, 3, 'hwc', 'auto')
    labels = Labels(np.arange(40, dtype=np.int32) % 5 - 1, (2,) * 20, np.ones(5, np.float32))

    class Context:
        def current_input_fn_deployment(self):
            return '/cpu:0', 1, 2, 4

    for cache in (False, True):
        params = {'hparams': tiny_hparams(**CONDITIONAL), 'batch_size': 4, 'context': Context()}
        made = input_fn.train_input_fn(source, 20, 0, cache, labels)(params).take(10)
        pairs = [pair for group in made for pair in zip(group['images'][:, 0, 0, 0].numpy(), group['labels'].numpy())]
        assert {number % 5 - 1 for number, _ in pairs} == set(range(-1, 4))
        assert all(number % 5 - 1 == label for number, label in pairs)


def scopes(architecture_changes: dict) -> set[str]:
    with tf.Graph().as_default():
        shape = tiny_hparams(**architecture_changes).architecture
        classes = tf.zeros([2, 3]) if shape.classes else None
        pictures = networks.generator(tf.zeros([2, 8]), shape, classes=classes)
        networks.discriminator(pictures, shape, classes=classes)
        return {variable.op.name for variable in v1.global_variables()}


@pytest.mark.parametrize('norm', ['batch', 'self_modulated'])
def test_classes_only_add_variables(norm):
    """So that a checkpoint without classes has the names and shapes that it always had."""
    without, conditional = (scopes({**SHIPPED, 'generator_norm': norm, **more}) for more in ({}, CONDITIONAL))
    norms = ('norm1', 'norm2', 'norm3', 'refining_norm')
    added = {f'generator/{name}/class_{part}/kernel' for name in norms for part in ('scale', 'offset')}
    assert conditional - without == {*added, 'discriminator/projection/kernel'}
    assert without < conditional


def test_a_class_enters_both_networks_by_its_strength():
    """The pictures change only once the class's weights do; its part of a logit is linear in the strength."""
    shape, classes = tiny_hparams(**CONDITIONAL).architecture, tf.constant([[0.0, 0, 0], [0, 1, 0], [0, 0.5, 0]])
    with tf.Graph().as_default(), v1.Session() as session:
        z, rows = tf.ones([3, 8]), tf.constant(classes.numpy())
        pictures = networks.generator(z, shape, classes=rows)
        logits = networks.discriminator(tf.ones([3, 32, 32, 3]), shape, classes=rows)
        session.run(v1.global_variables_initializer())
        before = session.run(pictures)
        np.testing.assert_array_equal(before, np.repeat(before[:1], 3, axis=0))
        for variable in v1.trainable_variables():
            if '/class_' in variable.name:
                variable.load(np.full(variable.shape, 0.7, np.float32), session)
        none, whole, half = session.run(pictures)
        np.testing.assert_array_equal(none, before[0])
        assert np.abs(whole - none).max() > np.abs(half - none).max() > 0
        of_none, of_class, of_half = session.run(logits)[:, 0].tolist()
        assert of_half == pytest.approx((of_none + of_class) / 2, rel=1e-3)
        assert of_none != of_class


def test_a_network_with_classes_is_not_built_without_them_nor_another():
    for changes, classes in ((CONDITIONAL, None), ({}, tf.zeros([2, 3])), (CONDITIONAL, tf.zeros([2, 4]))):
        with tf.Graph().as_default(), pytest.raises(ValueError, match='classes must be'):
            networks.generator(tf.zeros([2, 8]), tiny_hparams(**changes).architecture, classes=classes)


def test_a_step_keeps_the_strength_for_the_pictures(tmp_path):
    hparams = tiny_hparams(train_batch_size=8, **{**CONDITIONAL, 'condition_after_kimg': 0.016})
    params = {'hparams': hparams, 'use_tpu': False, 'batch_size': 8, 'writer': {'logdir': str(tmp_path)}}
    with tf.Graph().as_default(), v1.Session() as session:
        v1.train.create_global_step()
        config = v1.estimator.tpu.RunConfig(model_dir=str(tmp_path))
        spec = model_fn.model_fn(batch(hparams), None, 'train', params, config)
        session.run(v1.global_variables_initializer())
        kept = []
        for _ in range(5):
            session.run(spec.train_op)
            kept.append(float(session.run(conditioning.kept_strength())))
    assert kept == [0, 0, 0, 0.5, 1]
