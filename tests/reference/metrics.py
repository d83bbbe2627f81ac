"""Makes metrics.json: the results of the packages prdc and torch-fidelity on arrays that the tests can make again.

  pip install prdc==0.2 torch-fidelity==0.4.0 scikit-learn torch torchvision
  python -m tests.reference.metrics

With `--large` it only prints the check of prdc's own page: N(0, I) with 1,000 dimensions and 10,000 rows.
"""

from __future__ import annotations

import argparse
import json
import pathlib
from typing import NamedTuple

import numpy as np

FILE = pathlib.Path(__file__).with_name('metrics.json')
KID_SETTINGS = ({'subsets': 20, 'subset_size': 50, 'seed': 0}, {'subsets': 5, 'subset_size': 100, 'seed': 2020})
NEIGHBOURS = (1, 3, 5)


class Shape(NamedTuple):
    """Two sets of rows: `unit` scales the rows to length 1; `copies` of the fake rows equal real rows bit by bit."""

    real: int
    fake: int
    dimensions: int
    shift: float
    unit: bool
    copies: int = 0


SHAPES = {
    'equal': Shape(300, 300, 64, 0.0, True),
    'shifted': Shape(400, 250, 32, 0.5, False),
    'few_dimensions': Shape(250, 500, 4, 0.2, False),
    'many_dimensions': Shape(220, 220, 512, 0.3, True),
    'copies': Shape(300, 200, 16, 0.0, True, copies=150),
}


def arrays(shape: Shape) -> tuple[np.ndarray, np.ndarray]:
    """The two sets, float32 [N, D], from fixed seeds and a generator whose stream NumPy does not change."""
    random = np.random.RandomState(shape.real + shape.dimensions)
    real = random.standard_normal((shape.real, shape.dimensions))
    fake = random.standard_normal((shape.fake, shape.dimensions)) * 0.8 + shape.shift
    if shape.unit:
        real, fake = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (real, fake))
    fake[: shape.copies] = real[: shape.copies]
    return real.astype(np.float32), fake.astype(np.float32)


def reference(real: np.ndarray, fake: np.ndarray) -> dict:
    """All results of the packages on two sets; in float64, so that rounding plays no part."""
    import torch
    from prdc import compute_prdc
    from torch_fidelity import metric_fid, metric_kid

    real, fake = real.astype(np.float64), fake.astype(np.float64)
    tensors = torch.from_numpy(real), torch.from_numpy(fake)
    kids = []
    for settings in KID_SETTINGS:
        names = {'kid_subsets': 'subsets', 'kid_subset_size': 'subset_size', 'rng_seed': 'seed'}
        options = {theirs: settings[ours] for theirs, ours in names.items()}
        kernel = {'kid_kernel': 'poly', 'kid_kernel_poly_degree': 3, 'kid_kernel_poly_coef0': 1}
        found = metric_kid.kid_features_to_metric(*tensors, **options, **kernel, verbose=False)
        kids.append([found[metric_kid.KEY_METRIC_KID_MEAN], found[metric_kid.KEY_METRIC_KID_STD]])
    statistics = [metric_fid.fid_features_to_statistics(rows) for rows in tensors]
    fid = metric_fid.fid_statistics_to_metric(*statistics, verbose=False)[metric_fid.KEY_METRIC_FID]
    prdc = {str(k): {name: float(value) for name, value in compute_prdc(real, fake, k).items()} for k in NEIGHBOURS}
    return {'kid': kids, 'prdc': prdc, 'frechet': fid}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--large', action='store_true')
    if parser.parse_args().large:
        from prdc import compute_prdc

        from trainer.metrics.manifold import manifold

        real, fake = np.random.default_rng(0).standard_normal((2, 10_000, 1_000), np.float32)
        print('prdc', compute_prdc(real, fake, 5))
        print('ours', manifold(real, fake, 5))
        return
    found = {name: reference(*arrays(shape)) for name, shape in SHAPES.items()}
    FILE.write_text(json.dumps(found, indent=1) + '\n')


if __name__ == '__main__':
    main()
