"""Finds the shard of each record without bringing all records, or all keys, to one place.

The keys of the order are counted in buckets by their first bits. The counts say in which bucket each shard begins, and
at which place in it; only the keys of these buckets have to be sorted, each bucket on its own.
"""

from __future__ import annotations

import bisect
import collections
import dataclasses
from collections.abc import Iterable, Iterator

from convert.options import ConvertOptions
from convert.stages import planning
from trainer.data import manifest

# Ten million images are 2,441 keys a bucket, and at 64 px, with 1,200 shards, most buckets hold no border.
_BITS = 12
Bucket = tuple  # Split, and the first bits of the key. Python 3.9 cannot name its items here.
Place = tuple  # Key, and the number of the file, which tells equal keys apart.


def bucket_of(key: bytes) -> int:
    """The bucket of a key; the buckets are in the order of the keys."""
    return int.from_bytes(key[:4], 'big') >> (32 - _BITS)


@dataclasses.dataclass(frozen=True)
class Counted:
    """What is known of all records when all images have been fitted.

    Attributes:
      plan: of the data set; None if it is not to be written, because of `highest` or too few images.
      kept: the images in each split, before the plan.
      synthetic: how many of them are pictures of trainer.generate.
      highest: the largest value in a 16-bit image that does not state its white.
      starts: for each bucket in which shards begin, their numbers and their places in it.
    """

    plan: planning.Plan | None
    kept: dict[str, int]
    synthetic: int
    highest: int
    starts: dict[Bucket, list[tuple[int, int]]]


def count(
    rows: Iterable[tuple[tuple[str, int, bool], int]], highest: int, repeats: bool, options: ConvertOptions
) -> Counted:
    """Plans the shards from the counts of images by split, bucket and origin.

    Args:
      rows: ((split, bucket, synthetic), images), in any order.
      highest: as in `Counted`.
      repeats: whether all images will be decoded again with another white.
      options: of the conversion.
    """
    kept: collections.Counter[str] = collections.Counter()
    buckets: collections.Counter[Bucket] = collections.Counter()
    synthetic = 0
    for (split, bucket, is_synthetic), images in rows:
        kept[split] += images
        synthetic += images * is_synthetic
        buckets[split, bucket] += images
    planned = planning.plan(kept, options)
    if repeats or sum(kept.values()) < planning.MIN_IMAGES:
        return Counted(None, dict(kept), synthetic, highest, {})
    merged: collections.Counter[Bucket] = collections.Counter()
    for (split, bucket), images in buckets.items():
        merged[planned.split(split), bucket] += images
    starts: dict[Bucket, list[tuple[int, int]]] = collections.defaultdict(list)
    for split in manifest.SPLITS:
        ahead, begins = 0, collections.deque(enumerate(planned.begins(split)))
        for bucket in sorted(bucket for of, bucket in merged if of == split):
            images = merged[split, bucket]
            while begins and begins[0][1] < ahead + images:
                shard, begin = begins.popleft()
                if shard:  # The first one begins before all keys.
                    starts[split, bucket].append((shard, begin - ahead))
            ahead += images
    return Counted(planned, dict(kept), synthetic, highest, dict(starts))


def first_of_shards(counted: Counted, bucket: Bucket, places: Iterable[Place]) -> Iterator[tuple[str, int, Place]]:
    """Yields the split, the number and the first place of each shard that begins in a bucket with these places."""
    ordered = sorted(places)
    for shard, rank in counted.starts[bucket]:
        yield bucket[0], shard, ordered[rank]


def table(firsts: Iterable[tuple[str, int, Place]]) -> dict[str, list[Place]]:
    """The first place of each shard but the first, by split, in order."""
    found: dict[str, list[Place]] = {split: [] for split in manifest.SPLITS}
    for split, _, place in sorted(firsts, key=lambda first: first[:2]):
        found[split].append(place)
    return found


def shard_of(borders: list[Place], place: Place) -> int:
    """The number of the shard in which a record is."""
    return bisect.bisect_right(borders, place)
