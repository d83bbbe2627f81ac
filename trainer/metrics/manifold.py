"""Precision, recall, density and coverage: whether generated images look real, and whether all kinds are among them."""

from __future__ import annotations

import dataclasses

import numpy as np

from trainer.metrics import neighbours


@dataclasses.dataclass(frozen=True)
class Manifold:
    """Shares in [0, 1], except density. The ball of a row reaches to its k-th nearest neighbour in its own set.

    Attributes:
      precision: share of fake rows in the ball of any real row.
      recall: share of real rows in the ball of any fake row.
      density: mean number of real balls that contain a fake row, divided by k; 1 for two sets of one distribution,
        higher if fakes crowd in the middle.
      coverage: share of real rows with a fake row in their ball; about 1 - 2^-k for two sets of one distribution and
        one size.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def manifold(real: np.ndarray, fake: np.ndarray, k: int = 5) -> Manifold:
    """Compares two sets by the balls around their rows.

    Precision and recall are those of Kynkaanniemi et al. 2019, arXiv:1904.06991, density and coverage those of Naeem
    et al. 2020, arXiv:2002.09797. All depend on the sizes of the sets: give as many fakes as reals.

    Args:
      real, fake: float32 [N, D] and [M, D], each of more than k rows.
      k: neighbours in a ball, its centre not counted.
    """
    real_radii, fake_radii = (neighbours.nearest(rows, rows, k, exclude_self=True)[1][:, -1] for rows in (real, fake))
    balls_around_fake = np.zeros(len(fake), np.int64)
    recalled = np.empty(len(real), bool)
    covered = np.empty(len(real), bool)
    for rows, squared in neighbours.squared_distances(real, fake):
        # Rounded like the radii: a row on the edge of a ball is not in it, and copies put many rows on edges.
        distances = np.sqrt(squared, out=squared)
        in_real_ball = distances < real_radii[rows, None]
        balls_around_fake += in_real_ball.sum(axis=0)
        covered[rows] = in_real_ball.any(axis=1)
        recalled[rows] = (distances < fake_radii).any(axis=1)
    return Manifold(
        precision=float((balls_around_fake > 0).mean()),
        recall=float(recalled.mean()),
        density=float(balls_around_fake.mean() / k),
        coverage=float(covered.mean()),
    )
