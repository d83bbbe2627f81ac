"""The measures of a run over its steps, kept in `metrics.csv`."""

from __future__ import annotations

import csv
import dataclasses
import io
import math
import os
from typing import Any, cast

import tensorflow as tf
from absl import logging

from trainer.filesystem import files

FILE_NAME = 'metrics.csv'


@dataclasses.dataclass(frozen=True)
class Point:
    """The measures of a run at one step, None if not measured. Each field is a column of `metrics.csv`.

    Attributes:
      step: training steps done.
      discriminator_loss, generator_loss: means since the previous log line; unknown on a TPU.
      d_real, d_fake: D of training images and of generated ones, means as above; probabilities if the loss has them.
      d_real_sign: mean sign of D(real), in [-1, 1] (r_t of Karras et al. 2020, arXiv:2006.06676). At 1 the
        discriminator takes every training image for real. Unknown on a TPU; a critic has none.
      augment_share: share of the images that are augmented, mean as above; unknown if it is fixed, and on a TPU.
      twins: share of the sample grid's images with a near-duplicate among the others, by grey pixels.
      twins_real: the same for as many training images.
      label_twins: of a run with classes, the largest excess of the twins among the pictures of one class over those
        among as many real images of it.
      d_train, d_holdout, d_generated: mean logits on training images, hold-out images and generated ones, all with
        batch norm's moving averages, as in later use.
      d_gap: (d_train - d_holdout) / (d_train - d_generated), about 0 if D scores new real images like training images,
        and 1 if it scores them like generated ones (r_v of the same paper).
      kid, kid_std: kernel inception distance between generated and training images, by --extractor.
      kid_real: the same between hold-out and training images: what a perfect generator would get.
      copying: z-score of the data-copying test by grey pixels; far below 0 if samples are nearer to training images
        than the hold-out's images are.
      close: share of samples as near to a training image as the nearest 5 % of the hold-out are; about 0.05 if nothing
        is copied.
      data: checksum of the data that the measures are of (`run_data.checksum`).
      verdict: the verdict at this step.
    """

    step: int
    discriminator_loss: float | None = None
    generator_loss: float | None = None
    d_real: float | None = None
    d_fake: float | None = None
    d_real_sign: float | None = None
    augment_share: float | None = None
    twins: float | None = None
    twins_real: float | None = None
    label_twins: float | None = None
    d_train: float | None = None
    d_holdout: float | None = None
    d_generated: float | None = None
    d_gap: float | None = None
    kid: float | None = None
    kid_std: float | None = None
    kid_real: float | None = None
    copying: float | None = None
    close: float | None = None
    data: str = ''
    verdict: str = ''


_TEXTS = ('data', 'verdict')
_COLUMNS = tuple(field.name for field in dataclasses.fields(Point))
_NUMBERS = tuple(name for name in _COLUMNS if name != 'step' and name not in _TEXTS)
_MOST_BYTES = 64 << 20


class History:
    """The points of a run in the order of their steps, and their file."""

    def __init__(self, model_dir: str, start_step: int = 0, data: str = ''):
        """Reads the points up to `start_step`; the run will measure later steps again.

        Args:
          model_dir: of the run.
          start_step: the run's current step.
          data: checksum of the data that it is trained on now.
        """
        self.path, self._data = os.path.join(model_dir, FILE_NAME), data
        self.points = _read(self.path)
        self.go_back(start_step)

    @property
    def current(self) -> list[Point]:
        """The points measured on the current data; only they are comparable with later points."""
        return [point for point in self.points if point.data == self._data]

    def go_back(self, step: int) -> None:
        """Drops the points after `step`."""
        self.points = [point for point in self.points if point.step <= step]

    def add(self, step: int, **values: Any) -> Point:
        """Adds values to the newest point if it has this step and the current data, else to a new point; returns it."""
        if self.points and (self.points[-1].step, self.points[-1].data) == (step, self._data):
            self.points[-1] = dataclasses.replace(self.points[-1], **values)
        else:
            self.points.append(Point(step, **values, data=self._data))
        return self.points[-1]

    def write(self) -> None:
        """Writes `metrics.csv`."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator='\n')
        writer.writerow(_COLUMNS)
        writer.writerows([_cell(getattr(point, name)) for name in _COLUMNS] for point in self.points)
        files.write_bytes(self.path, text.getvalue().encode())


def read(model_dir: str, step: int) -> list[Point]:
    """The points of a run up to a step, without changing anything; none if the file is absent or damaged."""
    try:
        text = files.read_text(os.path.join(model_dir, FILE_NAME), _MOST_BYTES)
        return [point for point in _parse(text or 'step') if point.step <= step]
    except (ValueError, csv.Error) as error:
        logging.warning('%s in %s cannot be read (%s)', FILE_NAME, model_dir, error)
        return []


def _cell(value: float | str | None) -> str:
    if isinstance(value, float):
        return f'{value:.6g}'
    return '' if value is None else str(value)


def _read(path: str) -> list[Point]:
    try:
        text = files.read_text(path, _MOST_BYTES)
        return _parse(text) if text else []
    except (ValueError, csv.Error) as error:
        logging.warning('%s cannot be read (%s): starting a new one, the old one is kept as %s.old', path, error, path)
        tf.io.gfile.rename(path, f'{path}.old', overwrite=True)
        return []


def _parse(text: str) -> list[Point]:
    """The points of a whole file; raises ValueError if one of them is invalid."""
    rows = csv.DictReader(io.StringIO(text), strict=True)
    if 'step' not in (rows.fieldnames or ()):
        raise ValueError('it has no column step')
    points = [_point(row) for row in rows]
    for earlier, later in zip(points, points[1:]):
        if later.step < earlier.step or (later.step, later.data) == (earlier.step, earlier.data):
            raise ValueError('its steps do not increase')
    return points


def _point(row: dict[str, str | None]) -> Point:
    # If a column is missing, another version of this program wrote the file.
    step = int(row['step'] or '')
    numbers = {name: float(value) for name in _NUMBERS if (value := row.get(name))}
    if step < 0 or not all(map(math.isfinite, numbers.values())):
        raise ValueError(f'step {step} is negative, or one of its numbers is NaN or infinite')
    texts = {name: row.get(name) or '' for name in _TEXTS}
    return Point(**cast(dict[str, Any], {'step': step, **numbers, **texts}))
