"""What a conditional generator has learned of each label."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np

from trainer.data.image_set import ImageSet
from trainer.dcgan.conditioning import Classes
from trainer.evaluation.measurement import Settings, Vectors
from trainer.metrics import kid, manifold, twins

_WIDTH = 10
# A label whose pictures have so many more twins than its real images has collapsed, whatever the whole set looks like.
_MORE_TWINS = 0.1


@dataclasses.dataclass(frozen=True)
class OfLabel:
    """The measures of one label; None where there are too few images.

    Attributes:
      label: its name.
      training, generated: how many images were compared.
      kid: of its pictures to its training images.
      coverage: the share of its training images that are near a picture of it.
      twins, twins_real: the share of its pictures, and of as many training images, with a near-duplicate among them.
    """

    label: str
    training: int
    generated: int
    kid: float | None = None
    coverage: float | None = None
    twins: float | None = None
    twins_real: float | None = None


def measure(
    vectors: Vectors, drawn: np.ndarray, train: ImageSet, classes: Classes, settings: Settings
) -> list[OfLabel]:
    """Measures each label by its own images alone; [] if no training image has a label, as beside clusters.

    Args:
      vectors: training and generated images in one space.
      drawn: int [N], the class of each generated image.
      train: the training images, whose labels are found by name.
      classes: of the generator.
      settings: as for the whole set.
    """
    given = np.concatenate(train.shard_classes(classes.names)[0])
    if not (given >= 0).any():
        return []
    return [
        _of_label(name, vectors.train[given == number], vectors.generated[drawn == number], settings)
        for number, name in enumerate(classes.names)
    ]


def _of_label(name: str, real: np.ndarray, fake: np.ndarray, settings: Settings) -> OfLabel:
    count = min(len(real), len(fake))
    found = OfLabel(name, len(real), len(fake))
    if count < max(2 * (settings.k + 1), kid.LEAST):
        return found
    some = np.sort(np.random.default_rng(settings.seed).permutation(len(real))[:count])
    return dataclasses.replace(
        found,
        kid=kid.cosine_kid(real, fake, subsets=settings.subsets, seed=settings.seed).mean,
        coverage=manifold.manifold(real[some], fake[:count], settings.k).coverage,
        twins=twins.twin_share(fake[:count]),
        twins_real=twins.twin_share(real[some]),
    )


def table(measures: Sequence[OfLabel]) -> list[str]:
    """The lines of a table for people, and a sentence for each label that has collapsed."""
    width = max(len('label'), *(len(found.label) for found in measures)) + 2
    heads = ('training', 'generated', 'kid', 'coverage', 'twins', 'real')
    lines = ['', 'By label:', f'  {"label":{width}}' + ''.join(f'{head:>{_WIDTH}}' for head in heads)]
    for found in measures:
        numbers = (found.kid, found.coverage, found.twins, found.twins_real)
        cells = [f'{found.training:,}', f'{found.generated:,}', *('-' if n is None else f'{n:.3f}' for n in numbers)]
        lines.append(f'  {found.label:{width}}' + ''.join(f'{cell:>{_WIDTH}}' for cell in cells))
    for found in measures:
        if found.twins is not None and found.twins_real is not None and found.twins > found.twins_real + _MORE_TWINS:
            lines.append(
                f'  {found.label} has collapsed: {found.twins:.0%} of its pictures have a near-duplicate, and '
                f'{found.twins_real:.0%} of its training images'
            )
    return lines
