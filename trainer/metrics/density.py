"""How typical each image of a set is: a person should look at the least typical ones first."""

from __future__ import annotations

import numpy as np

_CORE = 0.7  # Share of the images that the Gaussian is fitted to, so up to nearly 30 % may be foreign.
_VARIANCE = 0.85  # Share of the variance that the principal components keep.
_IMAGES_A_COMPONENT = 5  # With fewer, a covariance is unreliable.
_COMPONENTS_FROM = 2048  # Images; more than enough to find the directions of most variance.
_RIDGE = 0.01  # Share of the mean variance that is added to each variance, so that sets of identical images work too.
_MOST_STEPS = 50
_BLOCK = 4096
_TINY = 1e-12


def local_density(features: np.ndarray) -> np.ndarray:
    """Log density of a set at each of its images, under a Gaussian fitted to the majority of them.

    Instance selection for GANs (DeVries et al. 2020, arXiv 2007.15255) fits a Gaussian to the features of all images
    and drops the images of lowest density. Many foreign images pull that Gaussian towards themselves. By nearest
    neighbours they even count as the most typical, because they are alike: flags are denser than photos. So the fit is
    the minimum covariance determinant (Rousseeuw and Van Driessen 1999). It starts from the images nearest to the
    median and refits to the images that the last fit found likeliest, until they stay the same.
    tests/benchmarks/audit_quality.py has the comparison. Foreign images that the extractor hardly distinguishes from
    the majority, such as text among flags, are not found. A rare kind that belongs is as low as one that does not.

    Args:
      features: [N, D] as the late layer of an extractor gives them, N at least 2. Neither centred nor embedded: the
        mean of a set with foreign images lies between the two kinds, and seen from there both look alike.

    Returns:
      float32 [N], -1/2 the squared Mahalanobis distance per dimension: about -0.5 for typical images, lower for others.
    """
    points = _principal(_directions(features))
    size = max(2, round(_CORE * len(points)))
    core = _lowest(np.square(points - np.median(points, axis=0)).sum(axis=1), size)
    for _ in range(_MOST_STEPS):
        distances = _mahalanobis(points, points[core])
        previous, core = core, _lowest(distances, size)
        if np.array_equal(previous, core):
            break
    return (-0.5 * distances / points.shape[1]).astype(np.float32)


def _directions(features: np.ndarray) -> np.ndarray:
    """float32 [N, D] of length 1, because the length of a feature vector shows contrast rather than content."""
    directions = np.empty(features.shape, np.float32)
    for begin in range(0, len(features), _BLOCK):
        rows = features[begin : begin + _BLOCK].astype(np.float32)
        directions[begin : begin + _BLOCK] = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), _TINY)
    return directions


def _principal(directions: np.ndarray) -> np.ndarray:
    """The coordinates along the principal components with most of the variance, float64 [N, P]."""
    sample = directions[:: -(-len(directions) // _COMPONENTS_FROM)]
    mean = sample.mean(axis=0)
    _, spread, components = np.linalg.svd(sample - mean, full_matrices=False)
    shares = np.cumsum(spread**2) / max(float(np.sum(spread**2)), _TINY)
    most = max(1, len(sample) // _IMAGES_A_COMPONENT)
    count = min(int(np.searchsorted(shares, _VARIANCE)) + 1, most, len(components))
    return (directions @ components[:count].T - mean @ components[:count].T).astype(np.float64)


def _mahalanobis(points: np.ndarray, core: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances of the points from the Gaussian of the core, [N]."""
    centred = core - core.mean(axis=0)
    covariance = centred.T @ centred / len(core)
    size = len(covariance)
    covariance += (_RIDGE * np.trace(covariance) / size + _TINY) * np.eye(size)
    off = points - core.mean(axis=0)
    return np.einsum('np,pn->n', off, np.linalg.solve(covariance, off.T))


def _lowest(values: np.ndarray, count: int) -> np.ndarray:
    """The indices of the `count` lowest values, in ascending order."""
    return np.sort(np.argsort(values, kind='stable')[:count])
