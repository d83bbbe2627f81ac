"""Labels of records, and the classes of a run that they stand for."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tests.conftest import smooth_images, write_shard
from trainer.data import image_set, parsing, records


def foreign(label: list[int]) -> bytes:
    """A record of tpuDCGAN with any number of labels."""
    example = tf.train.Example.FromString(records.encode_example(smooth_images(1, 32)[0], 0, ''))
    example.features.feature['label'].int64_list.value[:] = label
    return example.SerializeToString()


@pytest.mark.parametrize(('given', 'found'), [([[3], [], [5, 6]], [3, -1, 5]), ([[], []], [-1, -1]), ([[-1]], [-1])])
def test_a_record_may_have_no_label_or_several(given, found):
    batch = tf.constant([foreign(label) for label in given])
    assert parsing.parse_labels(batch, records.RecordFormat()).numpy().tolist() == found


def test_a_guessed_label_is_not_known():
    whole = records.encode_example(smooth_images(1, 32)[0], 0, 'a.png')
    by = {who: records.with_label(whole, 2, who) for who in ('mark', records.BY_MODEL, '')}
    batch = tf.constant(list(by.values()))
    assert parsing.parse_labels(batch, records.RecordFormat()).numpy().tolist() == [2, 2, 2]
    assert parsing.parse_labels(batch, records.RecordFormat(), known_only=True).numpy().tolist() == [2, -1, 2]
    assert records.with_label(by[records.BY_MODEL], 2) == by['']


def test_classes_are_found_by_name_and_by_number_where_there_are_no_names(tmp_path):
    write_shard(tmp_path / 'a.tfrecord', [foreign([label]) for label in (7, 3, -1, 9)])
    images = image_set.open_split(f'{tmp_path}/*.tfrecord')
    assert images
    (shard,), others = images.shard_classes(('3', '7'))
    np.testing.assert_array_equal(shard, [1, 0, -1, -1])
    assert others == ['9']
