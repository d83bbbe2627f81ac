"""Has a data set written by workers: shares the listing, runs the pipeline, and gathers what it leaves."""

from __future__ import annotations

import dataclasses
import posixpath
import tempfile
from typing import Any

from absl import logging

from convert import rejection
from convert.distributed import pipeline, runners, work
from convert.distributed.work import Work
from convert.listing import sources
from convert.options import DIRECT, ConvertOptions, RunnerOptions
from convert.output import preview, staging, writer
from convert.output.moments import Moments
from convert.pictures.depth import Levels
from convert.stages import describing, planning
from trainer.data import manifest

# Of `direct`. A worker that the system has ended for lack of memory may end again, and again.
_ATTEMPTS = 3


class Driver:
    """A driver for `conversion.convert`."""

    def __init__(self, runner: RunnerOptions):
        """Takes the options of the runner."""
        self._runner = runner

    def __call__(self, listing: sources.Listing, options: ConvertOptions, stage: staging.Stage) -> manifest.Manifest:
        """Has all files written except the manifest, and returns the manifest.

        Raises:
          errors.UserError: too few images are left, Cloud Storage or Beam fails or refuses.
        """
        runners.check(self._runner, options)
        parts = work.share_listing(listing, stage.shared)
        job = Work(options, listing.labels, Levels().white, stage.shared, parts)
        facts = self._run(job, stage)
        white = pipeline.white_of(facts['highest'], job.white)
        if white != job.white:
            describing.say_white(white)
            job = Work(options, listing.labels, white, stage.shared, parts)
            facts = self._run(job, stage)
        planned = planning.plan(facts['kept'], options)
        planning.check(planned, len(listing.names), facts['rejected'], options)
        _gather_rejections(facts, job, stage.folder)
        splits, moments = _described(facts, planned, options)
        shown = splits[manifest.TRAIN]
        preview.write_preview(stage.folder, shown, options.image_size, options.channels, shards_in=stage.shared)
        written = describing.Written(splits, moments, facts['rejected'], facts['synthetic'], white)
        return describing.describe(written, listing.labels, options)

    def _run(self, job: Work, stage: staging.Stage) -> dict[str, Any]:
        logging.info('%d parts of the listing are in %s', job.parts, job.shared)
        if self._runner.runner != DIRECT:
            self._run_once(job)
        else:
            with tempfile.TemporaryDirectory(dir=stage.folder) as folder:
                self._run_repeatedly(dataclasses.replace(job, waiting=folder))
        return work.load_facts(job.shared)

    def _run_repeatedly(self, job: Work) -> None:
        """Repeats what a lost worker has not done, as Dataflow does by itself; images that wait are not fitted again.

        Raises:
          runners.WorkerLost: in the last attempt too.
        """
        for attempt in range(2, _ATTEMPTS + 1):
            try:
                return self._run_once(job)
            except runners.WorkerLost:
                logging.warning('a worker ended in the middle: attempt %d of %d goes on from there', attempt, _ATTEMPTS)
        return self._run_once(job)

    def _run_once(self, job: Work) -> None:
        runners.run(self._runner, job, lambda graph: pipeline.build(graph, job))


def _gather_rejections(facts: dict[str, Any], job: Work, folder: str) -> None:
    """Joins the parts of the list of rejections; one part at a time is in memory."""
    with rejection.RejectionList(folder) as rejections:
        for part in facts['listed']:
            rejections.add_part(work.load(posixpath.join(job.shared, work.rejections_of(part))).decode())


def _described(
    facts: dict[str, Any], planned: planning.Plan, options: ConvertOptions
) -> tuple[dict[str, tuple[manifest.Shard, ...]], Moments]:
    """The shards of each split, and the moments of the training split."""
    splits: dict[str, list[manifest.Shard]] = {split: [] for split in manifest.SPLITS}
    moments = Moments(options.channels)
    for split, shard, records, size, crc32c, state in facts['shards']:
        name = writer.shard_name(split, shard, planned.shards[split])
        splits[split].append(manifest.Shard(name, records, size, crc32c))
        if split == manifest.TRAIN:
            moments.add_state(state)
    return {split: tuple(shards) for split, shards in splits.items()}, moments
