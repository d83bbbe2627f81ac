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
    """What is known of a run at one step, None where it was not measured. Each field is a column of `metrics.csv`.

    Attributes:
      step: training steps done.
      discriminator_loss, generator_loss: means since the log line before; not known on a TPU.
      d_real, d_fake: D of training images and of generated ones, means as above; probabilities where the loss has them.
      d_real_sign: mean sign of D(real), in [-1, 1] (r_t of Karras et al. 2020, arXiv:2006.06676): 1 is a discriminator
        that takes every training image for real. Not known on a TPU, and nothing that a critic has.
      twins: share of the sample grid's images with a near twin among the others, by grey pixels.
      twins_real: the same of as many training images.
      d_train, d_holdout, d_generated: mean logits on training images, hold-out images and generated ones, all with
        moving averages as the networks will be used.
      d_gap: (d_train - d_holdout) / (d_train - d_generated), about 0 where D judges new real images like those that it
        learned from and 1 where it takes them for fakes (r_v of the same paper).
      kid, kid_std: kernel inception distance between generated and training images, by --extractor.
      kid_real: the same between hold-out and training images: what a perfect generator would get.
      copying: z-score of the data-copying test by grey pixels; far below 0 where samples are nearer to training images
        than the hold-out's images are.
      close: share of samples as near to a training image as the nearest 5 % of the hold-out are; about 0.05 where
        nothing is copied.
      data: checksum of the data that it was measured on (`run_data.checksum`).
      verdict: what this comes to.
    """

    step: int
    discriminator_loss: float | None = None
    generator_loss: float | None = None
    d_real: float | None = None
    d_fake: float | None = None
    d_real_sign: float | None = None
    twins: float | None = None
    twins_real: float | None = None
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
        """Reads what is there up to `start_step`; what an earlier run measured beyond it will be measured again.

        Args:
          model_dir: of the run.
          start_step: where it is.
          data: checksum of the data that it is trained on now.
        """
        self.path, self._data = os.path.join(model_dir, FILE_NAME), data
        self.points = _read(self.path)
        self.go_back(start_step)

    @property
    def current(self) -> list[Point]:
        """Those measured on the data of now, which alone can be compared with what comes."""
        return [point for point in self.points if point.data == self._data]

    def go_back(self, step: int) -> None:
        """Forgets what was measured beyond `step`."""
        self.points = [point for point in self.points if point.step <= step]

    def add(self, step: int, **values: Any) -> Point:
        """Adds values to the point of `step`, the newest, and returns it; one of other data stays as it is."""
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


def _cell(value: float | str | None) -> str:
    if isinstance(value, float):
        return f'{value:.6g}'
    return '' if value is None else str(value)


def _read(path: str) -> list[Point]:
    try:
        text = files.read_text(path, _MOST_BYTES)
        return _parse(text) if text else []
    except (ValueError, csv.Error) as error:
        logging.warning('%s cannot be read (%s): it begins anew, and what is there goes to %s.old', path, error, path)
        tf.io.gfile.rename(path, f'{path}.old', overwrite=True)
        return []


def _parse(text: str) -> list[Point]:
    """The points of a whole file; raises ValueError where one of them can be none."""
    rows = csv.DictReader(io.StringIO(text), strict=True)
    if 'step' not in (rows.fieldnames or ()):
        raise ValueError('it has no column step')
    points = [_point(row) for row in rows]
    for earlier, later in zip(points, points[1:]):
        if later.step < earlier.step or (later.step, later.data) == (earlier.step, earlier.data):
            raise ValueError('its steps do not rise')
    return points


def _point(row: dict[str, str | None]) -> Point:
    # A column that is not there is of another version of this program.
    step = int(row['step'] or '')
    numbers = {name: float(value) for name in _NUMBERS if (value := row.get(name))}
    if step < 0 or not all(map(math.isfinite, numbers.values())):
        raise ValueError(f'a number of step {step} is none')
    texts = {name: row.get(name) or '' for name in _TEXTS}
    return Point(**cast(dict[str, Any], {'step': step, **numbers, **texts}))
