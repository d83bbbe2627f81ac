"""In which split an image is, and where: decided by its pixels, its name and the options, and by no other image."""

from __future__ import annotations

import hashlib

from convert.options import ConvertOptions
from trainer.data import manifest

KEY_BYTES = 16
_HOLDOUT_BUCKETS = 10000


def split_of(digest: bytes, synthetic: bool, options: ConvertOptions) -> str:
    """The split of an image: adding images never moves one between the splits.

    Pictures of trainer.generate are never held out, because what is held out stands for real images.
    """
    percent = 0.0 if synthetic else options.holdout_percent
    bucket = int.from_bytes(digest, 'big') % _HOLDOUT_BUCKETS
    return manifest.HOLDOUT if bucket < percent * _HOLDOUT_BUCKETS / 100 else manifest.TRAIN


def key(seed: int, digest: bytes, name: str) -> bytes:
    """The records of a split are sorted by this; for each seed it is another order, as good as a random one."""
    text = f'{seed} '.encode() + digest + name.encode('utf-8', 'surrogatepass')
    return hashlib.sha256(text).digest()[:KEY_BYTES]
