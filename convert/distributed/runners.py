"""Runs a pipeline where the flags say, and says in one line why it fails."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import re
import shlex
from collections.abc import Iterator
from typing import Any, Callable, NoReturn

import apache_beam as beam
from apache_beam.options.pipeline_options import GoogleCloudOptions, PipelineOptions, SetupOptions, WorkerOptions

from convert.distributed import processes, quiet
from convert.distributed.work import Work
from convert.options import DATAFLOW, DIRECT, ConvertOptions, RunnerOptions
from trainer import errors
from trainer.storage import gcs

# An error of ours, as a worker's traceback ends, and as it is when a runner has put it into quotes.
_OURS = re.compile(r'trainer\.errors\.(\w+): (.*?)(?: \[while running|\\n|\n|$)')
# Dataflow's log has the address of the job. What a worker of this machine says is in the error.
_LEVELS = {
    DATAFLOW: {'apache_beam': logging.WARNING, 'apache_beam.runners.dataflow': logging.INFO},
    DIRECT: {'apache_beam': logging.CRITICAL},
}
_WORKER_LOST = ('Channel closed', 'Multiplexer hanging up')


class WorkerLost(errors.Transient):
    """A worker process ended in the middle, and Beam cannot say why."""


def run(runner: RunnerOptions, job: Work, build: Callable[[beam.Pipeline], None]) -> None:
    """Builds a pipeline, runs it, and waits for its end.

    Raises:
      errors.UserError: it fails; of the kind that a worker has raised, if it was one of ours, or `WorkerLost`.
    """
    try:
        with quiet.running(_LEVELS[runner.runner]), _engine(runner, job) as engine:
            graph = beam.Pipeline(runner=engine, options=_options(runner, job))
            build(graph)
            _finish(graph.run())
    except errors.UserError:
        raise
    except Exception as error:
        raise explained(error) from None


def _finish(running: Any) -> None:
    """Waits; a job that nobody waits for any more is cancelled, because it costs money and writes for nobody."""
    try:
        running.wait_until_finish()
    except BaseException:
        with contextlib.suppress(Exception):  # It has ended, or cannot be reached.
            running.cancel()
        raise


def explained(error: Exception) -> errors.UserError:
    """The error of ours that a worker has raised, or else the last line of what Beam says."""
    text = str(error)
    found = _OURS.findall(text)
    if found:
        kind = getattr(errors, found[-1][0], errors.UserError)
        return kind(errors.one_line(found[-1][1]))
    lines = [line.strip() for line in text.splitlines() if line.strip()] or [type(error).__name__]
    if any(sign in text for sign in _WORKER_LOST):
        return _worker_lost(lines[-1])
    return errors.UserError(errors.one_line(f'Apache Beam failed: {lines[-1]}'))


def _worker_lost(said: str) -> WorkerLost:
    return WorkerLost(
        errors.one_line(
            f'a worker of Apache Beam ended in the middle ({said}): nothing is written, start again; if it happens '
            'again, look for a lack of memory'
        )
    )


@contextlib.contextmanager
def _engine(runner: RunnerOptions, job: Work) -> Iterator[Any]:
    if runner.runner == DATAFLOW:
        from apache_beam.runners.dataflow.dataflow_runner import DataflowRunner

        yield DataflowRunner()
    else:
        with processes.runner(job.waiting, _worker_lost) as engine:
            yield engine


def _options(runner: RunnerOptions, job: Work) -> PipelineOptions:
    words = _checked_words(runner.beam_flags)
    if runner.runner != DATAFLOW:
        return PipelineOptions([f'--direct_num_workers={job.options.workers or os.cpu_count() or 1}', *words])
    found = PipelineOptions([f'--temp_location={job.shared}/beam', *words])
    setup, cloud = found.view_as(SetupOptions), found.view_as(GoogleCloudOptions)
    if not (setup.setup_file or setup.extra_packages or found.view_as(WorkerOptions).sdk_container_image):
        raise errors.UserError(
            f'--beam_flags={runner.beam_flags} gives the workers of Dataflow no code: add --sdk_container_image=IMAGE, '
            'or --extra_package=dist/tpu_dcgan-0.1.0.tar.gz after python -m build (docs/dataflow.md)'
        )
    if not (cloud.project and cloud.region):
        raise errors.UserError(f'--beam_flags={runner.beam_flags} lacks --project=PROJECT or --region=REGION')
    return found


def _checked_words(beam_flags: str) -> list[str]:
    """Splits the options, and refuses values that would end in Beam's usage text, and names that it would drop."""

    class Parser(argparse.ArgumentParser):
        def error(self, message: str) -> NoReturn:
            raise errors.UserError(
                errors.one_line(
                    f'--beam_flags={beam_flags} is not what Apache Beam takes ({message}): correct the value'
                )
            )

    parser = Parser(add_help=False, allow_abbrev=False, conflict_handler='resolve')
    for kind in PipelineOptions.__subclasses__():
        kind._add_argparse_args(parser)
    try:
        words = shlex.split(beam_flags)
    except ValueError as error:
        parser.error(str(error))
    _, unknown = parser.parse_known_args(words)
    if unknown:
        raise errors.UserError(
            f'--beam_flags has {unknown[0]}, which is no option of Apache Beam: look for a typing error'
        )
    return words


def check(runner: RunnerOptions, options: ConvertOptions) -> None:
    """Checks before anything is written that workers on other machines can reach the folders.

    Raises:
      errors.UserError: they cannot.
    """
    for flag in ('input_dir', 'output_dir'):
        folder = getattr(options, flag)
        if runner.runner == DATAFLOW and not gcs.is_remote(folder):
            raise errors.UserError(f'--{flag}={folder} is on this machine, and --runner={DATAFLOW} needs gs:// folders')
