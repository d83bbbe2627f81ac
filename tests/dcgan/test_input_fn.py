from __future__ import annotations

import logging

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import smooth_images, tiny_hparams, write_shard
from tests.data.test_records import tpu_dcgan_record
from trainer.data import dataset, manifest
from trainer.dcgan import input_fn, order


@pytest.fixture
def numbered(tmp_path) -> dataset.DataSource:
    """24 flat images: every pixel of image i is i, so a batch shows which records it holds."""
    for shard in range(3):
        pictures = [np.full([32, 32, 3], shard * 8 + i, np.uint8) for i in range(8)]
        write_shard(tmp_path / f'{shard}.tfrecord', [tpu_dcgan_record(picture) for picture in pictures])
    shards = dataset.find(f'{tmp_path}/*.tfrecord', manifest.TRAIN)
    return dataset.verify(shards, 32, 3, 'hwc', 'auto')


def drawn(source, batches: int, start_step: int = 0, window: int = 24, cache: bool = False, seed: int = 0) -> list[int]:
    """The numbers of the records in the first batches of 8."""
    params = {'hparams': tiny_hparams(seed=seed), 'batch_size': 8}
    data = input_fn.train_input_fn(source, window, start_step, cache)(params)
    return [int(picture[0, 0, 0]) for batch in data.take(batches) for picture in batch['images']]


def test_batches_are_uint8_with_static_shapes(numbered):
    params = {'hparams': tiny_hparams(), 'batch_size': 5}
    for made in (input_fn.train_input_fn(numbered, 24, 0, False), input_fn.eval_input_fn(numbered)):
        assert made(params).element_spec == {'images': tf.TensorSpec([5, 32, 32, 3], tf.uint8)}


@pytest.mark.parametrize('cache', [False, True])
def test_an_epoch_holds_every_record_once_and_each_in_another_order(numbered, cache):
    numbers = drawn(numbered, batches=6, cache=cache)
    first, second = numbers[:24], numbers[24:]
    assert sorted(first) == sorted(second) == list(range(24))
    assert first != second
    assert first != list(range(24))


@pytest.mark.parametrize('cache', [False, True])
def test_the_order_is_decided_by_the_seed_and_the_step_resumed_from(numbered, cache):
    assert drawn(numbered, 3, cache=cache) == drawn(numbered, 3, cache=cache)
    assert drawn(numbered, 3, cache=cache) != drawn(numbered, 3, start_step=100, cache=cache)
    assert drawn(numbered, 3, cache=cache) != drawn(numbered, 3, seed=1, cache=cache)


def test_from_memory_a_resumed_run_sees_what_it_would_have_seen(numbered):
    unbroken = drawn(numbered, 12, cache=True)
    assert drawn(numbered, 5, cache=True) + drawn(numbered, 7, start_step=5, cache=True) == unbroken


def test_the_permutations_of_many_epochs_are_even():
    """Each image takes each place of an epoch about equally often; each pair is adjacent about equally often."""
    count, epochs = 8, 2000
    numbers = order.permutations(0, count, 3).rebatch(count * epochs)
    walk = next(iter(numbers)).numpy().reshape(epochs, count)
    assert (np.sort(walk) == np.arange(count)).all()
    often = np.stack([np.bincount(walk[:, place], minlength=count) for place in range(count)])
    assert 0.75 * epochs / count < often.min() <= often.max() < 1.25 * epochs / count
    pairs = np.bincount(walk[:, 0] * count + walk[:, 1], minlength=count**2)
    assert pairs.max() < 2.2 * epochs / (count * (count - 1))


@pytest.mark.parametrize('cache', [False, True])
def test_records_that_no_batch_takes_open_the_next_epoch(numbered, cache):
    params = {'hparams': tiny_hparams(), 'batch_size': 5}
    batches = input_fn.train_input_fn(numbered, 24, 0, cache)(params).take(24)  # Windows of 20, or epochs of 24.
    numbers = [int(picture[0, 0, 0]) for batch in batches for picture in batch['images']]
    assert np.bincount(numbers).tolist() == [5] * 24


def test_evaluation_sees_the_set_once_less_the_last_partial_batch(numbered):
    batches = list(input_fn.eval_input_fn(numbered)({'hparams': tiny_hparams(), 'batch_size': 10}))
    assert len(batches) == 2


def test_a_set_that_fits_is_kept_and_a_larger_one_shuffled_within_a_window(numbered, caplog):
    holds = 2**20 // (32 * 32 * 3)
    for count, kept in ((24, True), (holds // 2, True), (holds // 2 + 1, False), (holds + 1, False)):
        source = dataset.DataSource(numbered.paths, count, numbered.format)
        assert input_fn.fits(source, tiny_hparams(), shuffle_mib=1) == kept
    with caplog.at_level(logging.WARNING, 'absl'):
        assert input_fn.shuffle_window(source, tiny_hparams(), shuffle_mib=1) == holds // 4
    assert 'shuffling within 85 of 342 images' in caplog.text


def test_a_window_smaller_than_the_set_still_shows_every_image_equally_often(numbered):
    numbers = drawn(numbered, batches=12, window=16)  # Six windows are four epochs.
    assert np.bincount(numbers).tolist() == [4] * 24
    assert set(numbers[:16]) != set(numbers[48:64])  # The shards came in another order.


def test_the_first_batch_is_what_the_model_gets(numbered):
    pictures = input_fn.first_batch(numbered, tiny_hparams(), 24)['images']
    assert sorted(pictures[:, 0, 0, 0].numpy()) == list(range(24))


@pytest.mark.parametrize('cache', [False, True])
def test_each_host_of_a_pod_reads_its_own_records(numbered, cache):
    class Context:
        def __init__(self, index: int):
            self.index = index

        def current_input_fn_deployment(self):
            return '/cpu:0', self.index, 2, 4

    hosts = []
    for index in range(2):
        params = {'hparams': tiny_hparams(), 'batch_size': 4, 'context': Context(index)}
        batches = input_fn.train_input_fn(numbered, 12, 0, cache)(params).take(3)
        hosts.append({int(picture[0, 0, 0]) for batch in batches for picture in batch['images']})
    assert not hosts[0] & hosts[1]
    assert hosts[0] | hosts[1] == set(range(24))


def test_grey_images(tmp_path):
    shard = tmp_path / 'grey.tfrecord'
    write_shard(shard, [tpu_dcgan_record(picture) for picture in smooth_images(8, 32, channels=1)])
    source = dataset.verify(dataset.find(str(shard), manifest.TRAIN), 32, 1, 'auto', 'auto')
    assert input_fn.first_batch(source, tiny_hparams(channels=1), 8)['images'].shape == [8, 32, 32, 1]
