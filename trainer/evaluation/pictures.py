"""The pictures that an evaluation measures: from a generator, or from any other tool."""

from __future__ import annotations

import abc
import io
import os
from collections.abc import Iterator

import numpy as np
import tensorflow as tf
from absl import logging
from PIL import Image

from trainer import errors
from trainer.data import picture_file
from trainer.data.image_set import ImageSet
from trainer.dcgan.conditioning import Classes
from trainer.generator.sampler import Generator
from trainer.storage import gcs, refusals

_ENDINGS = ('.png', '.jpg', '.jpeg', '.webp', '.bmp', '.gif', '.tif', '.tiff', '.ppm', '.pgm')
_ARRAYS = ('.npz', '.npy')
_CHANNELS = (1, 3)
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


def check_geometry(train: ImageSet, image_size: int, channels: int, source: str) -> None:
    """Checks that the generator in `source`, a folder, makes pictures of the size of a data set.

    Raises:
      errors.UserError: it does not.
    """
    made, found = (f'{a}x{a}x{b}' for a, b in ((image_size, channels), (train.image_size, train.channels)))
    if made != found:
        raise errors.UserError(
            f'{train.folder} holds images of {found}, and the generator in {source} makes {made}: '
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
        pictures = list((_of_array if is_array else _of_folder)(path, size, channels, most))
    if not pictures:
        raise errors.UserError(
            f'--samples={path} holds no picture: give a folder of image files, or an .npz of one uint8 array '
            '[N, H, W, C]'
        )
    return Given(np.stack(pictures))


def _of_array(path: str, size: int, channels: int, most: int) -> Iterator[np.ndarray]:
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
    if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] not in _CHANNELS:
        raise errors.UserError(
            f'--samples={path} holds {array.dtype} {list(array.shape)}: save uint8 [N, H, W, C], C of 3 or 1'
        )
    for pixels in array[:most]:
        picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
        yield picture_file.fitted(picture, size, channels)


def _of_folder(path: str, size: int, channels: int, most: int) -> Iterator[np.ndarray]:
    read_, skipped, first = 0, 0, ''
    for name in _image_files(path):
        if read_ == most:
            break
        try:
            with tf.io.gfile.GFile(name, 'rb') as file:
                picture = picture_file.decoded(file.read(), size, channels)
        except (OSError, tf.errors.OpError, errors.UserError) as error:
            if gcs.is_remote(path) and isinstance(error, tf.errors.OpError):
                raise
            skipped, first = skipped + 1, first or f'{name}: {errors.one_line(str(error))[:200]}'
            continue
        read_ += 1
        yield picture
    if skipped:
        logging.warning('%d files were skipped, the first %s', skipped, first)


def _image_files(path: str) -> Iterator[str]:
    for folder, folders, names in tf.io.gfile.walk(path):
        folders.sort()
        for name in sorted(names):
            if name.lower().endswith(_ENDINGS) and not name.startswith('.'):
                yield os.path.join(folder, name)
