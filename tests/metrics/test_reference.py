"""The metrics compared with the usual packages, whose numbers tests/reference/metrics.py stored."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from tests.reference.metrics import FILE, KID_SETTINGS, NEIGHBOURS, SHAPES, arrays
from trainer.metrics import frechet, kid, manifold

STORED = json.loads(FILE.read_text())


def test_every_shape_is_stored():
    assert STORED.keys() == SHAPES.keys()


@pytest.mark.parametrize('name', SHAPES)
def test_kid_is_that_of_torch_fidelity(name):
    real, fake = arrays(SHAPES[name])
    for settings, (mean, std) in zip(KID_SETTINGS, STORED[name]['kid']):
        found = kid.kid(real, fake, **settings)
        assert found.subset_size == settings['subset_size']
        np.testing.assert_allclose([found.mean, found.std], [mean, std], rtol=0, atol=1e-6)


@pytest.mark.parametrize('k', NEIGHBOURS)
@pytest.mark.parametrize('name', SHAPES)
def test_precision_recall_density_and_coverage_are_those_of_prdc(name, k):
    found = dataclasses.asdict(manifold.manifold(*arrays(SHAPES[name]), k))
    stored = STORED[name]['prdc'][str(k)]
    assert found == pytest.approx(stored, abs=1e-12)


@pytest.mark.parametrize('name', SHAPES)
def test_the_frechet_distance_is_that_of_torch_fidelity(name):
    assert frechet.frechet_distance(*arrays(SHAPES[name])) == pytest.approx(STORED[name]['frechet'], abs=1e-6)
