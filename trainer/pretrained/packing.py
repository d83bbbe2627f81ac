"""A trained model as one small file: both networks in float16, and the hyper-parameters that they were trained with.

For the generator the file holds the EMA's weights alone. They make the pictures, and they replace the last weights too.
"""

from __future__ import annotations

import contextlib
import io
import os
import pathlib
import tempfile
from collections.abc import Iterator, Mapping

import numpy as np
import tensorflow as tf

from trainer.dcgan import ema, networks
from trainer.filesystem import files
from trainer.model_dir import checkpoints, hparams_file

NAMES = ('clothes32', 'clothes64')  # The models that come with the package.
FOLDER = pathlib.Path(__file__).parent
_HPARAMS, _STEP = hparams_file.FILE_NAME, 'step'


def pack(model_dir: str, checkpoint: str, path: str) -> None:
    """Writes the model of a checkpoint to the .npz file `path`; its run must keep an EMA."""
    reader = checkpoints.load_reader(checkpoint)
    arrays = {}
    for name in sorted(reader.get_variable_to_shape_map()):
        if name.split('/')[0] in (networks.GENERATOR, networks.DISCRIMINATOR):
            # Batch norm's moments have no EMA.
            source = ema.name_of(name) if reader.has_tensor(ema.name_of(name)) else name
            arrays[name] = reader.get_tensor(source).astype(np.float16)
    arrays[_HPARAMS] = np.frombuffer(pathlib.Path(model_dir, _HPARAMS).read_bytes(), np.uint8)
    arrays[_STEP] = np.array(checkpoints.step_of(checkpoint))
    packed = io.BytesIO()
    np.savez_compressed(packed, **arrays)
    files.write_bytes(path, packed.getvalue())


@contextlib.contextmanager
def unpacked(name: str) -> Iterator[str]:
    """Yields a temporary folder that holds the model `name` of NAMES as a run leaves it."""
    with np.load(FOLDER / f'{name}.npz') as packed, tempfile.TemporaryDirectory() as folder:
        arrays = dict(packed)
        pathlib.Path(folder, _HPARAMS).write_bytes(arrays.pop(_HPARAMS).tobytes())
        prefix = checkpoints.path(folder, int(arrays.pop(_STEP)))
        averages = {ema.name_of(key): value for key, value in arrays.items() if _is_averaged(key)}
        _save(prefix, {**arrays, **averages})
        yield folder


def _is_averaged(name: str) -> bool:
    return name.startswith(f'{networks.GENERATOR}/') and not os.path.basename(name).startswith('moving_')


def _save(prefix: str, arrays: Mapping[str, np.ndarray]) -> None:
    values = [tf.constant(value, tf.float32) for value in arrays.values()]
    tf.raw_ops.SaveV2(prefix=prefix, tensor_names=list(arrays), shape_and_slices=[''] * len(values), tensors=values)
