"""Kernel inception distance: how far two sets of images are apart, without the bias that FID has on small sets."""

from __future__ import annotations

import dataclasses

import numpy as np

LEAST = 4  # Rows of each set: two in a subset of half of them.


@dataclasses.dataclass(frozen=True)
class Kid:
    """A kernel inception distance.

    Attributes:
      mean: over the subsets; about 0 for two sets of one distribution, sometimes slightly below.
      std: standard deviation over the subsets.
      subset_size: rows of each set in a subset.
    """

    mean: float
    std: float
    subset_size: int


def kid(real: np.ndarray, fake: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> Kid:
    """Unbiased squared MMD under the kernel (x.y / D + 1)^3, Binkowski et al. 2018, arXiv:1801.01401.

    The subsets are those that torch-fidelity draws for the same `rng_seed`.

    Args:
      real, fake: float32 [N, D] and [M, D], at least LEAST rows each.
      subsets: how many to average over.
      subset_size: rows of each set in a subset, drawn without replacement; half of the smaller set if that is less,
        so that subsets differ.
      seed: decides the subsets.
    """
    size = min(subset_size, min(len(real), len(fake)) // 2)
    if size < LEAST // 2:
        raise ValueError(f'KID needs at least {LEAST} rows of each set, not {len(real)} and {len(fake)}')
    random = np.random.RandomState(seed)
    distances = [
        _squared_mmd(
            real[random.choice(len(real), size, replace=False)], fake[random.choice(len(fake), size, replace=False)]
        )
        for _ in range(subsets)
    ]
    return Kid(float(np.mean(distances)), float(np.std(distances)), size)


def cosine_kid(real: np.ndarray, fake: np.ndarray, subsets: int = 100, subset_size: int = 1000, seed: int = 0) -> Kid:
    """KID of rows of length 1 (`space.Space.embed`), scaled by sqrt(D) so that the kernel is (cosine + 1)^3.

    The kernel divides by D, so rows of length 1 and many dimensions would all look alike to it. With the scaling,
    distances mean the same for every D. They are not comparable with published ones, which use raw Inception features.
    """
    scale = np.float32(np.sqrt(real.shape[1]))
    return kid(real * scale, fake * scale, subsets, subset_size, seed)


def _squared_mmd(x: np.ndarray, y: np.ndarray) -> float:
    size = len(x)
    within = sum(
        kernel.sum(dtype=np.float64) - np.trace(kernel, dtype=np.float64) for kernel in (_kernel(x, x), _kernel(y, y))
    )
    return float(within / (size * (size - 1)) - 2 * _kernel(x, y).mean(dtype=np.float64))


def _kernel(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return (x @ y.T / x.shape[1] + 1) ** 3
