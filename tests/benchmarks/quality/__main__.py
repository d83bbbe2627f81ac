"""The recipe of the DCGAN paper against ours, on your own photographs: trains, measures, and draws the results.

  python -m tests.benchmarks.quality --images=photos --output_dir=runs/quality
  python -m tests.benchmarks.quality --images=photos --output_dir=runs/quality --study=final32,final64 --cpu=1

The same command resumes where the last one ended. Runs that two studies share are trained once. Several of these
commands may work in one --output_dir at a time, each on its own core. Each study writes DIR/STUDY.csv, .md, .png and
_grids.png. A run of 512,000 images takes half an hour of a core with AVX2 at 32 px, and by its pace more than two hours
at 64 px. --smoke tries all studies in half an hour, or one of them in minutes; its results mean nothing.
"""

from __future__ import annotations

import argparse
import pathlib
import signal
import sys
from collections.abc import Sequence

from tests.benchmarks.quality import plots, tables
from tests.benchmarks.quality.data_sets import DataSets
from tests.benchmarks.quality.processes import Failed
from tests.benchmarks.quality.runs import Runs
from tests.benchmarks.quality.studies import STUDIES, Run, small
from trainer.features import registry
from trainer.quiet import quieten_tensorflow


def report(name: str, runs: Runs, study: Sequence[Run]) -> None:
    """Writes the files of a study from its finished runs, and prints its table."""
    finished = [run for run in study if runs.finished(run)]
    print(f'\n{name}: {len(finished)} of {len(study)} runs are finished', flush=True)
    if not finished:
        return
    lines = [line for run in finished for line in tables.rows(runs, run)]
    tables.write_csv(runs.folder / f'{name}.csv', lines)
    table = tables.markdown(lines)
    (runs.folder / f'{name}.md').write_text(table)
    picture = runs.folder / f'{name}.png'
    if name == 'how_many':
        plots.draw_sizes(picture, lines)
    else:
        plots.draw_curves(picture, name, runs, finished)
    plots.draw_grids(runs.folder / f'{name}_grids.png', runs, finished, lines)
    print(table, flush=True)


def plan(name: str, runs: Runs, study: Sequence[Run]) -> None:
    """Prints what would be done; a run's name has n0 until its full data set exists."""
    for run in study:
        state = 'finished' if runs.finished(run) else 'to evaluate' if runs.trained(run) else 'to train'
        print(f'{name}: {runs.name(run)}: {state}, from step {runs.last_step(run):,} to {run.steps:,}')
        print(f'  python -m trainer.task {" ".join(runs.task_flags(run))}')


def complete(name: str, runs: Runs, study: Sequence[Run]) -> bool:
    """Does the rest of a study; returns False if a run failed."""
    failed = False
    for number, run in enumerate(study, start=1):
        print(f'{name}: run {number} of {len(study)}', flush=True)
        try:
            if not runs.complete(run):
                print(f'{runs.name(run)}: another process works on it', flush=True)
        except Failed as error:
            print(f'{runs.name(run)}: {error}', flush=True)
            failed = True
    return not failed


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=pathlib.Path, required=True, help='folder of photographs, 2,000 or more')
    parser.add_argument('--output_dir', type=pathlib.Path, required=True)
    parser.add_argument('--study', default=','.join(STUDIES), help=f'some of {", ".join(STUDIES)}')
    parser.add_argument('--fit', default='', help="how an oblong image becomes square: the converter's --fit")
    parser.add_argument('--count', type=int, default=2000, help='images to generate for an evaluation')
    parser.add_argument(
        '--compute_dtype', choices=('float32', 'bfloat16'), default='float32', help='bfloat16 only for CPUs with AMX'
    )
    parser.add_argument('--cpu', type=int, help='the only core to use')
    parser.add_argument('--report_only', action='store_true', help='only write the reports: no training, no measuring')
    parser.add_argument('--dry_run', action='store_true', help='print what would be done')
    parser.add_argument('--smoke', action='store_true', help='16 steps of tiny networks, to try the studies themselves')
    options = parser.parse_args(arguments)
    options.study = options.study.split(',')
    unknown = [name for name in options.study if name not in STUDIES]
    if unknown:
        parser.error(f'--study={",".join(unknown)} is none of {", ".join(STUDIES)}')
    return options


def main() -> int:
    options = parse()
    quieten_tensorflow()
    for signum in (signal.SIGINT, signal.SIGTERM):  # So that the current run is told to save and end.
        signal.signal(signum, lambda number, _: sys.exit(128 + number))
    folder = options.output_dir.resolve()
    data_sets = DataSets(options.images.resolve(), folder / 'data', options.cpu, options.fit)
    extractor, count = ('pixels', 100) if options.smoke else (registry.DEFAULT, options.count)
    runs = Runs(folder, data_sets, count, extractor, options.compute_dtype, options.cpu)
    done = True
    for name in options.study:
        study = [small(run) for run in STUDIES[name]] if options.smoke else STUDIES[name]
        if options.dry_run:
            plan(name, runs, study)
            continue
        if not options.report_only:
            done = complete(name, runs, study) and done
        report(name, runs, study)
    return 0 if done else 1


if __name__ == '__main__':
    sys.exit(main())
