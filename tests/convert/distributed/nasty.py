"""A folder of 300 files such as people have, and worse ones; the same files every time."""

from __future__ import annotations

import io
import os
import pathlib

import numpy as np
from PIL import Image

from tests.conftest import smooth_images
from tests.fuzz import mutations
from trainer.data import images

COUNT = 300
_SIDE = 40
_BEGINNINGS = {
    'empty.jpg': b'',
    'pointer.png': b'version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n',
    'notes.txt': b'no image',
    'archive.zip': b'PK\x03\x04' + bytes(60),
    'phone.heic': b'\0\0\0\x18ftypheic\0\0\0\0mif1heic' + bytes(40),
    'drawing.svg': b'<svg xmlns="http://www.w3.org/2000/svg"/>',
}
# Names that a bucket has no use for, or no room.
_LOCAL_NAMES = ('new\nline.png', 'raw\udcff.png', 'Icon\r.png', 'tab\t.png')
_NAMES = ('=1+1.png', '-a.png', '@b.png', 'a,b "c".png', "it's.png", 'é.png', '日本.png', 'x' * 200 + '.png', ' .png')


def write(folder: pathlib.Path, local: bool = True) -> pathlib.Path:
    """Writes the files; `local` adds names and kinds of files that Cloud Storage does not have."""
    folder.mkdir(parents=True)
    pictures = smooth_images(200, _SIDE)
    names = iter([*_NAMES, *(_LOCAL_NAMES if local else ())])
    for index, picture in enumerate(pictures[:150]):
        label = ('', 'even/', 'odd #1?/', 'deep/er/')[index % 4]
        name = next(names, f'{index:03d}.{_kind(index)[0]}')
        _save(folder / f'{label}{name}', picture, index)
    for index in range(30):  # Ten pictures three times, under names before and behind the first, and as another format.
        _save(folder / 'copies' / f'{index:03d}.png', pictures[index % 10], 0)
    for index in range(12):
        images.write_png(str(folder / 'made' / f'seed_{index:06d}.png'), pictures[150 + index], images.GENERATED)
    deep = (pictures[170:182, :, :, 0].astype(np.uint16) << 4) + 3  # 12 bits in 16, which the files do not say.
    for index, values in enumerate(deep):
        Image.fromarray(values).save(_made(folder / 'deep' / f'{index}.png'))
    for name, data in _BEGINNINGS.items():
        (folder / name).write_bytes(data)
    _damage(folder, COUNT - _count(folder) - (2 if local else 0))
    if local:
        os.symlink('nowhere', folder / 'dangling.png')
        os.mkfifo(folder / 'pipe.png')
    assert _count(folder) == COUNT, _count(folder)
    return folder


def _kind(index: int) -> tuple[str, dict]:
    kinds = [
        ('png', {}), ('jpg', {'quality': 92}), ('bmp', {}), ('gif', {}), ('tif', {'compression': 'tiff_lzw'}),
        ('webp', {'lossless': True}), ('ppm', {}), ('tga', {}),
    ]  # fmt: skip
    return kinds[index % len(kinds)]


def _save(path: pathlib.Path, picture: np.ndarray, index: int) -> None:
    extension, parameters = _kind(index) if path.suffix[1:] == _kind(index)[0] else ('png', {})
    image = Image.fromarray(picture)
    if extension == 'png' and index % 3 == 1:
        image.putalpha(Image.fromarray(picture[..., 0]))
    if extension == 'jpg':
        exif = Image.Exif()
        exif[274] = index % 9  # One value that is no orientation.
        parameters = {**parameters, 'exif': exif}
    image.save(_made(path), {'jpg': 'jpeg', 'tif': 'tiff'}.get(extension, extension), **parameters)


def _damage(folder: pathlib.Path, count: int) -> None:
    random = np.random.default_rng(7)
    whole = sorted(path for path in (folder / 'odd #1?').iterdir() if path.is_file())
    for index in range(count):
        data = mutations.damaged_bytes(whole[index % len(whole)].read_bytes(), random)
        if index % 5 == 0:
            data = data[: len(data) // 2]
        if index % 7 == 0:  # A picture of 900 megapixels.
            large = io.BytesIO()
            Image.new('1', (30000, 1)).save(large, 'png')
            data = large.getvalue().replace((1).to_bytes(4, 'big'), (30000).to_bytes(4, 'big'), 1)
        _made(folder / 'damaged' / f'{index:03d}{whole[index % len(whole)].suffix}').write_bytes(data)


def _made(path: pathlib.Path) -> pathlib.Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def _count(folder: pathlib.Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))
