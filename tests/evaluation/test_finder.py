"""What a page needs to compare other pictures with the training images."""

from __future__ import annotations

import numpy as np
import pytest

from tests.page.test_finder_fitting import LENGTH, vectors
from trainer.evaluation import finder
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.features.squeezenet import SqueezeNet


@pytest.fixture(scope='module')
def extractor() -> SqueezeNet:
    return SqueezeNet()


SPACE = Space(np.zeros(LENGTH, np.float32))


def test_the_finder_has_all_images(extractor):
    images, samples = vectors(50, 0), vectors(20, 1)
    found, reason = finder.of(extractor, SPACE, images, samples)
    assert (found.axes, found.note, reason) == (None, '', '')
    np.testing.assert_array_equal(found.images, images)
    assert list(found.numbers) == list(range(50))


def test_another_extractor_gives_the_reason_instead():
    found, reason = finder.of(Pixels(), SPACE, vectors(9, 0), vectors(3, 1))
    assert found is None and 'compared by pixels' in reason and '--extractor=squeezenet' in reason
