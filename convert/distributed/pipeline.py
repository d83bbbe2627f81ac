"""The graph of one pass over the files: from the numbers of the parts of the listing to shards and facts."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton, PCollection

from convert.distributed import borders, work
from convert.distributed.transforms import HIGHEST, REJECTED, Fit, KeepFirst, ListRejected, Place, WriteShard
from convert.distributed.work import Work
from convert.pictures.depth import Levels


def build(pipeline: beam.Pipeline, job: Work) -> None:
    """Adds all steps of a pass."""
    kept, rejected, highest = _fitted(pipeline, job)
    listed = _listed(rejected, job)
    reasons = rejected | 'reasons' >> beam.Map(lambda row: (row[2], 1)) | 'count reasons' >> beam.CombinePerKey(sum)
    one = pipeline | 'one' >> beam.Create([0])
    counted = one | 'plan' >> beam.Map(_count, job, AsList(_counts(kept)), AsSingleton(highest))
    shards = _written(kept, counted, one, job)
    one | 'facts' >> beam.Map(_save_facts, job, AsSingleton(counted), AsList(shards), AsList(reasons), AsList(listed))


def _fitted(pipeline: beam.Pipeline, job: Work) -> tuple[PCollection, PCollection, PCollection]:
    """The images that are kept, the rejected files, and the highest of the values that `depth.Levels` notes."""
    fitted = (
        pipeline
        | 'parts' >> beam.Create(range(job.parts))
        | 'spread parts' >> beam.Reshuffle()
        | 'names' >> beam.FlatMap(job.names)
        | 'spread files' >> beam.Reshuffle()
        | 'fit' >> beam.ParDo(Fit(job)).with_outputs(REJECTED, HIGHEST, main='images')
    )
    highest = fitted[HIGHEST] | 'highest' >> beam.CombineGlobally(_highest)
    if job.options.keep_duplicates:
        kept, rejected = fitted['images'], fitted[REJECTED]
    else:
        unique = (
            fitted['images']
            | 'same pixels' >> beam.GroupByKey()
            | 'first' >> beam.ParDo(KeepFirst()).with_outputs(REJECTED, main='images')
        )
        kept = unique['images']
        rejected = (fitted[REJECTED], unique[REJECTED]) | 'all rejected' >> beam.Flatten()
    # Nothing is decoded again for the two steps that read them, nor after a failure.
    return kept | 'place' >> beam.ParDo(Place(job)) | 'keep' >> beam.Reshuffle(), rejected, highest


def _listed(rejected: PCollection, job: Work) -> PCollection:
    """The numbers of the parts of the list of rejections, when they are written."""
    return (
        rejected
        | 'by part' >> beam.Map(lambda row: (work.part_of(row[0]), row))
        | 'parts of rejections' >> beam.GroupByKey()
        | 'list rejections' >> beam.ParDo(ListRejected(job))
    )


def _counts(kept: PCollection) -> PCollection:
    """How many images of each split and origin are in each bucket of the order."""
    return (
        kept
        | 'bucket' >> beam.Map(lambda image: ((image[0], borders.bucket_of(image[1][0]), image[2]), 1))
        | 'count' >> beam.CombinePerKey(sum)
    )


def _written(kept: PCollection, counted: PCollection, one: PCollection, job: Work) -> PCollection:
    """What `WriteShard` says of each shard."""
    plan = AsSingleton(counted)
    firsts = (
        kept
        | 'places' >> beam.Map(lambda image: image[:2])
        | 'near borders' >> beam.FlatMap(_near_borders, plan)
        | 'buckets' >> beam.GroupByKey()
        | 'borders' >> beam.FlatMap(lambda bucket, plan: borders.first_of_shards(plan, *bucket), plan)
    )
    table = AsSingleton(one | 'table' >> beam.Map(lambda _, firsts: borders.table(firsts), AsList(firsts)))
    return (
        kept
        | 'shard' >> beam.FlatMap(_with_shard, plan, table)
        | 'shards' >> beam.GroupByKey()
        | 'write' >> beam.ParDo(WriteShard(job), plan)
    )


def _highest(values: Iterable[int]) -> int:
    return max(values, default=0)


def _count(_: int, job: Work, rows: list[Any], highest: int) -> borders.Counted:
    return borders.count(rows, highest, white_of(highest, job.white) != job.white, job.options)


def white_of(highest: int, white: int) -> int:
    """The value of white of a set with this highest value, decoded with the value `white`."""
    levels = Levels(white)
    levels.note(highest)
    return levels.of_the_set() if white == Levels().white else white  # It is found out once.


def _near_borders(image: tuple, counted: borders.Counted) -> Iterator[tuple]:
    """(bucket, place) of an image in whose bucket a shard begins."""
    if counted.plan:
        split, place = image
        bucket = counted.plan.split(split), borders.bucket_of(place[0])
        if bucket in counted.starts:
            yield bucket, place


def _with_shard(image: tuple, counted: borders.Counted, table: dict[str, list]) -> Iterator[tuple]:
    if counted.plan:
        chosen, place, _, name, where = image
        split = counted.plan.split(chosen)
        yield (split, borders.shard_of(table[split], place)), (place, name, where)


def _save_facts(
    _: int, job: Work, counted: borders.Counted, shards: list[tuple], reasons: list[tuple], listed: list[int]
) -> None:
    """Writes what the driver has to know; small, whatever the number of images."""
    rejected = collections.Counter({work.decoded(reason): count for reason, count in reasons})
    facts = {
        'kept': counted.kept,
        'synthetic': counted.synthetic,
        'highest': counted.highest,
        'rejected': rejected,
        'listed': sorted(listed),
        'shards': sorted(shards),
    }
    work.save_facts(job.shared, facts)
