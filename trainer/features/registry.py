"""The extractors by name."""

from __future__ import annotations

from collections.abc import Callable

from trainer import errors
from trainer.features.extractor import Extractor
from trainer.features.pixels import Pixels

DEFAULT = 'pixels'

# Name -> a function of --feature_weights ('' for the extractor's own weights).
EXTRACTORS: dict[str, Callable[[str], Extractor]] = {'pixels': lambda weights: Pixels()}


def make(name: str, weights: str = '') -> Extractor:
    """Makes the extractor `name`.

    Raises:
      errors.UserError: there is none of this name, or its weights cannot be had.
    """
    if name not in EXTRACTORS:
        raise errors.UserError(f'there is no feature extractor {name!r}: choose one of {", ".join(EXTRACTORS)}')
    return EXTRACTORS[name](weights)
