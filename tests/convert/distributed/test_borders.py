"""Shards found by counts of buckets are those of the sorted keys; needs no Beam."""

from __future__ import annotations

import collections
import hashlib
import json

import pytest

from convert.distributed import borders, work
from convert.listing.sources import Listing
from convert.options import ConvertOptions
from convert.output import writer
from trainer.data import manifest

OPTIONS = ConvertOptions('in', 'out', 32, shard_mib=1)
TRAIN, HOLDOUT = manifest.SPLITS


def records_of(kept: dict[str, int], same_bucket: bool) -> list[tuple[str, borders.Place]]:
    """Split and place of so many records; all keys in one bucket, or anywhere."""
    made = []
    for split, count in kept.items():
        for number in range(count):
            key = hashlib.sha256(f'{split} {number}'.encode()).digest()[:16]
            made.append((split, ((b'\x12\x3f' + key[2:]) if same_bucket else key, number)))
    return made


def counted_of(records: list[tuple[str, borders.Place]]) -> borders.Counted:
    rows = collections.Counter((split, borders.bucket_of(place[0]), place[1] % 10 == 0) for split, place in records)
    return borders.count(rows.items(), 0, False, OPTIONS)


@pytest.mark.parametrize('same_bucket', [False, True])
@pytest.mark.parametrize(
    'kept', [{TRAIN: 2000, HOLDOUT: 700}, {TRAIN: 1, HOLDOUT: 900}, {TRAIN: 5}, {HOLDOUT: 3}, {TRAIN: 9000}]
)
def test_each_record_is_in_the_shard_of_its_rank(kept, same_bucket):
    records = records_of(kept, same_bucket)
    counted = counted_of(records)
    assert counted.plan
    assert (counted.kept, counted.synthetic) == (kept, sum(place[1] % 10 == 0 for _, place in records))
    near = collections.defaultdict(list)
    for chosen, place in records:
        near[counted.plan.split(chosen), borders.bucket_of(place[0])].append(place)
    firsts = [first for bucket in counted.starts for first in borders.first_of_shards(counted, bucket, near[bucket])]
    table = borders.table(firsts)
    for split in manifest.SPLITS:
        ordered = sorted(place for chosen, place in records if counted.plan.split(chosen) == split)
        ranges = writer.ranges(counted.plan.records[split], counted.plan.shards[split])
        wanted = [index for index, (begin, end) in enumerate(ranges) for _ in range(begin, end)]
        assert [borders.shard_of(table[split], place) for place in ordered] == wanted
    assert len(firsts) == sum(max(0, shards - 1) for shards in counted.plan.shards.values())


def test_nothing_is_planned_for_too_few_images_or_another_white():
    rows = [((TRAIN, 7, False), 1)]
    assert borders.count(rows, 0, False, OPTIONS).plan is None
    rows = [((TRAIN, 7, False), 5)]
    found = borders.count(rows, 4000, True, OPTIONS)
    assert found.plan is None
    assert (found.kept, found.highest) == ({TRAIN: 5}, 4000)


def test_any_name_reaches_the_workers(tmp_path, monkeypatch):
    monkeypatch.setattr(work, '_NAMES_A_PART', 3)
    names = ('a', 'new\nline', 'raw\udcff', '日本', 'x"y', 'lone\ud800', 'z')
    parts = work.share_listing(Listing('in', names, ()), str(tmp_path))
    job = work.Work(OPTIONS, (), 65535, str(tmp_path), parts)
    found = [(number, work.decoded(name)) for part in range(parts) for number, name in job.names(part)]
    assert found == list(enumerate(names))
    assert [work.part_of(number) for number, _ in found] == [0, 0, 0, 1, 1, 1, 2]
    assert json.loads((tmp_path / 'names-00002.json').read_text()) == ['z']
