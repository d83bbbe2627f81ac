"""The converter and the inspector on gs://: the same bytes as on a disk, even if requests fail in between."""

from __future__ import annotations

import io
import pathlib
import re
import threading
import time

import pytest
from google.cloud.storage.retry import DEFAULT_RETRY
from PIL import Image

from convert import rejection
from convert.conversion import convert
from convert.inspect_tfrecords import InspectOptions, inspect
from convert.listing import objects, sources
from convert.options import ConvertOptions
from convert.pictures import decode
from tests.conftest import smooth_images
from trainer import errors
from trainer.data import manifest

DOWNLOADS = '/download/storage/'
UPLOADS = '/upload/storage/'


@pytest.fixture(scope='module')
def photos(tmp_path_factory) -> pathlib.Path:
    """60 photos in two folders, one of them twice, and files that are not photos."""
    folder = tmp_path_factory.mktemp('photos')
    for index, picture in enumerate(smooth_images(60, 40)):
        path = folder / ('even' if index % 2 == 0 else 'odd #1?') / f'{index:03d} é%.png'
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(picture).save(path)
    (folder / 'copy.png').write_bytes((folder / 'even' / '000 é%.png').read_bytes())
    (folder / 'notes.txt').write_text('no image')
    (folder / 'nothing.jpg').touch()
    return folder


@pytest.fixture(scope='module')
def local(photos, tmp_path_factory) -> pathlib.Path:
    """The data set that the converter makes of the photos on a disk."""
    folder = tmp_path_factory.mktemp('local')
    run(photos, folder / 'out')
    return folder / 'out'


@pytest.fixture
def bucket(gcs, photos, monkeypatch) -> str:
    """A bucket with the photos in gs://BUCKET/in; retries end soon."""
    for path in photos.rglob('*.*'):
        gcs.server.put(f'{gcs.bucket}/in/{path.relative_to(photos)}', path.read_bytes())
    monkeypatch.setattr(objects, 'RETRY', DEFAULT_RETRY.with_delay(0.01, 0.05).with_timeout(1.5))
    monkeypatch.setattr(objects, 'TIMEOUT_S', 0.4)
    return gcs.bucket


def run(source: pathlib.Path | str, output: pathlib.Path | str, **changes) -> manifest.Manifest:
    return convert(ConvertOptions(**{'input_dir': str(source), 'output_dir': str(output), 'image_size': 32, **changes}))


def names_in(gcs, folder: str) -> list[str]:
    return [path[len(folder) + 1 :] for path in gcs.server.paths(f'{folder}/')]


def assert_same(gcs, folder: str, local: pathlib.Path) -> None:
    """The data set in `folder` equals the local one byte for byte, except for its source."""
    assert names_in(gcs, folder) == sorted(path.name for path in local.iterdir())
    for path in local.iterdir():
        data = gcs.server.get(f'{folder}/{path.name}')
        if path.name == manifest.FILE_NAME:
            data = re.sub(rb'"source": ".*"', b'"source": "%s"' % manifest.read(str(local)).source.encode(), data)
        assert data == path.read_bytes(), path.name


def uploads(gcs) -> list[str]:
    return [request.path for request in gcs.server.requests if request.path.startswith(UPLOADS)]


def downloads(gcs) -> list[str]:
    return [request.path for request in gcs.server.requests if request.path.startswith(DOWNLOADS)]


def test_a_bucket_lists_like_a_folder(gcs, bucket, photos):
    others = ('.hidden/1.png', 'even/.DS_Store', 'Thumbs.db', 'even/', 'empty/', 'out/train.tfrecord', '')
    for name in others:
        gcs.server.put(f'{bucket}/in/{name}', b'x')
    gcs.server.put(f'{bucket}/inner/3.png', b'x')
    listing = sources.find(f'{bucket}/in/', f'{bucket}/in/out')
    on_disk = sources.find(str(photos), '/nowhere')
    assert (listing.names, listing.labels) == (on_disk.names, on_disk.labels)
    assert [listing.label_of(name) for name in listing.names] == [on_disk.label_of(name) for name in listing.names]
    for name in listing.names:
        with listing.open(name) as file:
            assert file.read() == (photos / name).read_bytes()


def test_a_whole_bucket_and_an_output_above_the_input(gcs, bucket, photos):
    count = len(sources.find(str(photos), '/nowhere').names)
    assert len(sources.find(bucket, f'{bucket}/out').names) == count
    assert len(sources.find(f'{bucket}/in', bucket).names) == count
    with pytest.raises(errors.UserError, match='also the --input_dir'):
        sources.find(f'{bucket}/in/', f'{bucket}/in')


def test_long_lists_come_in_pages(gcs, bucket, photos, monkeypatch):
    monkeypatch.setattr(objects, '_PAGE_OBJECTS', 25)
    assert len(sources.find(f'{bucket}/in', '/nowhere').names) == 63
    assert sum('prefix=in/' in request.path for request in gcs.server.requests) == 3


def test_a_bucket_becomes_the_same_data_set_as_a_folder(gcs, bucket, local):
    run(f'{bucket}/in', f'{bucket}/out')
    assert_same(gcs, f'{bucket}/out', local)
    assert len(uploads(gcs)) == 3 + len(names_in(gcs, f'{bucket}/out'))  # The lock, and the marker twice.
    assert not [path for path in gcs.server.paths(f'{bucket}/') if '/in/' not in path and '/out/' not in path]


def test_downloads_run_side_by_side_and_decoding_does_not(bucket, tmp_path, monkeypatch):
    running, most = {'download': 0, 'decode': 0}, {'download': 0, 'decode': 0}
    lock = threading.Lock()

    def watched(name: str, function):
        def watch(*args):
            with lock:
                running[name] += 1
                most[name] = max(most[name], running[name])
            try:
                time.sleep(0.01)
                return function(*args)
            finally:
                with lock:
                    running[name] -= 1

        return watch

    monkeypatch.setattr(objects, 'download', watched('download', objects.download))
    monkeypatch.setattr(decode, 'decode', watched('decode', decode.decode))
    run(f'{bucket}/in', tmp_path / 'out', workers=2)
    assert most['decode'] == 2
    assert most['download'] > 2


def test_a_large_object_waits_on_disk(bucket, photos, monkeypatch):
    listing = sources.find(f'{bucket}/in', '/nowhere')
    with listing.open('copy.png') as file:
        assert isinstance(file, io.BytesIO)
    monkeypatch.setattr(objects, 'MEMORY_BYTES', 100)
    with listing.open('copy.png') as file:
        assert file.fileno() > 0
        assert file.read() == (photos / 'copy.png').read_bytes()


def test_an_object_that_is_gone_is_rejected(gcs, bucket):
    listing = sources.find(f'{bucket}/in', '/nowhere')
    gcs.server.remove(f'{bucket}/in/copy.png')
    with pytest.raises(rejection.Rejected) as caught:
        listing.open('copy.png')
    assert (caught.value.reason, caught.value.detail) == (rejection.UNREADABLE, 'deleted since it was listed')


def test_an_empty_folder_says_so(gcs):
    gcs.server.put(f'{gcs.bucket}/empty/', b'')
    with pytest.raises(errors.UserError, match=f'{gcs.bucket}/empty holds no files'):
        run(f'{gcs.bucket}/empty', f'{gcs.bucket}/out')
    with pytest.raises(errors.UserError, match='cannot be listed: Bucket names must start'):
        run('gs://-bad-/in', f'{gcs.bucket}/out')


def test_a_run_that_fails_leaves_nothing(gcs, bucket):
    gcs.server.put(f'{bucket}/bad/notes.txt', b'no image')
    with pytest.raises(errors.UserError, match='0 images are left of 1 files'):
        run(f'{bucket}/bad', f'{bucket}/out')
    assert names_in(gcs, f'{bucket}/out') == []


def test_a_data_set_and_records_of_a_stranger_are_not_touched_unasked(gcs, bucket, photos):
    gcs.server.put(f'{bucket}/out/train-00000-of-00009.tfrecord', b'theirs')
    with pytest.raises(errors.UserError, match='holds train-00000-of-00009.tfrecord, which .* has not made'):
        run(photos, f'{bucket}/out')
    run(photos, f'{bucket}/new')
    with pytest.raises(errors.UserError, match=r'already holds dataset.json: .* --overwrite'):
        run(photos, f'{bucket}/new')
    assert names_in(gcs, f'{bucket}/out') == ['train-00000-of-00009.tfrecord']


def test_what_is_there_already_is_not_sent_again(gcs, bucket, local, photos, caplog):
    run(photos, f'{bucket}/out')
    gcs.server.put(f'{bucket}/out/notes.txt', b'mine')
    gcs.server.put(f'{bucket}/out/train-00000-of-00009.tfrecord', b'theirs')
    with pytest.raises(errors.UserError, match='holds train-00000-of-00009.tfrecord, which .* has not made'):
        run(photos, f'{bucket}/out', overwrite=True)
    gcs.server.remove(f'{bucket}/out/train-00000-of-00009.tfrecord')
    gcs.server.put(f'{bucket}/out/preview.png', b'changed')
    gcs.server.clear_requests()
    with caplog.at_level('INFO', 'absl'):
        run(photos, f'{bucket}/out', overwrite=True)
    assert len(uploads(gcs)) == 5  # The lock, the marker twice, the preview and the manifest.
    assert f'3 of 4 files are in {bucket}/out already, with the same checksum' in caplog.text
    assert gcs.server.get(f'{bucket}/out/notes.txt') == b'mine'
    gcs.server.remove(f'{bucket}/out/notes.txt')
    assert_same(gcs, f'{bucket}/out', local)


def test_the_inspector_reads_and_writes_objects(gcs, bucket, local, photos, tmp_path):
    run(photos, f'{bucket}/out')
    on_disk = inspect([str(local)], InspectOptions(preview=str(tmp_path / 'sheet.png')))
    for pattern in (f'{bucket}/out', f'{bucket}/out/'):
        report = inspect([pattern], InspectOptions(preview=f'{bucket}/sheets/sheet.png'))
        assert report == on_disk.replace(str(local), pattern).replace(f'{tmp_path}', f'{bucket}/sheets')
    assert gcs.server.get(f'{bucket}/sheets/sheet.png') == (tmp_path / 'sheet.png').read_bytes()
    report = inspect([f'{bucket}/out/*.tfrecord'], InspectOptions(preview=f'{bucket}/all.png'))
    assert '60 records in 2 shards' in report
