from __future__ import annotations

import numpy as np
import pytest

from trainer.metrics import copying, frechet, kid, manifold, neighbours, twins


def unit(rows: np.ndarray) -> np.ndarray:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def gaussian(count: int, dimensions: int = 8, seed: int = 0) -> np.ndarray:
    return unit(np.random.default_rng(seed).standard_normal((count, dimensions)))


def test_neighbours_are_those_of_the_whole_matrix_whatever_the_blocks(monkeypatch):
    queries, references = gaussian(50), gaussian(70, seed=1)
    exact = np.linalg.norm(queries[:, None].astype(np.float64) - references, axis=2)
    for block_bytes in (1, 2000, 1 << 20):
        monkeypatch.setattr(neighbours, '_BLOCK_BYTES', block_bytes)
        indices, distances = neighbours.nearest(queries, references, 4)
        np.testing.assert_array_equal(indices, np.argsort(exact, axis=1)[:, :4])
        np.testing.assert_allclose(distances, np.sort(exact, axis=1)[:, :4], rtol=1e-6)


def test_a_copy_is_at_distance_0_and_all_copies_are_equally_far():
    rows = gaussian(40, 512)
    _, distances = neighbours.nearest(rows, rows, 1)
    assert not distances.any()
    indices, distances = neighbours.nearest(np.concatenate([rows, rows]), np.concatenate([rows, rows]), 2)
    assert not distances.any()
    assert (np.sort(indices % 40, axis=1) == np.tile(np.arange(40), 2)[:, None]).all()


def test_no_row_is_its_own_neighbour():
    rows = gaussian(30)
    indices, distances = neighbours.nearest(rows, rows, 3, exclude_self=True)
    assert (indices != np.arange(30)[:, None]).all()
    assert (distances > 0).all()


def test_kid_of_small_sets_takes_half_of_the_smaller():
    assert kid.kid(gaussian(90), gaussian(60, seed=1), subsets=2).subset_size == 30
    with pytest.raises(ValueError, match='at least 4 rows'):
        kid.kid(gaussian(90), gaussian(3))


def test_kid_of_two_kernels_worked_out_by_hand():
    """Each subset has two rows of each set; cosines are 1 within a set and 0 between sets, so kernels are 8 and 1."""
    real, fake = np.tile([[1.0, 0.0]], (4, 1)), np.tile([[0.0, 1.0]], (4, 1))
    found = kid.cosine_kid(real.astype(np.float32), fake.astype(np.float32), subsets=3)
    assert (found.mean, found.std, found.subset_size) == (pytest.approx(8 + 8 - 2, abs=1e-5), 0, 2)


@pytest.mark.parametrize('dimensions', [4, 64, 1024])
def test_cosine_kid_sees_a_shift_in_any_number_of_dimensions(dimensions):
    """One row replaces a quarter of the set; unscaled, the kernel of 1,024 dimensions would see only 1e-5."""
    one, other = gaussian(200, dimensions), gaussian(200, dimensions, seed=1)
    other[:50] = one[0]
    assert abs(kid.cosine_kid(one, gaussian(200, dimensions, seed=2)).mean) < 0.05
    assert kid.cosine_kid(one, other).mean > 0.3


def test_all_images_alike_are_precise_and_cover_nothing():
    real = gaussian(200)
    found = manifold.manifold(real, np.repeat(real[:1], 200, axis=0))
    assert found.precision == 1
    assert found.recall == 0
    assert found.coverage < 0.1


def test_copies_of_all_images_are_in_all_balls_but_on_no_edge():
    real = gaussian(200, 64)
    found = manifold.manifold(real, real.copy(), k=5)
    assert found == manifold.Manifold(precision=1, recall=1, density=1, coverage=1)


def test_two_samples_of_one_distribution_get_what_the_papers_say():
    found = manifold.manifold(gaussian(2000, seed=1), gaussian(2000, seed=2), k=5)
    assert found.density == pytest.approx(1, abs=0.05)
    assert found.coverage == pytest.approx(1 - 2**-5, abs=0.02)


def test_twins_are_counted_both():
    rows = np.eye(6, dtype=np.float32)
    assert twins.twin_share(rows) == 0
    rows[1] = rows[0]
    assert twins.twin_share(rows) == pytest.approx(2 / 6)
    rows[2] = [0, 0.8, 0.6, 0, 0, 0]
    rows[1] = np.eye(6)[1]
    assert twins.twin_share(rows, threshold=0.79) == pytest.approx(2 / 6)
    assert twins.twin_share(rows, threshold=0.81) == 0


def test_mann_whitney_worked_out_by_hand():
    """The hold-out has distances 1 and 3, samples 2 and 3: in two of four pairs the sample is farther, one is a tie."""
    train, holdout, samples = (np.array(values, np.float32)[:, None] for values in ([0], [1, 3], [2, 3]))
    found = copying.copying_test(train, holdout, samples)
    assert found.nearer == pytest.approx(1.5 / 4)
    variance = 2 * 2 / 12 * (5 - (2**3 - 2) / (4 * 3))
    assert found.z == pytest.approx((2.5 - 2) / variance**0.5)


def test_real_samples_are_no_copies_and_copies_are():
    train, holdout, real = gaussian(500), gaussian(100, seed=1), gaussian(300, seed=2)
    honest = copying.copying_test(train, holdout, real)
    assert abs(honest.z) < 3
    assert honest.nearer == pytest.approx(0.5, abs=0.1)
    assert honest.close == pytest.approx(0.05, abs=0.05)
    copied = copying.copying_test(train, holdout, train[:300])
    assert (copied.z < -10, copied.nearer, copied.close) == (True, 1, 1)
    # A few copies among many samples: too few for z.
    few = copying.copying_test(train, holdout, np.concatenate([train[:45], real[45:]]))
    assert few.close > honest.close + 0.1
    assert few.z > -3
    far = copying.copying_test(train, holdout, -np.repeat(train.mean(axis=0, keepdims=True), 300, axis=0) * 20)
    assert far.z > 3


def test_a_hold_out_of_duplicates_decides_nothing():
    train = gaussian(50)
    found = copying.copying_test(train, train[:30], train[20:])
    assert (found.z, found.nearer) == (0, 0.5)


def test_sets_that_differ_by_their_means_alone_are_as_far_as_these():
    rows = np.random.default_rng(0).standard_normal((3000, 6))
    shift = np.array([1, 2, 0, 0, 0, 2.0])
    assert frechet.frechet_distance(rows, rows + shift) == pytest.approx(9)
    assert frechet.frechet_distance(rows, rows) == pytest.approx(0, abs=1e-9)
    assert frechet.frechet_distance(rows, rows * 3) == pytest.approx(
        4 * np.trace(np.cov(rows.T)) + 4 * np.square(rows.mean(axis=0)).sum()
    )
