"""What is known about a trained generator, from the files of its run; anything may be unknown."""

from __future__ import annotations

import dataclasses
import os

from trainer.dcgan.conditioning import Classes
from trainer.dcgan.hparams import HParams
from trainer.generator.sampler import ExportedGenerator
from trainer.model_dir import run_data
from trainer.model_dir.run_data import RunData
from trainer.monitoring import best, history
from trainer.monitoring.best import Best
from trainer.monitoring.history import Point


@dataclasses.dataclass(frozen=True)
class Facts:
    """A trained generator.

    Attributes:
      place: the run's folder, the SavedModel's, or the name of a pretrained model.
      image_size, channels, noise_dim: of the generator.
      classes: of its pictures; None for an unconditional one.
      hparams: of the run.
      step: of the checkpoint.
      which: 'best' or 'last'.
      data: what the run was trained on.
      data_path: where that is.
      point: the measures at that step.
      best: the best checkpoint of the run.
      verdict: the last one up to that step, '' if there is none.
      is_run: whether `place` is a run's folder.
    """

    place: str
    image_size: int
    channels: int
    noise_dim: int
    classes: Classes | None = None
    hparams: HParams | None = None
    step: int = 0
    which: str = ''
    data: RunData | None = None
    data_path: str = ''
    point: Point | None = None
    best: Best | None = None
    verdict: str = ''
    is_run: bool = False

    @property
    def name(self) -> str:
        """A short name."""
        return os.path.basename(self.place.rstrip('/')) or self.place


def of_run(model_dir: str, hparams: HParams, classes: Classes | None, step: int, which: str) -> Facts:
    """Reads the facts of a run's checkpoint.

    Raises:
      errors.UserError: a file of the run is damaged.
    """
    data = run_data.read(model_dir)
    points = [point for point in history.read(model_dir, step) if not data or point.data == data.checksum]
    kept = best.read(model_dir)
    return Facts(
        model_dir,
        hparams.image_size,
        hparams.channels,
        hparams.noise_dim,
        classes,
        hparams=hparams,
        step=step,
        which=which,
        data=data,
        data_path=run_data.options_of(model_dir, '').train_data if data else '',
        point=next((point for point in reversed(points) if point.step == step), None),
        best=kept if kept and data and kept.data == data.checksum else None,
        verdict=next((point.verdict for point in reversed(points) if point.verdict), ''),
        is_run=True,
    )


def of_saved_model(path: str, exported: ExportedGenerator) -> Facts:
    """The little that a SavedModel itself tells."""
    *_, size, channels = next(iter(exported.signature.structured_outputs.values())).shape
    return Facts(path, int(size), int(channels), exported.noise_dim, exported.classes)
