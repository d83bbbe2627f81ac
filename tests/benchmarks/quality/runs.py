"""Trains and measures one run, and does each part only once."""

from __future__ import annotations

import dataclasses
import pathlib
from collections.abc import Iterator

from tests.benchmarks.quality import processes
from tests.benchmarks.quality.data_sets import DataSets
from tests.benchmarks.quality.studies import Data, Run
from trainer import errors
from trainer.model_dir import checkpoints
from trainer.options import BEST, LAST

OWN, PIXELS = 'own', 'pixels'


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One measurement of a run.

    Attributes:
      kind: LAST or BEST is that checkpoint, compared with the full set. OWN is the last checkpoint, compared with the
        images that it was trained on. PIXELS is the last checkpoint, compared by pixels, without a network that has
        seen photographs.
      data: the images that generated ones are compared with.
      path: the JSON of trainer.evaluate, which need not exist yet.
    """

    kind: str
    data: pathlib.Path
    path: pathlib.Path


@dataclasses.dataclass(frozen=True)
class Runs:
    """Trains and measures.

    Attributes:
      folder: holds evaluations/, and runs/ with a model_dir and a log for each run.
      count: images to generate for an evaluation.
      extractor: the features that they are compared by.
      compute_dtype: the type that all runs are trained in.
      cpu: the only core to use, None for all.
    """

    folder: pathlib.Path
    data_sets: DataSets
    count: int
    extractor: str
    compute_dtype: str
    cpu: int | None = None

    def name(self, run: Run) -> str:
        return run.name(self.data_sets.images_of(run.data, run.size))

    def model_dir(self, run: Run) -> pathlib.Path:
        return self.folder / 'runs' / self.name(run)

    def log(self, run: Run) -> pathlib.Path:
        return self.model_dir(run).with_name(f'{self.name(run)}.log')

    def task_flags(self, run: Run) -> list[str]:
        data = self.data_sets.path(run.data, run.size)
        return [
            f'--model_dir={self.model_dir(run)}',
            f'--train_data={data}',
            f'--compute_dtype={self.compute_dtype}',
            *run.training_flags(),
        ]

    def last_step(self, run: Run) -> int:
        """The step of the newest checkpoint, 0 if there is none."""
        return _newest_step(self.model_dir(run))

    def diverged(self, run: Run) -> bool:
        """Whether training ended because a value became NaN or infinite."""
        return self._mark(run).exists()

    def trained(self, run: Run) -> bool:
        return self.last_step(run) >= run.steps or self.diverged(run)

    def finished(self, run: Run) -> bool:
        """Whether the run is trained, and all its evaluations exist."""
        return self.trained(run) and all(evaluation.path.exists() for evaluation in self.evaluations(run))

    def complete(self, run: Run) -> bool:
        """Does the rest of the run; returns False if another process works on it.

        Raises:
          processes.Failed: a command failed.
        """
        self.data_sets.make(run.data, run.size)
        with processes.held(self.folder / 'runs' / f'.{self.name(run)}.lock') as taken:
            if taken:
                self._train(run)
                for evaluation in self.evaluations(run):
                    self._evaluate(run, evaluation)
        return taken

    def evaluations(self, run: Run) -> Iterator[Evaluation]:
        """The measurements of a trained run; OWN only if its own images are not the full set."""
        full, last = self.data_sets.full(run.size), self.last_step(run)
        best = _newest_step(pathlib.Path(checkpoints.best_folder(str(self.model_dir(run)))))
        yield self._evaluation(run, LAST, full, last)
        if best not in (0, last):
            yield self._evaluation(run, BEST, full, best)
        if run.data != Data():
            yield self._evaluation(run, OWN, self.data_sets.path(run.data, run.size), last)
        if self.extractor != PIXELS:
            yield self._evaluation(run, PIXELS, full, last)

    def _evaluation(self, run: Run, kind: str, data: pathlib.Path, step: int) -> Evaluation:
        folder = self.folder / 'evaluations' / self.name(run) / kind
        return Evaluation(kind, data, folder / f'evaluation_step_{step:06d}.json')

    def _train(self, run: Run) -> None:
        if self.trained(run):
            return
        print(f'{self.name(run)}: training to step {run.steps:,}', flush=True)
        self.model_dir(run).parent.mkdir(parents=True, exist_ok=True)
        diverged = errors.TrainingDiverged.exit_code
        code = processes.run('trainer.task', self.task_flags(run), self.log(run), self.cpu, (0, diverged))
        if code == diverged:
            self._mark(run).write_text(f'It diverged after step {self.last_step(run)}; remove this file to go on.\n')

    def _evaluate(self, run: Run, evaluation: Evaluation) -> None:
        if evaluation.path.exists():
            return
        print(f'{self.name(run)}: evaluating {evaluation.kind}', flush=True)
        flags = [
            f'--model_dir={self.model_dir(run)}',
            f'--data={evaluation.data}',
            f'--checkpoint={BEST if evaluation.kind == BEST else LAST}',
            f'--output_dir={evaluation.path.parent}',
            f'--count={self.count}',
            f'--extractor={PIXELS if evaluation.kind == PIXELS else self.extractor}',
        ]
        processes.run('trainer.evaluate', flags, self.log(run), self.cpu)

    def _mark(self, run: Run) -> pathlib.Path:
        return self.model_dir(run).with_name(f'{self.name(run)}.diverged')


def _newest_step(folder: pathlib.Path) -> int:
    found = checkpoints.newest_first(str(folder))
    return checkpoints.step_of(found[0]) if found else 0
