"""The TFRecord schemas: how an image becomes a record, and a record an image; `parsing` reads many at once.

The project's own schema, one `tf.train.Example` per image:

    image     bytes   height * width * channels uint8 pixels in [height, width, channel] order
    height, width, channels   int64
    layout    bytes   b'HWC'
    label     int64   index into the manifest's labels, -1 for none
    filename  bytes   path of the source file below the input folder, UTF-8
    label_by  bytes   who gave the label, if not the folder: b'mark', b'votes' or b'model'; absent otherwise

victordibia/tpuDCGAN (HWC) and tensorflow/tpu's CIFAR converter (CHW) wrote only `image` and `label`, so one parser
reads all three. The other schema is that of the TensorFlow models: `image/encoded` (JPEG or PNG) with an optional
`image/class/label`. TensorFlow Datasets writes a JPEG or PNG file into `image`.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from trainer import errors

HWC, CHW = 'HWC', 'CHW'
RAW, ENCODED = 'raw', 'encoded'

_RAW_KEY, ENCODED_KEY = 'image', 'image/encoded'
_USUAL_KEYS = {RAW: _RAW_KEY, ENCODED: ENCODED_KEY}
_GEOMETRY_KEYS = ('height', 'width', 'channels')
LABEL_KEYS = {RAW: 'label', ENCODED: 'image/class/label'}
BY_KEY = 'label_by'
BY_MODEL = 'model'
_MAGIC = (b'\xff\xd8\xff', b'\x89PNG\r\n\x1a\n')  # How a JPEG or PNG file begins.
_END = (b'\xff\xd9', b'IEND\xaeB`\x82')  # How most of them end.


@dataclasses.dataclass(frozen=True)
class RecordFormat:
    """How a data set stores its pixels.

    Attributes:
      encoding: RAW (uint8 bytes) or ENCODED (a JPEG or PNG file).
      layout: HWC or CHW, the order of raw bytes; encoded images are always HWC.
      key: the feature that holds them; '' means the usual one of the encoding.
    """

    encoding: str = RAW
    layout: str = HWC
    key: str = ''

    @property
    def feature(self) -> str:
        """The name of the feature that holds the pixels."""
        return self.key or _USUAL_KEYS[self.encoding]


@dataclasses.dataclass(frozen=True)
class Record:
    """One record as it was read, without any assumptions.

    Attributes:
      encoding: RAW or ENCODED.
      key: the feature that holds the image, '' for the usual one of the encoding.
      data: the pixel bytes, or the encoded file.
      height, width, channels: as declared, or computed from the number of bytes.
      layout: as the record declares it, '' if it does not.
      label: -1 if absent.
      filename: '' if absent.
    """

    encoding: str
    key: str
    data: bytes
    height: int
    width: int
    channels: int
    layout: str
    label: int
    filename: str

    @property
    def geometry(self) -> tuple[int, int, int]:
        """Height, width and channels."""
        return self.height, self.width, self.channels

    def pixels(self, layout: str) -> np.ndarray:
        """uint8 [height, width, channels], reading raw bytes in the order `layout`."""
        if self.encoding == ENCODED:
            return tf.io.decode_image(self.data, self.channels, expand_animations=False).numpy()
        flat = np.frombuffer(self.data, np.uint8)
        if layout == CHW:
            return flat.reshape(self.channels, self.height, self.width).transpose(1, 2, 0)
        return flat.reshape(self.height, self.width, self.channels)


def encode_example(pixels: np.ndarray, label: int, filename: str) -> bytes:
    """uint8 [height, width, channels] -> one serialised record of the project's schema, the same bytes every time.

    Raises:
      ValueError: `pixels` is not uint8 of rank 3.
    """
    if pixels.dtype != np.uint8 or pixels.ndim != 3:
        raise ValueError(f'pixels must be uint8 [height, width, channels], not {pixels.dtype} {list(pixels.shape)}')
    # Filled in place: building it from Feature objects takes three times as long, for every converted image.
    example = tf.train.Example()
    feature = example.features.feature
    for key, number in zip(_GEOMETRY_KEYS, pixels.shape):
        feature[key].int64_list.value.append(number)
    feature[LABEL_KEYS[RAW]].int64_list.value.append(label)
    feature[_RAW_KEY].bytes_list.value.append(pixels.tobytes())
    feature['layout'].bytes_list.value.append(HWC.encode())
    # A file name that is not UTF-8 must not lose the image.
    feature['filename'].bytes_list.value.append(filename.encode('utf-8', 'surrogateescape'))
    return example.SerializeToString(deterministic=True)


def with_label(serialized: bytes, label: int, by: str = '') -> bytes:
    """A serialised record of the project's schema with another label, and who gave it; the same bytes every time."""
    example = tf.train.Example.FromString(serialized)
    features = example.features.feature
    features[LABEL_KEYS[RAW]].int64_list.value[:] = [label]
    if by:
        features[BY_KEY].bytes_list.value[:] = [by.encode()]
    elif BY_KEY in features:
        del features[BY_KEY]
    return example.SerializeToString(deterministic=True)


def decode_example(serialized: bytes) -> Record:
    """Reads one record of any accepted schema.

    Raises:
      errors.DataError: not a tf.train.Example, no image in it, or a byte count that fits no square image.
    """
    try:
        features = tf.train.Example.FromString(serialized).features.feature
    except Exception as error:  # protobuf's DecodeError is in a different module in each implementation.
        raise errors.DataError(f'the record is not a tf.train.Example ({error})') from None
    if ENCODED_KEY in features:
        return _decode_encoded(features, ENCODED_KEY)
    if _RAW_KEY in features:
        return _decode_encoded(features, _RAW_KEY) if _is_file(features) else _decode_raw(features)
    raise errors.DataError(
        f'the record has no image: it has the keys {sorted(features)}, but neither {_RAW_KEY!r} (raw uint8) nor '
        f'{ENCODED_KEY!r} (JPEG, PNG); make records with python -m convert.images_to_tfrecords'
    )


def _is_file(features: Mapping[str, tf.train.Feature]) -> bool:
    """Whether 'image' is a JPEG or PNG file; pixels may begin as one, such as those of a picture with a pink corner."""
    data = _bytes_of(features, _RAW_KEY)
    if not data.startswith(_MAGIC):
        return False
    if set(_GEOMETRY_KEYS) <= set(features):
        return math.prod(_int_of(features, key, 0) for key in _GEOMETRY_KEYS) != len(data)
    return data.endswith(_END) or not _is_square(len(data))


def _decode_raw(features: Mapping[str, tf.train.Feature]) -> Record:
    data = _bytes_of(features, _RAW_KEY)
    if set(_GEOMETRY_KEYS) <= set(features):
        height, width, channels = (_int_of(features, key, 0) for key in _GEOMETRY_KEYS)
    else:
        height, width, channels = _square_geometry(len(data))
    if height * width * channels != len(data) or min(height, width, channels) < 1:
        raise errors.DataError(f'the record says {height}x{width}x{channels} but holds {len(data)} bytes')
    layout = _bytes_of(features, 'layout').decode('ascii', 'replace').upper()
    label = _int_of(features, LABEL_KEYS[RAW], -1)
    return Record(RAW, '', data, height, width, channels, layout, label, _filename_of(features))


def _decode_encoded(features: Mapping[str, tf.train.Feature], key: str) -> Record:
    data = _bytes_of(features, key)
    try:
        height, width, channels = tf.io.decode_image(data, expand_animations=False).shape
    except tf.errors.OpError:
        raise errors.DataError(f'{key!r} holds {len(data)} bytes that are not a JPEG, PNG, GIF or BMP file') from None
    label_key = LABEL_KEYS[ENCODED] if key == ENCODED_KEY else LABEL_KEYS[RAW]
    label = _int_of(features, label_key, -1)
    return Record(
        ENCODED, key if key != ENCODED_KEY else '', data, height, width, channels, HWC, label, _filename_of(features)
    )


def _is_square(size: int) -> bool:
    return any(math.isqrt(size // channels) ** 2 * channels == size for channels in (3, 1))


def _square_geometry(size: int) -> tuple[int, int, int]:
    """Height, width and channels of a square RGB or grey image of `size` bytes; no size fits both."""
    for channels in (3, 1):
        side = math.isqrt(size // channels)
        if side and side * side * channels == size:
            return side, side, channels
    raise errors.DataError(f'the record holds {size} bytes, which fit no square image of 3 or 1 channels')


def _filename_of(features: Mapping[str, tf.train.Feature]) -> str:
    key = 'filename' if 'filename' in features else 'image/filename'
    return _bytes_of(features, key).decode('utf-8', 'surrogateescape')


def _bytes_of(features: Mapping[str, tf.train.Feature], key: str) -> bytes:
    values = features[key].bytes_list.value if key in features else ()
    return values[0] if values else b''


def _int_of(features: Mapping[str, tf.train.Feature], key: str, default: int) -> int:
    values = features[key].int64_list.value if key in features else ()
    return values[0] if values else default
