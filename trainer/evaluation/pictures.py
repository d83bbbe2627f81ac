"""The pictures that an evaluation measures: from a generator, or from any other tool."""

from __future__ import annotations

import abc
import io
import os
import warnings
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image, ImageOps

from trainer import errors
from trainer.data.image_set import ImageSet
from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.generator.sampler import Generator
from trainer.storage import gcs, refusals

_ENDINGS = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.gif', '.tif', '.tiff', '.ppm', '.pgm')
_ARRAYS = ('.npz', '.npy')
_MODES = {1: 'L', 3: 'RGB'}
_UNREADABLE = (OSError, SyntaxError, ValueError, Image.DecompressionBombError, tf.errors.OpError)
MOST = 100_000  # All pictures, or all of their features, are kept in memory.


class Pictures(abc.ABC):
    """Any number of pictures, uint8 [H, W, C]."""

    @abc.abstractmethod
    def __len__(self) -> int: ...

    @abc.abstractmethod
    def part(self, begin: int, end: int) -> np.ndarray:
        """The pictures of an existing range, uint8 [end - begin, H, W, C]."""

    def batches(self, size: int) -> Iterator[np.ndarray]:
        """Yields uint8 [N, H, W, C] in order, N = `size` but for the last."""
        for begin in range(0, len(self), size):
            yield self.part(begin, min(begin + size, len(self)))


class Generated(Pictures):
    """The pictures that a generator makes from the seeds 0, 1, 2 ..."""

    def __init__(self, generator: Generator, count: int):
        self._generator, self._count = generator, count

    def __len__(self) -> int:
        return self._count

    @property
    def classes(self) -> Classes | None:
        """Of the pictures; None for an unconditional generator."""
        return self._generator.classes

    @property
    def labels(self) -> np.ndarray:
        """The class of each picture, int [N]; -1 for none."""
        return self._generator.labels(range(self._count))

    def part(self, begin: int, end: int) -> np.ndarray:
        """See the base class."""
        return self._generator.images(self._generator.latents(range(begin, end)))


def check_geometry(train: ImageSet, hparams: HParams, model_dir: str) -> None:
    """Checks that a run makes pictures of the size of a data set.

    Raises:
      errors.UserError: it does not.
    """
    size = hparams.image_size, hparams.channels
    if size != (train.image_size, train.channels):
        made, found = (f'{side}x{side}x{channels}' for side, channels in (size, (train.image_size, train.channels)))
        raise errors.UserError(
            f'{train.folder} holds images of {found}, and the generator in {model_dir} makes {made}: '
            'give the --data that it was trained on'
        )


class Given(Pictures):
    """Pictures in memory."""

    def __init__(self, pixels: np.ndarray):
        """Takes uint8 [N, H, W, C]."""
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def part(self, begin: int, end: int) -> np.ndarray:
        """See the base class."""
        return self.pixels[begin:end]


def read(path: str, size: int, channels: int, count: int = 0) -> Given:
    """Reads pictures from a folder of image files, or from an .npz or .npy file of one array.

    Pictures of another size are cropped to their central square and resampled, as the converter does. Files that cannot
    be read are skipped, and their number is logged.

    Args:
      path: local or gs://; a folder is searched with its sub-folders.
      size: side of the pictures to return, px.
      channels: 3 or 1.
      count: the largest number to read, in the order of their names; 0 reads all of them, up to MOST.

    Raises:
      errors.UserError: there are none, or the array is not uint8 [N, H, W, C].
    """
    most = count or MOST
    with refusals.explained(path, refusals.VIEWER):
        if not tf.io.gfile.exists(path):
            raise errors.UserError(f'--samples={path} does not exist: correct the path')
        is_array = path.endswith(_ARRAYS) and not tf.io.gfile.isdir(path)
        found = _of_array(path, most) if is_array else _of_folder(path, most)
        pictures = [_fitted(picture, size, channels) for picture in found]
    if not pictures:
        raise errors.UserError(
            f'--samples={path} holds no picture: give a folder of image files, or an .npz of one uint8 array '
            '[N, H, W, C]'
        )
    return Given(np.stack(pictures))


def _of_array(path: str, most: int) -> Iterator[Image.Image]:
    with tf.io.gfile.GFile(path, 'rb') as file:
        data = file.read()
    try:
        loaded = np.load(io.BytesIO(data), allow_pickle=False)
        names = [] if isinstance(loaded, np.ndarray) else list(loaded)
        if len(names) > 1:
            raise ValueError(f'it holds {len(names)} arrays ({", ".join(names[:5])}): save one')
        array = loaded[names[0]] if names else np.asarray(loaded)
    except Exception as error:  # For a damaged file zip, zlib, numpy and Python's own tokenizer raise many types.
        raise errors.UserError(f'--samples={path} cannot be read: {errors.one_line(str(error))[:200]}') from None
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in _MODES:
        raise errors.UserError(
            f'--samples={path} holds {array.dtype} {list(array.shape)}: save uint8 [N, H, W, C], C of 3 or 1'
        )
    return (Image.fromarray(picture[:, :, 0] if picture.shape[2] == 1 else picture) for picture in array[:most])


def _of_folder(path: str, most: int) -> Iterator[Image.Image]:
    read_, skipped, first = 0, 0, ''
    for name in _image_files(path):
        if read_ == most:
            break
        try:
            yield _opened(name)
            read_ += 1
        except _UNREADABLE as error:
            if gcs.is_remote(path) and isinstance(error, tf.errors.OpError):
                raise
            skipped, first = skipped + 1, first or f'{name}: {errors.one_line(str(error))[:200]}'
    if skipped:
        logging.warning('%d files were skipped, the first %s', skipped, first)


def _image_files(path: str) -> Iterator[str]:
    for folder, folders, names in tf.io.gfile.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(_ENDINGS) and not name.startswith('.'):
                yield os.path.join(folder, name)


def _opened(path: str) -> Image.Image:
    with tf.io.gfile.GFile(path, 'rb') as file:
        data = file.read()
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # Pillow warns of odd files, but reads them.
        picture = Image.open(io.BytesIO(data))
        picture.load()
    return picture


def _fitted(picture: Image.Image, size: int, channels: int) -> np.ndarray:
    if picture.has_transparency_data:
        over = picture.convert('RGBA')
        picture = Image.new('RGB', picture.size, 'white')
        picture.paste(over, mask=over)
    picture = ImageOps.exif_transpose(picture).convert(_MODES[channels])
    if picture.size != (size, size):
        picture = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
    return np.asarray(picture).reshape(size, size, channels)
