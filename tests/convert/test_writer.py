"""The parts that write: spool, moments, shards, staging, the list of rejections, and threads that keep the order."""

from __future__ import annotations

import csv
import os
import pathlib
import threading
import time

import numpy as np
import pytest
import tensorflow as tf

from convert import parallel, rejection
from convert.output import staging, writer
from convert.output.moments import Moments
from convert.output.spool import Spool
from tests.conftest import smooth_images
from trainer import errors
from trainer.data import manifest


def names_in(folder: pathlib.Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def publish(folder: pathlib.Path, name: str, overwrite: bool = False) -> None:
    shard = manifest.Shard(name, 1, len(name), '00000000')
    with staging.Staging(str(folder), overwrite) as stage:
        pathlib.Path(stage.folder, name).write_text(name)
        stage.publish(manifest.Manifest(32, 3, 'HWC', {'train': (shard,)}))


def test_a_spool_reads_back_in_any_order_and_leaves_nothing(tmp_path):
    pictures = smooth_images(10, 8)
    with Spool(str(tmp_path), (8, 8, 3)) as spool:
        for picture in pictures:
            spool.append(np.ascontiguousarray(picture))
        for number in (9, 0, 7, 7):
            assert np.array_equal(spool.read(number), pictures[number])
        assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ('records', 'record_kib', 'shards'),
    [(0, 12, 0), (1, 12, 1), (7999, 12, 1), (8000, 12, 8), (150000, 12, 18), (3, 102400, 3), (3, 204800, 3)],
)
def test_shards_aim_at_their_size_and_large_splits_have_eight(records, record_kib, shards):
    assert writer.shard_count(records, record_kib << 10, 100 << 20) == shards


def test_shards_hold_the_records_in_order_and_are_described(tmp_path):
    records = [bytes([value]) * 100 for value in range(10)]
    shards = writer.write_shards(str(tmp_path), 'train', range(9, -1, -1), 3, records.__getitem__)
    assert [shard.name for shard in shards] == [f'train-0000{index}-of-00003.tfrecord' for index in range(3)]
    assert [shard.records for shard in shards] == [3, 3, 4]
    paths = [str(tmp_path / shard.name) for shard in shards]
    assert list(tf.data.TFRecordDataset(paths).as_numpy_iterator()) == records[::-1]
    assert [shard.bytes for shard in shards] == [os.path.getsize(path) for path in paths]
    assert [shard.crc32c for shard in shards] == [manifest.file_crc32c(path) for path in paths]


@pytest.mark.parametrize(('size', 'channels'), [(32, 3), (128, 1)])
def test_moments_are_exact(size, channels):
    pictures = smooth_images(5, size, channels)
    pictures[0] = 255
    moments = Moments(channels)
    for picture in pictures:
        moments.add(picture)
    assert np.allclose(moments.mean(), pictures.mean(axis=(0, 1, 2)), rtol=1e-12)
    assert np.allclose(moments.std(), pictures.std(axis=(0, 1, 2)), rtol=1e-12)


def test_a_data_set_appears_whole_and_other_files_stay(tmp_path):
    publish(tmp_path, 'train-00000-of-00001.tfrecord')
    (tmp_path / 'notes.txt').write_text('mine')
    (tmp_path / os.fsdecode(b'raw\xff')).write_text('mine')
    publish(tmp_path, 'train-00000-of-00002.tfrecord', overwrite=True)
    wanted = ['dataset.json', 'notes.txt', 'raw\udcff', 'train-00000-of-00002.tfrecord']
    assert names_in(tmp_path) == wanted


@pytest.mark.parametrize('overwrite', [False, True])
@pytest.mark.parametrize('name', ['notes.txt', 'train-00000-of-00009.tfrecord', 'preview.png', '.converting/thesis'])
def test_a_folder_of_something_else_is_refused_whatever_is_asked(tmp_path, name, overwrite):
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text('mine')
    refused = pytest.raises(
        errors.UserError, match=f'holds {name.split("/")[0]}, which python -m convert.* has not made'
    )
    with refused:
        publish(tmp_path, 'train-00000-of-00001.tfrecord', overwrite)
    assert (tmp_path / name).read_text() == 'mine'


def test_shards_that_no_manifest_lists_are_not_ours_to_remove(tmp_path):
    publish(tmp_path, 'train-00000-of-00001.tfrecord')
    (tmp_path / 'train-00000-of-00009.tfrecord').write_text('theirs')
    with pytest.raises(errors.UserError, match='holds train-00000-of-00009.tfrecord'):
        publish(tmp_path, 'train-00000-of-00002.tfrecord', overwrite=True)
    (tmp_path / 'dataset.json').write_text('{"labels": []}')  # Of another program.
    with pytest.raises(errors.UserError, match='holds dataset.json'):
        publish(tmp_path, 'train-00000-of-00002.tfrecord', overwrite=True)
    assert (tmp_path / 'train-00000-of-00009.tfrecord').read_text() == 'theirs'


def test_two_at_once_do_not_mix(tmp_path):
    in_use = pytest.raises(errors.UserError, match=r'in use by process \d+ .* give another --output_dir')
    with staging.Staging(str(tmp_path / 'out'), overwrite=False), in_use:
        publish(tmp_path / 'out', 'train-00000-of-00001.tfrecord')
    assert not (tmp_path / 'out').exists()


def test_a_finished_data_set_is_replaced_only_on_request(tmp_path):
    publish(tmp_path, 'train-00000-of-00001.tfrecord')
    with pytest.raises(errors.UserError, match='--overwrite'):
        publish(tmp_path, 'train-00000-of-00002.tfrecord')
    publish(tmp_path, 'train-00000-of-00002.tfrecord', overwrite=True)
    assert names_in(tmp_path) == ['dataset.json', 'train-00000-of-00002.tfrecord']


def test_a_failure_leaves_the_old_data_set_or_no_folder(tmp_path):
    publish(tmp_path / 'old', 'train-00000-of-00001.tfrecord')
    before = names_in(tmp_path / 'old')
    for folder in (tmp_path / 'old', tmp_path / 'new' / 'deep'):
        with pytest.raises(RuntimeError), staging.Staging(str(folder), overwrite=True) as stage:
            pathlib.Path(stage.folder, 'train-00000-of-00003.tfrecord').write_text('half')
            raise RuntimeError
    assert names_in(tmp_path / 'old') == before
    assert names_in(tmp_path) == ['old']


@pytest.mark.parametrize('failing_step', ['remove', 'rename', 'manifest'])
def test_a_publication_cut_short_is_no_data_set_and_the_next_run_succeeds(tmp_path, monkeypatch, failing_step):
    publish(tmp_path, 'train-00000-of-00001.tfrecord')

    def fail(*_, **__):
        raise KeyboardInterrupt

    real_remove = os.remove
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        if failing_step == 'remove':  # As if the power failed after the manifest was removed.
            patch.setattr(os, 'remove', lambda path: real_remove(path) if path.endswith('.json') else fail())
        elif failing_step == 'rename':
            patch.setattr(os, 'rename', fail)
        else:
            patch.setattr(manifest, 'write', fail)
        publish(tmp_path, 'train-00000-of-00002.tfrecord', overwrite=True)
    assert not (tmp_path / 'dataset.json').exists()
    publish(tmp_path, 'train-00000-of-00003.tfrecord')
    assert names_in(tmp_path) == ['dataset.json', 'train-00000-of-00003.tfrecord']


def test_rejections_are_listed_and_counted_whatever_their_names(tmp_path):
    names = [
        'plain.png',
        'a,"b".png',
        'line\nbreak.png',
        'raw\udcff.png',
        '日本.png',
        'Icon\r',
        '=1+1',
        '-a',
        '@b',
        '+c',
    ]
    with rejection.RejectionList(str(tmp_path)) as rejections:
        for name in names:
            rejections.add(name, rejection.Rejected(rejection.TRUNCATED, 'why, "so"'))
        rejections.add('x', rejection.Rejected(rejection.EMPTY_FILE))
    with open(tmp_path / 'rejected.csv', encoding='utf-8', newline='') as file:
        head, *rows = csv.reader(file)
    assert head == ['file', 'reason', 'detail']
    spelled = ['line\\nbreak.png', 'raw\\udcff.png', '日本.png', 'Icon\\r', "'=1+1", "'-a", "'@b", "'+c"]
    assert [row[0] for row in rows] == [*names[:2], *spelled, 'x']
    assert rows[0][1:] == ['truncated', 'why, "so"']
    assert rejection.summary(rejections.counts) == '10 truncated, 1 empty file'


def test_results_come_in_order_and_few_items_are_under_way():
    started: list[int] = []
    lock = threading.Lock()

    def work(value: int) -> int:
        with lock:
            started.append(value)
        time.sleep(0.002 * (value % 3))
        return value * value

    seen = []
    for result in parallel.map_in_order(work, range(200), 2):
        seen.append(result)
        assert len(started) <= len(seen) + 2 * 3 * 8
    assert seen == [value * value for value in range(200)]


def test_an_error_on_a_thread_reaches_the_caller():
    def work(value: int) -> int:
        return 1 // (value - 5)

    with pytest.raises(ZeroDivisionError):
        list(parallel.map_in_order(work, range(1000), 3))


def test_after_an_error_no_item_is_begun():
    begun = []

    def work(value: int) -> int:
        begun.append(value)
        if value == 0:
            time.sleep(0.05)
            raise ValueError('the first')
        time.sleep(0.1)
        return value

    with pytest.raises(ValueError, match='the first'):
        list(parallel.map_in_order(work, range(100), 4, items_a_task=1))
    assert len(begun) <= 4
