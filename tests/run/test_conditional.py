"""Runs with classes, whole: train, sample, evaluate, resume, export, generate."""

from __future__ import annotations

import json
import logging
import os
import pathlib
import shutil

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import open_image, tiny_hparams, write_dataset
from tests.run.test_experiment import run
from trainer import errors
from trainer.dcgan.conditioning import Classes
from trainer.generator import loading
from trainer.generator.sampler import ExportedGenerator
from trainer.model_dir import checkpoints
from trainer.run import classes

NAMES = ('ring', 'bar', 'dot')
# The first step is without classes; by the high rate, the second makes them visible.
LABELS = {'condition': 'labels', 'condition_after_kimg': 0.004, 'ema_half_life_kimg': 1.0, 'learning_rate': 0.1}


@pytest.fixture(scope='module')
def data(tmp_path_factory) -> str:
    return write_dataset(tmp_path_factory.mktemp('data') / 'labelled', labels=NAMES)


@pytest.fixture(scope='module')
def trained(data, tmp_path_factory) -> pathlib.Path:
    model_dir = tmp_path_factory.mktemp('trained') / 'run'
    assert run(data, model_dir, LABELS, eval_steps=2, sample_count=12) == 0
    return model_dir


def test_a_run_knows_its_classes_and_draws_a_row_of_each(trained):
    assert json.loads((trained / 'classes.json').read_text()) == {
        'names': list(NAMES), 'images': [8, 8, 8], 'unlabelled': 0,
    }  # fmt: skip
    assert json.loads((trained / 'hparams.json').read_text())['classes'] == 3
    grid = open_image(trained / 'samples' / 'step_000002.png')
    assert grid.height == 3 * 32
    assert grid.width > 4 * 32  # The names are at the left.
    assert np.asarray(grid)[:, : grid.width - 4 * 32].max() > 200
    (row,) = [line for line in (trained / 'metrics.csv').read_text().splitlines() if line.startswith('2,')]
    assert row.count(',') > 5


def test_a_run_goes_on_with_other_data_and_finds_its_classes_by_name(trained, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'absl')
    other = write_dataset(tmp_path / 'other', labels=('new', 'dot', 'bar'))
    model_dir = shutil.copytree(trained, tmp_path / 'run')
    assert run(other, model_dir, {**LABELS, 'condition_after_kimg': -1.0}, train_steps=3) == 0
    assert 'resuming' in caplog.text
    assert checkpoints.step_of(checkpoints.latest(str(model_dir))) == 3
    assert json.loads((model_dir / 'hparams.json').read_text())['condition_after_kimg'] == 0.004
    assert 'images with labels that are no class of the run (new) count as unlabelled' in caplog.text
    assert json.loads((model_dir / 'classes.json').read_text()) == {
        'names': list(NAMES), 'images': [0, 8, 8], 'unlabelled': 8,
    }  # fmt: skip


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'condition': 'none'}, '--condition=labels and cannot go on with none'),
        ({'condition': 'clusters'}, '--condition=labels and cannot go on with clusters'),
        ({'classes': 4}, '--classes=3 and cannot go on with 4'),
    ],
)
def test_a_changed_condition_is_refused(changes, message, trained, data):
    with pytest.raises(errors.UserError, match=message):
        run(data, trained, {**LABELS, **changes}, train_steps=4)


def test_the_exported_model_makes_pictures_of_a_label(trained):
    folder = str(trained / 'saved_model')
    signatures = tf.saved_model.load(folder).signatures
    assert set(signatures) == {'serving_default', 'seeds', 'png', 'labelled', 'labelled_png', 'classes', 'labels'}
    names = signatures['labels'](label=tf.constant([2, -1]))
    assert (names['name'].numpy().tolist(), names['count'].numpy().tolist()) == ([b'dot', b''], [8, 0])
    exported, restored = ExportedGenerator(folder), loading.load(str(trained), 'last').generator
    assert exported.classes == restored.classes
    of_each = restored.images(restored.latents([5] * 4, np.arange(-1, 3))).astype(int)
    assert all(np.abs(of_each[one] - of_each[other]).max() > 5 for one in range(4) for other in range(one))
    for label in (-1, 2):
        made = signatures['labelled'](seed=tf.constant(5), count=tf.constant(3), label=tf.constant(label))['images']
        pngs = signatures['labelled_png'](seed=tf.constant(5), count=tf.constant(3), label=tf.constant(label))
        decoded = [tf.io.decode_png(png).numpy() for png in pngs['image_bytes']]
        np.testing.assert_array_equal(np.stack(decoded), made.numpy())
        rows = {'seed': tf.constant([5, 6]), 'count': tf.constant([1, 1]), 'label': tf.constant([label, label])}
        np.testing.assert_array_equal(signatures['labelled_png'](**rows)['image_bytes'], pngs['image_bytes'][:2])
        latents = restored.latents([5, 6, 7], np.array([label] * 3))
        np.testing.assert_allclose(made.numpy().astype(int), restored.images(latents), atol=1)
        np.testing.assert_allclose(exported.images(latents).astype(int), restored.images(latents), atol=1)
    by_seed = signatures['seeds'](seed=tf.constant(5), count=tf.constant(3))['images'].numpy()
    np.testing.assert_allclose(by_seed.astype(int), restored.images(restored.latents([5, 6, 7])), atol=1)
    first = float(restored.latents([5])[0, 0])
    label = int(3 * 0.5 * (1 + tf.math.erf(first / 2**0.5)))
    of_noise = signatures['serving_default'](noise=tf.constant(restored.latents([5])[:, :-3]))['images'].numpy()
    np.testing.assert_allclose(of_noise.astype(int), restored.images(restored.latents([5], np.array([label]))), atol=1)


@pytest.mark.parametrize('content', [None, '{"names": ["a"], "images": [1]}', '{"names": ["a", "b"], "images": [1]}'])
def test_a_generator_without_the_file_of_its_classes_is_one_line(trained, tmp_path, content):
    model_dir = shutil.copytree(trained, tmp_path / 'run')
    os.remove(model_dir / 'classes.json')
    if content:
        (model_dir / 'classes.json').write_text(content)
    with pytest.raises(errors.UserError, match=r'classes\.json .*: restore it, or choose another --model_dir'):
        loading.load(str(model_dir))


def test_clusters_are_kept_and_new_images_find_theirs(data, tmp_path, caplog):
    caplog.set_level(logging.INFO, 'absl')
    clusters = {'condition': 'clusters', 'classes': 2, 'condition_after_kimg': 0.0}
    model_dir = tmp_path / 'run'
    assert run(data, model_dir, clusters, train_steps=1) == 0
    assert '--condition=clusters: 2 classes: cluster 0' in caplog.text
    assert '2 of 2 classes have fewer than 100 images, the fewest cluster 0' in caplog.text
    before = (model_dir / 'clusters.json').read_bytes(), (model_dir / 'classes.json').read_bytes()
    sizes = json.loads(before[1])['images']
    assert (len(sizes), sum(sizes), min(sizes) > 0) == (2, 24, True)
    assert run(data, model_dir, clusters, train_steps=2) == 0
    assert ((model_dir / 'clusters.json').read_bytes(), (model_dir / 'classes.json').read_bytes()) == before
    os.remove(model_dir / 'clusters.json')
    with pytest.raises(errors.UserError, match=r'clusters\.json is absent, and without it no image finds its cluster'):
        run(data, model_dir, clusters, train_steps=3)
    (model_dir / 'clusters.json').write_text(
        '{"extractor": "squeezenet", "version": "0", "mean": [0], "centres": [[1]]}'
    )
    with pytest.raises(errors.UserError, match=r'clusters\.json is of squeezenet 0, and this version has squeezenet 1'):
        run(data, model_dir, clusters, train_steps=3)


@pytest.mark.parametrize(
    ('labels', 'shape', 'message'),
    [
        ((), {}, r'have 0 labels, and it needs at least 2: .* python -m convert\.label, or give --condition=clusters'),
        (('one',), {}, 'have 1 label, and it needs at least 2'),
        (NAMES, {'classes': 7}, '--classes=7, but the training images in .* have 3 labels: leave it out'),
        ((), {'condition': 'clusters', 'classes': 25}, '--classes=25 clusters of 24 training images'),
        ((), {'condition': 'none', 'classes': 3}, '--classes=3 has no meaning with --condition=none'),
    ],
)
def test_data_that_do_not_fit_the_condition_are_refused(labels, shape, message, tmp_path):
    data = write_dataset(tmp_path / 'data', labels=labels)
    with pytest.raises(errors.UserError, match=message):
        run(data, tmp_path / 'run', {'condition': 'labels', **shape})
    assert not (tmp_path / 'run' / 'hparams.json').exists()


def test_more_classes_than_a_batch_can_show_are_told(caplog):
    many = Classes(tuple(map(str, range(9))), (100,) * 9)
    classes._report(many, tiny_hparams(condition='labels', classes=9))
    assert '9 classes are more than a batch of 8 images can show' in caplog.text
    assert 'fewer than 100' not in caplog.text
