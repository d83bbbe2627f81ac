"""Data sets: manifests, shards, cached features, and image files of every format."""

from __future__ import annotations

import io
import json
import pathlib

import numpy as np
from PIL import Image

from convert import audit, inspect_tfrecords
from convert.audit import AuditOptions
from convert.conversion import convert
from convert.inspect_tfrecords import InspectOptions
from convert.options import ConvertOptions
from tests.conftest import smooth_images, write_dataset, write_shard
from tests.fuzz.mutations import Random, damaged_bytes, damaged_json, damaged_records, frame
from tests.fuzz.runner import Kind
from trainer.data import dataset, image_set, manifest, records, shard_file
from trainer.evaluation import pictures
from trainer.features import cache, extraction
from trainer.features.pixels import Pixels

_SIDE, _TRAIN, _HOLDOUT = 32, 24, 8
_FILES = 12


def _write(folder: pathlib.Path) -> None:
    write_dataset(folder / 'data', _SIDE, 3, _TRAIN, _HOLDOUT)


def _damage(path: pathlib.Path, random: Random) -> None:
    path.write_bytes(damaged_bytes(path.read_bytes(), random))


def _read(data: str, random: Random) -> None:
    """Reads a data set as one of the programs does, and checks that all pixels are those that were written."""
    program = int(random.integers(4))
    if program == 0:
        options = AuditOptions(data, extractor='pixels', neighbours=2, report_dir=f'{data}/../audit')
        audit.audit(options)
    elif program == 1:
        inspect_tfrecords.inspect([data], InspectOptions(preview=f'{data}/../sheet.png'))
    else:
        verify = (dataset.FULL, dataset.QUICK)[program - 2]
        train, holdout = image_set.open_both(data, _SIDE, 3, verify=verify)
        _check_pixels(train, manifest.TRAIN)
        if holdout:
            _check_pixels(holdout, manifest.HOLDOUT)


def _check_pixels(images: image_set.ImageSet, split: str) -> None:
    written = {picture.tobytes() for part in manifest.SPLITS for picture in _pictures(part)}
    with shard_file.explained(split):
        found = [picture.tobytes() for batch in images.batches(8) for picture in batch]
    assert len(found) == len(images), f'{len(found)} images of {len(images)}'
    assert written.issuperset(found), 'scrambled pixels'


def _pictures(split: str) -> np.ndarray:
    return smooth_images(_TRAIN if split == manifest.TRAIN else _HOLDOUT, _SIDE, 3, seed=len(split))


def _manifest(work: pathlib.Path, random: Random) -> None:
    path = work / 'data' / manifest.FILE_NAME
    path.write_text(damaged_json(path.read_text(), random), errors='surrogateescape')
    _read(str(work / 'data'), random)


def _shard(work: pathlib.Path, random: Random) -> None:
    """Bytes of a file, whose checksums are then wrong."""
    shards = sorted((work / 'data').glob('*.tfrecord'))
    _damage(shards[int(random.integers(len(shards)))], random)
    _read(str(work / 'data'), random)


def _record(work: pathlib.Path, random: Random) -> None:
    """Damaged records with correct checksums and a correct manifest beside them."""
    folder = work / 'data'
    described = manifest.read(str(folder))
    name = described.splits[manifest.TRAIN][0].name
    data = damaged_records(list(shard_file.serialized(str(folder / name))), random)
    (folder / name).write_bytes(data)
    foreign = random.random() < 0.5
    if foreign:
        (folder / manifest.FILE_NAME).unlink()
    else:
        path = folder / manifest.FILE_NAME
        content = json.loads(path.read_text())
        entry = content['splits'][manifest.TRAIN][0]
        entry['bytes'], entry['crc32c'] = len(data), manifest.file_crc32c(str(folder / name))
        path.write_text(json.dumps(content))
    # A flipped bit in the pixels of a record with a correct checksum is another picture, which nothing can detect.
    pattern = f'{folder}/{name}' if foreign else str(folder)
    train = image_set.open_split(pattern, manifest.TRAIN, _SIDE, 3, verify=dataset.FULL)
    assert train
    with shard_file.explained(pattern):
        shapes = {batch.shape[1:] for batch in train.batches(8)}
    assert shapes == {(_SIDE, _SIDE, 3)}, shapes


def _write_foreign(folder: pathlib.Path) -> None:
    folder.joinpath('data').mkdir()
    pictures = [records.encode_example(picture, 0, f'{i}.png') for i, picture in enumerate(smooth_images(16, _SIDE))]
    write_shard(folder / 'data' / 'x.tfrecord', pictures)


def _appended(work: pathlib.Path, random: Random) -> None:
    """Correct records, followed by others that are correct alone, but of another order, layout, shape or schema."""
    path = work / 'data' / 'x.tfrecord'
    wrong = smooth_images(int(random.integers(20, 40)), _SIDE, 3, seed=int(random.integers(1000)))
    how = int(random.integers(4))
    made = {
        0: lambda p: records.encode_example(p.transpose(2, 0, 1).reshape(_SIDE, _SIDE, 3), 0, ''),
        1: lambda p: records.encode_example(p, 0, '').replace(b'HWC', b'CHW'),
        2: lambda p: records.encode_example(p[: _SIDE // 2], 0, ''),
        3: lambda p: records.encode_example(p[:, :, :1], 0, ''),
    }[how]
    with path.open('ab') as file:
        file.write(b''.join(frame(made(picture)) for picture in wrong))
    image_set.open_split(str(path), manifest.TRAIN, _SIDE, 3, verify=dataset.FULL)
    raise AssertionError(f'wrong records of kind {how} were taken for right ones')


def _write_features(folder: pathlib.Path) -> None:
    _write(folder)
    train, _ = image_set.open_both(str(folder / 'data'))
    extraction.of_set(train, Pixels())


def _features(work: pathlib.Path, random: Random) -> None:
    (path,) = (work / 'data' / cache.FOLDER).glob('*.npy')
    right = np.array(np.load(path))
    theirs = path.with_name('mine.npy')
    theirs.write_bytes(b'mine')
    _damage(path, random)
    train, _ = image_set.open_both(str(work / 'data'))
    for _ in range(2):  # The second time it reads those that were computed again.
        (found,) = extraction.of_set(train, Pixels()).values()
        assert np.array_equal(found, right)
    assert theirs.read_bytes() == b'mine'


_FORMATS: tuple[tuple[str, str, dict], ...] = (
    ('JPEG', 'RGB', {}), ('JPEG', 'L', {'progressive': True}), ('JPEG', 'CMYK', {}), ('PNG', 'RGBA', {}),
    ('PNG', 'P', {}), ('PNG', 'I;16', {}), ('PNG', '1', {}), ('GIF', 'P', {}), ('WEBP', 'RGB', {}), ('BMP', 'RGB', {}),
    ('WEBP', 'RGBA', {'lossless': True}), ('TIFF', 'RGB', {}), ('TIFF', 'F', {}), ('TIFF', 'I;16', {}),
    ('DDS', 'RGBA', {}), ('QOI', 'RGB', {}),
    ('TIFF', 'RGB', {'compression': 'tiff_lzw'}), ('TIFF', 'RGB', {'compression': 'tiff_adobe_deflate'}),
    ('JPEG2000', 'RGB', {}), ('PPM', 'RGB', {}), ('PPM', 'L', {}), ('ICO', 'RGBA', {}), ('TGA', 'RGBA', {}),
    ('PCX', 'RGB', {}), ('SGI', 'RGB', {}), ('DIB', 'RGB', {}), ('ICNS', 'RGBA', {}), ('AVIF', 'RGB', {}),
)  # fmt: skip


def _write_images(folder: pathlib.Path) -> None:
    """One picture in every format that can be written here."""
    (folder / 'photos').mkdir()
    picture = Image.fromarray(smooth_images(1, 48)[0])
    for number, (name, mode, options) in enumerate(_FORMATS):
        if name not in Image.SAVE:
            continue
        made = picture.convert('L').convert('I;16') if mode == 'I;16' else picture.convert(mode)
        buffer = io.BytesIO()
        made.save(buffer, name, **options)
        (folder / 'photos' / f'{number:02d}.{name.lower()}').write_bytes(buffer.getvalue())


def _images(work: pathlib.Path, random: Random) -> None:
    """Every file is counted, and is kept or rejected with a reason."""
    paths = sorted((work / 'photos').iterdir())
    kept = random.permutation(len(paths))[:_FILES]
    for number, path in enumerate(paths):
        if number not in kept:
            path.unlink()
        elif random.random() < 0.8:
            _damage(path, random)
    for i, picture in enumerate(smooth_images(2, 40, seed=5)):  # So that there is always a data set.
        Image.fromarray(picture).save(work / 'photos' / f'good{i}.bmp')
    made = convert(ConvertOptions(str(work / 'photos'), str(work / 'out'), image_size=_SIDE, workers=1))
    count = sum(shard.records for shards in made.splits.values() for shard in shards)
    reasons = (work / 'out' / 'rejected.csv').read_text(errors='strict').splitlines()[1:]
    assert count + len(reasons) == len(kept) + 2, f'{count} kept, {len(reasons)} rejected, of {len(kept) + 2}'
    assert all(',' in reason for reason in reasons)
    train, _ = image_set.open_both(str(work / 'out'), _SIDE, 3, verify=dataset.FULL)
    assert sum(len(batch) for batch in train.batches(8)) == len(train)


def _write_pictures(folder: pathlib.Path) -> None:
    _write_images(folder)
    pixels = smooth_images(4, _SIDE)
    np.savez(folder / 'compressed.npz', pixels)
    np.save(folder / 'plain.npy', pixels)


def _pictures_of_others(work: pathlib.Path, random: Random) -> None:
    """The pictures that --samples reads."""
    paths = [*sorted((work / 'photos').iterdir()), work / 'compressed.npz', work / 'plain.npy']
    path = paths[int(random.integers(len(paths)))] if random.random() < 0.5 else paths[-1 - int(random.integers(2))]
    _damage(path, random)
    found = pictures.read(str(path if path.parent == work else work / 'photos'), _SIDE, 3)
    assert found.pixels.dtype == np.uint8
    assert found.pixels.shape[1:] == (_SIDE, _SIDE, 3)


KINDS = (
    Kind('dataset.json', _write, _manifest),
    Kind('shards', _write, _shard),
    Kind('records', _write, _record),
    Kind('appended', _write_foreign, _appended),
    Kind('features', _write_features, _features),
    Kind('images', _write_images, _images),
    Kind('pictures', _write_pictures, _pictures_of_others),
)
