from __future__ import annotations

import os
import pathlib
import shutil

import numpy as np
import pytest

from convert.inspect_tfrecords import InspectOptions, inspect
from tests.conftest import smooth_images, write_dataset, write_shard
from tests.data.test_records import tpu_dcgan_record
from tests.features.test_extractors import Means
from trainer.data import dataset, image_set
from trainer.features import extraction


class Counting(Means):
    """Counts the pictures that it is given."""

    def __init__(self) -> None:
        self.seen = 0

    def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
        self.seen += len(pixels)
        return super().extract(pixels)


def names_in(folder: str) -> list[str]:
    return sorted(os.listdir(os.path.join(folder, 'features')))


def check(found: dict[str, np.ndarray], images: image_set.ImageSet) -> None:
    expected = extraction.of_pixels(images.pixels(), Means())
    assert list(found) == ['mean', 'both']
    for layer, features in found.items():
        assert features.dtype == np.float16
        np.testing.assert_array_equal(features, expected[layer].astype(np.float16))


def test_features_are_worked_out_once_and_mapped(dataset32, caplog):
    train, holdout = image_set.open_both(dataset32)
    extractor = Counting()
    with caplog.at_level('INFO', 'absl'):
        for images in (train, holdout, train, holdout):
            found = extraction.of_set(images, extractor)
            check(found, images)
            assert all(isinstance(features, np.memmap) for features in found.values())
    assert extractor.seen == 24 + 8
    expected = [f'{images.checksum}-means-1-{layer}.npy' for images in (train, holdout) for layer in Means.layers]
    assert names_in(dataset32) == sorted(expected)
    assert caplog.text.count('features of 24 images through means ...') == 1


def test_features_of_another_version_or_of_older_images_are_not_taken(dataset32, tmp_path):
    train, extractor = image_set.open_both(dataset32)[0], Counting()
    extraction.of_set(train, extractor)
    extractor.version = '2'
    extraction.of_set(train, extractor)
    assert extractor.seen == 2 * 24
    other = write_dataset(tmp_path / 'other', train=16)
    shutil.move(f'{dataset32}/features', f'{other}/features')
    images, holdout = image_set.open_both(other)
    check(extraction.of_set(holdout, extractor), holdout)
    check(extraction.of_set(images, extractor), images)
    assert extractor.seen == 2 * 24 + 8 + 16
    assert {name.split('-')[0] for name in names_in(other)} == {images.checksum, holdout.checksum}


def cut_short(path: pathlib.Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def no_array(path: pathlib.Path) -> None:
    path.write_bytes(b'no array at all')


def empty(path: pathlib.Path) -> None:
    path.write_bytes(b'')


def too_few_rows(path: pathlib.Path) -> None:
    np.save(path, np.zeros((23, 1), np.float16))


def of_another_type(path: pathlib.Path) -> None:
    np.save(path, np.zeros((24, 1), np.float64))


def test_a_damaged_file_is_made_again(dataset32, caplog):
    train = image_set.open_both(dataset32)[0]
    extraction.of_set(train, Means())
    for damage in (cut_short, no_array, empty, too_few_rows, of_another_type):
        damage(pathlib.Path(dataset32, 'features', f'{train.checksum}-means-1-mean.npy'))
        extractor = Counting()
        caplog.clear()
        for _ in range(2):
            check(extraction.of_set(train, extractor), train)
        assert extractor.seen == 24, damage
        assert caplog.text.count('the cached features are computed again: ') == 1, damage


def test_where_nothing_can_be_written_the_features_are_the_same(dataset32, caplog):
    pathlib.Path(dataset32, 'features').write_text('in the way')
    train = image_set.open_both(dataset32)[0]
    check(extraction.of_set(train, Means()), train)
    assert caplog.text.count('the features are not cached for the next time: ') == 1


def test_an_extraction_that_is_ended_leaves_nothing(dataset32):
    train = image_set.open_both(dataset32)[0]

    def end(done: int) -> None:
        assert os.listdir(f'{dataset32}/features')  # They are written as they come.
        if done == 16:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        extraction.of_set(train, Means(), end)
    assert names_in(dataset32) == []
    check(extraction.of_set(train, Means()), train)


def test_features_too_large_for_float16_stay_finite(dataset32):
    class Large(Means):
        def extract(self, pixels: np.ndarray) -> dict[str, np.ndarray]:
            return {layer: features * 1e6 for layer, features in super().extract(pixels).items()}

    found = extraction.of_set(image_set.open_both(dataset32)[0], Large())
    assert found['both'].max() == 65504
    assert found['both'].min() == -65504


def test_the_folder_of_foreign_records_stays_as_it_is(tmp_path):
    write_shard(tmp_path / 'old.tfrecord', [tpu_dcgan_record(picture) for picture in smooth_images(12, 32)])
    images = image_set.open_split(f'{tmp_path}/*', record_layout='hwc')
    for _ in range(2):
        check(extraction.of_set(images, Means()), images)
    assert os.listdir(tmp_path) == ['old.tfrecord']


def test_a_data_set_with_features_beside_it_is_the_same_data_set(dataset32, tmp_path):
    before = dataset.find(dataset32, 'train'), inspect([dataset32], InspectOptions(preview=str(tmp_path / 'a.png')))
    checksum = image_set.open_both(dataset32)[0].checksum
    extraction.of_set(image_set.open_both(dataset32)[0], Means())
    assert dataset.find(dataset32, 'train') == before[0]
    assert inspect([dataset32], InspectOptions(preview=str(tmp_path / 'a.png'))) == before[1]
    assert image_set.open_both(dataset32)[0].checksum == checksum


@pytest.fixture
def remote32(gcs, dataset32) -> str:
    """The same data set in a bucket."""
    for path in pathlib.Path(dataset32).iterdir():
        gcs.server.put(f'{gcs.bucket}/data/{path.name}', path.read_bytes())
    return f'{gcs.bucket}/data'


def test_features_are_kept_in_a_bucket(gcs, remote32):
    train, extractor = image_set.open_both(remote32)[0], Counting()
    for _ in range(2):
        check(extraction.of_set(train, extractor), train)
    assert extractor.seen == 24
    kept = [path for path in gcs.server.paths(f'{remote32}/') if '/features/' in path]
    assert len(kept) == 2


def test_a_bucket_that_takes_nothing_costs_no_more_than_the_time(gcs, remote32, caplog):
    train, extractor = image_set.open_both(remote32)[0], Counting()
    refused = gcs.server.fault(403, match='upload.*features', times=None)
    for _ in range(2):
        check(extraction.of_set(train, extractor), train)
    assert refused.hits
    assert extractor.seen == 2 * 24
    assert caplog.text.count('the features are not cached for the next time: ') == 2


def test_a_bucket_that_does_not_answer_for_a_moment_is_asked_again(gcs, remote32):
    train, extractor = image_set.open_both(remote32)[0], Counting()
    written = gcs.server.fault(503, match='upload.*features')
    extraction.of_set(train, extractor)
    read = gcs.server.fault(503, method='GET', match='features')
    check(extraction.of_set(train, extractor), train)
    assert written.hits
    assert read.hits
    assert extractor.seen == 24
