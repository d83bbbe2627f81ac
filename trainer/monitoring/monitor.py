"""Measures a run while it trains, and says in words how it fares."""

from __future__ import annotations

import numpy as np
import tensorflow.compat.v1 as v1
from absl import logging

from trainer.data.image_set import ImageSet
from trainer.dcgan.hparams import HParams
from trainer.features import extraction, registry
from trainer.features.extraction import Tick
from trainer.features.pixels import Pixels
from trainer.features.space import Space
from trainer.generator import sampler, samples
from trainer.metrics import kid, twins
from trainer.metrics.kid import Kid
from trainer.model_dir import checkpoints, event_log
from trainer.monitoring import chart, verdicts
from trainer.monitoring.best import Keeper
from trainer.monitoring.history import History, Point
from trainer.monitoring.reference import Reference
from trainer.monitoring.scoring import CheckpointDiscriminator
from trainer.options import RunOptions

_JUDGED = 256  # Images of each kind that D is asked about.
_AT_ONCE = 256
_PIXELS = Pixels()


class Monitor:
    """Takes in what becomes known of a run, measures the rest; keeps history, chart, best checkpoint and verdict."""

    def __init__(
        self,
        hparams: HParams,
        options: RunOptions,
        train: ImageSet,
        holdout: ImageSet | None,
        real: np.ndarray,
        start_step: int,
        data: str = '',
    ):
        """Begins, or goes on with the history up to `start_step`.

        Args:
          hparams, options: the run's.
          train, holdout: the data; without a hold-out, what needs one is not measured.
          real: some training images in random order, uint8 [N, H, W, C], at least 2.
          start_step: the step that training starts from.
          data: checksum of the data (`run_data.checksum`).
        """
        self._hparams, self._options, self._train, self._holdout = hparams, options, train, holdout
        self._real = real
        self._history = History(options.model_dir, start_step, data)
        self._losses: dict[str, float | None] = {}
        raw = extraction.of_pixels(real, _PIXELS)[_PIXELS.late]
        self._space = Space.of(raw)
        self._real_pixels = self._space.embed(raw)
        self._discriminator: CheckpointDiscriminator | None = None
        self._by_pixels: Reference | None = None
        self._by_features: Reference | None = None
        self._verdict, self._said = verdicts.judge([]), verdicts.HEALTHY
        self._drawn: list[Point] = []
        if options.extractor:
            self._extractor = registry.make(options.extractor, options.feature_weights)
            self._keeper = Keeper(options.model_dir, self._extractor.name, data)

    def take_losses(self, step: int, means: dict[str, float]) -> None:
        """Takes the means of the steps' scalars between the last log line and that of `step`."""
        self._losses = {name.lower(): mean for name, mean in means.items()}
        points = self._history.points
        if self._losses and points and points[-1].step == step:  # The grid of a step comes before its log line.
            self._add(step, self._losses)
            self._say_change()

    def take_grid(self, step: int, pixels: np.ndarray) -> None:
        """Measures the sample grid of a step, uint8 [N, H, W, C]."""
        values = dict(self._losses)
        if len(pixels) > 1:
            embedded = self._space.embed(extraction.of_pixels(pixels, _PIXELS)[_PIXELS.late])
            values['twins'] = twins.twin_share(embedded)
            values['twins_real'] = twins.twin_share(self._real_pixels[: len(pixels)])
        self._add(step, values)
        self._say_change()

    def evaluate(self, checkpoint: str, generator: sampler.CheckpointGenerator, tick: Tick) -> Point:
        """Measures what a checkpoint has learned; keeps it if it is the best so far. `say_verdict` tells what it means.

        Args:
          checkpoint: its prefix.
          generator: of the same model; is left with this checkpoint's weights.
          tick: called every few images; what it raises ends the evaluation.
        """
        step = checkpoints.step_of(checkpoint)
        vectors = sampler.noise_for(range(self._sample_count), self._hparams.noise_dim)
        pictures = _generate(generator.restore(checkpoint), vectors, tick)
        values = self._judgement(checkpoint, pictures, tick)
        values.update(self._copying(pictures, tick))
        if self._options.extractor and len(self._train) >= kid.LEAST:
            found = self._distance(pictures, tick)
            values.update(kid=found.mean, kid_std=found.std, kid_real=self._kid_real)
            self._keeper.offer(step, found.mean)
        point = self._add(step, values)
        self.draw()
        return point

    def go_back(self, step: int) -> None:
        """Forgets what was measured beyond `step`, from where training begins again."""
        self._history.go_back(step)
        self._losses = {}
        self._verdict = verdicts.judge(self._history.current)

    def say_verdict(self) -> None:
        """Logs the verdict on all that was measured so far."""
        log = logging.info if self._verdict.word in verdicts.FINE else logging.warning
        log('verdict at step %d: %s: %s', self._history.points[-1].step, self._verdict.word, self._verdict.reason)
        self._said = self._verdict.word

    def end_diverged(self, reason: str) -> None:
        """Notes that training ended because a number was none."""
        newest = self._history.points[-1].step if self._history.points else 0
        self._history.add(newest, verdict=verdicts.DIVERGED)
        self._history.write()
        logging.error('verdict after step %d: %s: %s', newest, verdicts.DIVERGED, reason)

    def draw(self) -> None:
        """Draws the chart of all measures so far, if there are any that it does not show yet."""
        if self._drawn == self._history.points:
            return
        self._drawn = list(self._history.points)
        chart.write(samples.chart_path(self._options.model_dir), self._history.points)

    @property
    def _sample_count(self) -> int:
        """Fewer for a small set: its own size would decide how exact the KID is."""
        return min(self._options.eval_samples, max(len(self._train), _JUDGED))

    def _judgement(self, checkpoint: str, pictures: np.ndarray, tick: Tick) -> dict[str, float | None]:
        """What D thinks of images that it learned from, of others, and of generated ones."""
        if self._discriminator is None:
            self._discriminator = CheckpointDiscriminator(self._hparams)
        discriminator = self._discriminator.restore(checkpoint)

        def mean_logit(pixels: np.ndarray) -> float:
            tick(0)
            return float(discriminator.logits(pixels[:_JUDGED]).mean())

        train, generated = mean_logit(self._real), mean_logit(pictures)
        if not self._holdout:
            return {'d_train': train, 'd_generated': generated}
        holdout = mean_logit(self._holdout.pixels(_JUDGED))
        gap = (train - holdout) / (train - generated) if train > generated else None
        return {'d_train': train, 'd_holdout': holdout, 'd_generated': generated, 'd_gap': gap}

    def _copying(self, pictures: np.ndarray, tick: Tick) -> dict[str, float | None]:
        """By pixels: what a young generator leaves on all its pictures would hide copies from a network."""
        if self._by_pixels is None:
            self._by_pixels = Reference(self._train, self._holdout, _PIXELS, tick)
        found = self._by_pixels.copying(pictures, tick)
        return {'copying': found.z, 'close': found.close} if found else {}

    def _distance(self, pictures: np.ndarray, tick: Tick) -> Kid:
        if self._by_features is None:
            self._by_features = Reference(self._train, self._holdout, self._extractor, tick)
            self._kid_real = self._by_features.kid_of_holdout()
        return self._by_features.kid(pictures, tick)

    def _add(self, step: int, values: dict[str, float | None]) -> Point:
        self._history.add(step, **values)
        verdict = verdicts.judge(self._history.current)
        point = self._history.add(step, verdict=verdict.word)
        self._history.write()
        self._to_tensorboard(step, values)
        self._verdict = verdict
        return point

    def _say_change(self) -> None:
        if self._verdict.word != self._said:
            self.say_verdict()

    def _to_tensorboard(self, step: int, values: dict[str, float | None]) -> None:
        points = [
            v1.Summary.Value(tag=f'metrics/{name}', simple_value=value)
            for name, value in values.items()
            if value is not None and name not in self._losses
        ]
        event_log.writer(self._options.model_dir).add_summary(v1.Summary(value=points), step)


def _generate(generator: sampler.Generator, vectors: np.ndarray, tick: Tick) -> np.ndarray:
    parts = []
    for begin in range(0, len(vectors), _AT_ONCE):
        parts.append(generator.images(vectors[begin : begin + _AT_ONCE]))
        tick(begin)
    return np.concatenate(parts)
