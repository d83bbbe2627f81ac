"""Size, speed and difference of a generator's formats; writes the table of docs/use.md.

  python -m tests.benchmarks.exports --model_dir=runs/photos64 [--model_dir=...] [--rounds=5]
  python -m tests.benchmarks.exports --pretrained=clothes64

Everything runs on one core, to which the process is pinned, so that each format has one thread, TensorFlow too. The
formats take turns. The times are medians of CPU time, to which other work on the machine adds little.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator

import numpy as np

from trainer.exports import conversion
from trainer.generator import loading, saved_model
from trainer.generator.sampler import ExportedGenerator, Generator
from trainer.options import EXPORT_FORMATS, SAVED_MODEL
from trainer.pretrained import packing

_SEEDS = 32
_HEAD = '| generator | format | weights | MB | ms, one at a time | ms an image, 16 at a time | largest difference |'


@contextlib.contextmanager
def exported(model_dir: str, pretrained: str) -> Iterator[tuple[str, str]]:
    """A name, and a SavedModel of the generator."""
    with contextlib.ExitStack() as stack:
        found = loading.find(model_dir or stack.enter_context(packing.unpacked(pretrained)))
        path = os.path.join(stack.enter_context(tempfile.TemporaryDirectory()), 'saved_model')
        saved_model.export(found.hparams, found.checkpoint, path, found.classes)
        kinds = f', {found.hparams.classes} labels' if found.classes else ''
        shape = f'{found.hparams.image_size} px, base_filters {found.hparams.base_filters}{kinds}'
        yield shape, path


def rows(shape: str, path: str, rounds: int) -> Iterator[str]:
    saved = ExportedGenerator(path)
    latents = saved.latents(range(1000, 1000 + _SEEDS))
    expected = saved.images(latents).astype(int)
    contenders: list[tuple[str, str, int, Generator]] = []
    for float16 in (False, True):
        formats = EXPORT_FORMATS[1:] if float16 else EXPORT_FORMATS
        for made in conversion.convert(saved, path, formats, float16):
            run = saved
            if made.format != SAVED_MODEL:
                run = conversion.CONVERTERS[made.format][1](made.content, saved)
            contenders.append((made.format, 'float16' if float16 else 'float32', made.size, run))
    alone = [[] for _ in contenders]
    together = [[] for _ in contenders]
    for _ in range(rounds + 1):  # The first prepares.
        for i, (*_, run) in enumerate(contenders):
            alone[i].append(_ms(run._run, latents[:1], 16))
            together[i].append(_ms(run.images, latents, 1) / _SEEDS)
    for (format_, weights, size, run), one, many in zip(contenders, alone, together):
        difference = np.abs(run.images(latents).astype(int) - expected).max()
        times = [f'{statistics.median(taken[1:]):.1f}' for taken in (one, many)]
        yield f'| {" | ".join([shape, format_, weights, f"{size / 1e6:.1f}", *times, str(difference)])} |'


def _ms(function: Callable, argument: np.ndarray, times: int) -> float:
    began = time.process_time()
    for _ in range(times):
        function(argument)
    return 1000 * (time.process_time() - began) / times


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model_dir', action='append', default=[])
    parser.add_argument('--pretrained', action='append', default=[], choices=packing.NAMES)
    parser.add_argument('--rounds', type=int, default=5)
    flags = parser.parse_args()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})  # Before TensorFlow makes its threads.
    print(f'{_HEAD}\n|{"---|" * 7}')
    wanted = [*((folder, '') for folder in flags.model_dir), *(('', name) for name in flags.pretrained)]
    for model_dir, pretrained in wanted or [('', packing.NAMES[-1])]:
        with exported(model_dir, pretrained) as (shape, path):
            for row in rows(shape, path, flags.rounds):
                print(row, flush=True)


if __name__ == '__main__':
    main()
