"""Measures a run while it trains."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from trainer.data.image_set import ImageSet
from trainer.dcgan.hparams import HParams
from trainer.features import extraction, registry
from trainer.features.extraction import Tick
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.generator import sampler
from trainer.metrics import kid, twins
from trainer.model_dir import checkpoints
from trainer.monitoring import discriminator
from trainer.monitoring.best import Keeper
from trainer.monitoring.discriminator import Judged
from trainer.monitoring.history import Point
from trainer.monitoring.record import Record
from trainer.monitoring.reference import Reference
from trainer.options import RunOptions

_AT_ONCE = 256
_LEAST_OF_LABEL = 16  # Pictures; of fewer, twins say nothing.
_PIXELS = Pixels()


class Monitor:
    """Takes in the scalars and grids of a run, and measures the rest.

    Attributes:
      record: of all measures.
    """

    def __init__(
        self,
        hparams: HParams,
        options: RunOptions,
        train: ImageSet,
        holdout: ImageSet | None,
        real: Mapping[str, np.ndarray],
        record: Record,
        holdout_labels: np.ndarray | None = None,
    ):
        """Measures into `record`.

        Args:
          hparams, options: the run's.
          train, holdout: the data; without a hold-out, measures that need one are skipped.
          real: some training images in random order, at least 2, as an input_fn yields them.
          record: takes the measures.
          holdout_labels: int [N], the classes of the hold-out, for a run with classes.
        """
        self.record = record
        # Fewer for a small set, because its own size limits how exact the KID is.
        self._sample_count = min(options.eval_samples, max(len(train), discriminator.ASKED))
        self._losses: dict[str, float | None] = {}
        self._twins = _Twins(real['images'], real.get('labels'))
        held_out = Judged.of(holdout.pixels(discriminator.ASKED), holdout_labels) if holdout else None
        self._scores = discriminator.DiscriminatorScores(
            hparams, Judged.of(real['images'], real.get('labels')), held_out
        )
        # By pixels, because the artefacts of a young generator would hide copies from a network's features.
        self._by_pixels = Reference(train, holdout, _PIXELS)
        self._by_features: Reference | None = None
        if options.extractor and len(train) >= kid.LEAST:
            extractor = registry.make(options.extractor, options.feature_weights)
            self._by_features = Reference(train, holdout, extractor)
            self._keeper = Keeper(options.model_dir, extractor.name, record.data)

    def take_losses(self, step: int, means: dict[str, float]) -> None:
        """Takes the means of the scalars between the previous log line and that of `step`."""
        self._losses = {name.lower(): mean for name, mean in means.items()}
        # The grid of a step comes before its log line.
        if self._losses and not self.record.is_empty and self.record.last_step == step:
            self._add(step, self._losses)
            self.record.say_change()

    def take_grid(self, step: int, pixels: np.ndarray) -> None:
        """Measures the sample grid of a step, uint8 [N, H, W, C]."""
        self._add(step, {**self._losses, **self._twins.of(pixels)})
        self.record.say_change()

    def evaluate(self, checkpoint: str, generator: sampler.CheckpointGenerator, tick: Tick) -> Point:
        """Measures what a checkpoint has learned; keeps it if it is the best so far.

        Args:
          checkpoint: its prefix.
          generator: of the same model; keeps this checkpoint's weights afterwards.
          tick: called every few images; an exception from it ends the evaluation.
        """
        step = checkpoints.step_of(checkpoint)
        seeds = range(self._sample_count)
        pictures = _generate(generator.restore(checkpoint), generator.latents(seeds), tick)
        labels = generator.labels(seeds)
        values = self._scores.of(checkpoint, Judged.of(pictures, labels), tick)
        values.update(self._twins.of_labels(pictures, labels))
        copied = self._by_pixels.copying(pictures, tick)
        if copied:
            values.update(copying=copied.z, close=copied.close)
        if self._by_features:
            found, floor = self._by_features.kid(pictures, tick)
            values.update(kid=found.mean, kid_std=found.std, kid_real=floor)
            self._keeper.offer(step, found.mean)
        point = self._add(step, values)
        self.record.draw()
        return point

    def go_back(self, step: int) -> None:
        """Drops the measures after `step`, from which training resumes."""
        self.record.go_back(step)
        self._losses = {}

    def _add(self, step: int, values: dict[str, float | None]) -> Point:
        return self.record.add(step, values, told_elsewhere=self._losses)


class _Twins:
    """Near-duplicates among generated images, and among as many real ones, by grey pixels."""

    def __init__(self, real: np.ndarray, labels: np.ndarray | None):
        self._labels = labels
        raw = extraction.of_pixels(real, _PIXELS)[_PIXELS.late]
        self._space = Space.of(raw)
        self._real = self._space.embed(raw)

    def of(self, pixels: np.ndarray) -> dict[str, float | None]:
        """The shares in uint8 [N, H, W, C], by the names of Point; {} for a single image."""
        if len(pixels) < 2:
            return {}
        embedded = self._embed(pixels)
        return {'twins': twins.twin_share(embedded), 'twins_real': twins.twin_share(self._real[: len(pixels)])}

    def of_labels(self, pixels: np.ndarray, labels: np.ndarray) -> dict[str, float | None]:
        """The label that has most more twins than its real images have, by the name of Point; {} without labels."""
        if self._labels is None:
            return {}
        embedded, excess = self._embed(pixels), []
        for label in np.unique(labels[labels >= 0]).tolist():
            real, made = self._real[self._labels == label], embedded[labels == label]
            count = min(len(real), len(made))
            if count >= _LEAST_OF_LABEL:
                excess.append(twins.twin_share(made[:count]) - twins.twin_share(real[:count]))
        return {'label_twins': max(excess)} if excess else {}

    def _embed(self, pixels: np.ndarray) -> np.ndarray:
        return self._space.embed(extraction.of_pixels(pixels, _PIXELS)[_PIXELS.late])


def _generate(generator: sampler.Generator, latents: np.ndarray, tick: Tick) -> np.ndarray:
    parts = []
    for begin in range(0, len(latents), _AT_ONCE):
        parts.append(generator.images(latents[begin : begin + _AT_ONCE]))
        tick(begin)
    return np.concatenate(parts)
