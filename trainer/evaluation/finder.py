"""What the page needs to find the training images that are most like any picture."""

from __future__ import annotations

import numpy as np

from trainer.features import squeezenet
from trainer.features.extractor import Extractor
from trainer.features.space import Space
from trainer.features.squeezenet import SqueezeNet
from trainer.page.live_content import Finder


def of(extractor: Extractor, space: Space, images: np.ndarray, samples: np.ndarray) -> tuple[Finder | None, str]:
    """The finder of all images and numbers, or None and the reason why there is none.

    Args:
      extractor: of the page.
      space: of its late layer.
      images, samples: float32 [N, D] and [M, D], embedded in this space.
    """
    if not isinstance(extractor, SqueezeNet):
        return None, (
            f'Pictures of your own cannot be compared on this page: its images are compared by {extractor.name}, and '
            f'only {SqueezeNet.name} runs in a browser. Write the page again with --extractor={SqueezeNet.name}.'
        )
    finder = Finder(
        network=extractor.network(),
        mean=squeezenet.MEAN_BGR,
        centre=space.mean,
        axes=None,
        images=images,
        numbers=range(len(images)),
        samples=samples,
    )
    return finder, ''
