"""Labels that are probably wrong."""

from __future__ import annotations

import numpy as np

from convert.auditing import suspects
from tests import drawings
from tests.conftest import smooth_images
from trainer.features import extraction, registry


def test_planted_wrong_labels_are_suspicious():
    """Of two kinds of drawings, with a third kind that is too rare to judge, and images without a label."""
    pixels = np.concatenate([drawings.many(drawings.text, 40, 64), smooth_images(40, 64)])
    extractor = registry.make('squeezenet')
    features = extraction.of_pixels(pixels, extractor)
    labels = [0] * 40 + [5] * 40
    labels[3], labels[50], labels[60], labels[61] = 5, 0, -1, 7
    found = suspects.examine(features, extractor, labels)
    assert sorted(found.numbers) == [3, 50]
    assert found.suggested[[3, 50, 0, 41]].tolist() == [0, 5, 0, 5]
    assert (found.suggested[[60, 61]] == -1).all() and np.isnan(found.own[[60, 61]]).all()
    assert found.own[found.numbers].max() < 0.5
    assert suspects.examine(features, extractor, [0] * 80) is None
