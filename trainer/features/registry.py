"""The extractors by name."""

from __future__ import annotations

from collections.abc import Callable

from trainer import errors
from trainer.features.extractor import Extractor
from trainer.features.inception import Inception
from trainer.features.pixels import Pixels
from trainer.features.squeezenet import SqueezeNet
from trainer.features.vgg16 import Vgg16

# Name -> a function of --feature_weights ('' for the extractor's own weights), in order of preference.
EXTRACTORS: dict[str, Callable[[str], Extractor]] = {
    'squeezenet': lambda weights: _complete(SqueezeNet, weights),
    'vgg16': Vgg16,
    'inception': Inception,
    'pixels': lambda weights: _complete(Pixels, weights),
}
DEFAULT = 'squeezenet'


def make(name: str, weights: str = '') -> Extractor:
    """Makes the extractor `name`.

    Raises:
      errors.UserError: there is no extractor of this name, or its weights cannot be loaded.
    """
    if name not in EXTRACTORS:
        raise errors.UserError(f'there is no feature extractor {name!r}: choose one of {", ".join(EXTRACTORS)}')
    return EXTRACTORS[name](weights)


def _complete(extractor: type[Extractor], weights: str) -> Extractor:
    """Makes an extractor that takes no weights from outside."""
    if weights:
        raise errors.UserError(f'--feature_weights={weights}: {extractor.name} takes no weights, leave it out')
    return extractor()
