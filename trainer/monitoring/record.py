"""The record of a run: its measures on disk, in TensorBoard and as a chart, and the verdict on them."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import tensorflow.compat.v1 as v1
from absl import logging

from trainer.generator import samples
from trainer.model_dir import event_log
from trainer.monitoring import chart, verdicts
from trainer.monitoring.history import History, Point


class Record:
    """Takes measures in, keeps them in `metrics.csv`, and logs changes of the verdict.

    Attributes:
      data: checksum of the data that the measures are of (`run_data.checksum`).
    """

    def __init__(self, model_dir: str, start_step: int, data: str):
        """Starts a history, or continues an existing one from `start_step`."""
        self._model_dir, self.data = model_dir, data
        self._history = History(model_dir, start_step, data)
        self._verdict, self._said = verdicts.judge([]), verdicts.HEALTHY
        self._drawn: list[Point] = []

    @property
    def last_step(self) -> int:
        """The step of the last measures; 0 without any."""
        return self._history.points[-1].step if self._history.points else 0

    @property
    def is_empty(self) -> bool:
        """Whether nothing has been measured yet."""
        return not self._history.points

    def add(self, step: int, values: Mapping[str, float | None], told_elsewhere: Collection[str] = ()) -> Point:
        """Adds measures to those of a step.

        Args:
          step: of training.
          values: measures by the names of Point.
          told_elsewhere: names that TensorBoard already has.
        """
        self._history.add(step, **values)
        self._verdict = verdicts.judge(self._history.current)
        point = self._history.add(step, verdict=self._verdict.word)
        self._history.write()
        tags = {f'metrics/{name}': value for name, value in values.items() if name not in told_elsewhere}
        points = [v1.Summary.Value(tag=tag, simple_value=value) for tag, value in tags.items() if value is not None]
        event_log.writer(self._model_dir).add_summary(v1.Summary(value=points), step)
        return point

    def go_back(self, step: int) -> None:
        """Drops the measures after `step`."""
        self._history.go_back(step)
        self._verdict = verdicts.judge(self._history.current)

    def say_verdict(self) -> None:
        """Logs the verdict on all measures so far."""
        log = logging.info if self._verdict.word in verdicts.FINE else logging.warning
        log('verdict at step %d: %s: %s', self.last_step, self._verdict.word, self._verdict.reason)
        self._said = self._verdict.word

    def say_change(self) -> None:
        """Logs the verdict if it differs from the one logged last."""
        if self._verdict.word != self._said:
            self.say_verdict()

    def end_diverged(self, reason: str) -> None:
        """Records that training ended with NaN or infinite values."""
        step = self.last_step
        self._history.add(step, verdict=verdicts.DIVERGED)
        self._history.write()
        logging.error('verdict after step %d: %s: %s', step, verdicts.DIVERGED, reason)

    def draw(self) -> None:
        """Draws the chart of all measures so far, if it lacks any."""
        if self._drawn == self._history.points:
            return
        self._drawn = list(self._history.points)
        chart.write(samples.chart_path(self._model_dir), self._history.points)
