"""The estimates of Google's TPU compiler for the step of --runtime=pjrt, on a machine without a TPU.

  make bench-tpu        or, after make venv-pjrt DEVICE=tpu:
  .venv-pjrt/bin/python -m tests.benchmarks.pjrt_compile --write

Compiles the program that the trainer would run, for all chips of a slice with one host, all-reduce and all. The
compiler annotates every operation with the cycles that it expects. A product of two matrices of 4,096 x 4,096 is
compiled beside it: its time is known from the chip's published peak, and turns cycles into milliseconds. The step is
the article's, with base 64 and 128 images a chip, in bfloat16. This is a cost model's estimate, without infeed and
host, and without the time of the all-reduce, for which the compiler has no cycles: never quote it as a measurement.

Each case is kept in --folder as soon as it is there, so a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import pathlib
import re
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).parent.parent.parent
PER_CHIP, BASE_FILTERS, MATRIX = 128, 64, 4096
MARKS = '<!-- pjrt_compile -->', '<!-- /pjrt_compile -->'
# Keeps the compiler from looking for a TPU or its metadata server, and from taking a TPU's lock.
ALONE = {
    'TPU_SKIP_MDS_QUERY': '1',
    'JAX_PLATFORMS': 'cpu',
    'ALLOW_MULTIPLE_LIBTPU_LOAD': '1',
    'TF_CPP_MIN_LOG_LEVEL': '3',
}


@dataclasses.dataclass(frozen=True)
class Slice:
    """A slice with one host: libtpu's name, its chips, and the peak of a chip in bfloat16.

    Peaks: cloud.google.com/tpu/docs/system-architecture-tpu-vm.
    """

    topology: str
    chips: int
    peak_tflops: float


SLICES = {
    'v4': Slice('v4:2x2x1', 4, 275.0),
    'v5e': Slice('v5e:2x2', 4, 197.0),
    'v5p': Slice('v5p:2x2x1', 4, 459.0),
    'v6e': Slice('v6e:2x2', 4, 918.0),
}


@dataclasses.dataclass(frozen=True)
class Estimate:
    """What the compiler says of one step on all chips of a slice."""

    cycles: float
    all_reduces: int
    matrix_cycles: float
    aliased_mb: float
    temporary_mb: float
    compile_s: float

    def milliseconds(self, where: Slice) -> float:
        """Of a step, by the time that a product of matrices takes at the chip's peak."""
        return self.cycles / self.matrix_cycles * 2 * MATRIX**3 / where.peak_tflops / 1e9


def compile_step(chip: str, size: int) -> Estimate:
    """Lowers and compiles a step."""
    import jax
    import jax.numpy as jnp
    import numpy as np
    from jax.experimental import topologies
    from jax.sharding import Mesh, NamedSharding, PartitionSpec

    from tests.benchmarks.tpu_compile import RECIPES, costs
    from trainer.dcgan.hparams import HParams
    from trainer.pjrt import device, lowering

    where = SLICES[chip]
    hparams = HParams(
        image_size=size, channels=3, base_filters=BASE_FILTERS, train_batch_size=PER_CHIP * where.chips,
        **RECIPES['article'],
    )  # fmt: skip
    step = lowering.lower(hparams, where.chips, for_tpu=True)
    devices = topologies.get_topology_desc(topology_name=where.topology, platform='tpu').devices
    jax.config.update('jax_enable_x64', True)
    sharding = NamedSharding(Mesh(np.array(devices[: where.chips]), device.AXIS), PartitionSpec(device.AXIS))
    began = time.monotonic()
    compiled = device.visit_function(step, sharding).lower(*device.arguments(step, sharding, steps=2)).compile()
    took = time.monotonic() - began
    text, memory = compiled.as_text(), compiled.memory_analysis()
    one = NamedSharding(Mesh(np.array(devices[:1]), device.AXIS), PartitionSpec())
    matrix = jax.ShapeDtypeStruct((MATRIX, MATRIX), jnp.bfloat16, sharding=one)
    product = jax.jit(jnp.matmul).lower(matrix, matrix).compile().as_text()
    return Estimate(
        cycles=sum(cycles for cycles, _ in costs(text)),
        all_reduces=len(re.findall(r' all-reduce(?:-start)?\(', text)),
        matrix_cycles=sum(cycles for cycles, _ in costs(product)),
        aliased_mb=memory.alias_size_in_bytes / 1e6,
        temporary_mb=memory.temp_size_in_bytes / 1e6,
        compile_s=took,
    )


def estimate(chip: str, size: int, folder: pathlib.Path) -> Estimate:
    """From `folder`, or compiled in a process of its own, whose memory is freed."""
    kept = folder / f'{chip}_{size}.json'
    if not kept.exists():
        command = [sys.executable, '-m', 'tests.benchmarks.pjrt_compile', '--worker', chip, '--sizes', str(size)]
        ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **ALONE}, capture_output=True, text=True)
        if ended.returncode:
            raise SystemExit(f'{" ".join(command)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}')
        kept.write_text(ended.stdout.splitlines()[-1])
    return Estimate(**json.loads(kept.read_text()))


def table(estimates: dict[tuple[str, int], Estimate]) -> str:
    """The estimates in Markdown."""
    lines = [
        '| 4 chips of | size | ms a step | images/s | all-reduces | temporary memory | compile time |',
        '|---|---|---|---|---|---|---|',
    ]
    for (chip, size), found in estimates.items():
        where = SLICES[chip]
        ms = found.milliseconds(where)
        lines.append(
            f'| {chip} | {size} px | {ms:.2f} | {PER_CHIP * where.chips / ms * 1e3:,.0f} | {found.all_reduces} '
            f'| {found.temporary_mb:.0f} MB | {found.compile_s:.0f} s |'
        )
    return '\n'.join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--chips', nargs='+', choices=list(SLICES), default=list(SLICES))
    parser.add_argument('--sizes', type=int, nargs='+', default=[32, 64, 128])
    parser.add_argument('--folder', type=pathlib.Path, default=ROOT / 'runs' / 'pjrt_compile')
    parser.add_argument('--write', action='store_true', help='write the table of docs/tpu.md')
    parser.add_argument('--worker', choices=list(SLICES), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        print(json.dumps(dataclasses.asdict(compile_step(args.worker, args.sizes[0]))))
        return
    args.folder.mkdir(parents=True, exist_ok=True)
    estimates = {}
    for size in args.sizes:
        for chip in args.chips:
            estimates[chip, size] = estimate(chip, size, args.folder)
            print(table({(chip, size): estimates[chip, size]}).splitlines()[-1], flush=True)
    if args.write:  # All that are kept, of earlier runs too.
        path = ROOT / 'docs' / 'tpu.md'
        kept = [
            (chip, size) for chip in SLICES for size in (32, 64, 128) if (args.folder / f'{chip}_{size}.json').exists()
        ]
        shown = {key: estimate(*key, args.folder) for key in kept}
        block = f'{MARKS[0]}\n{table(shown)}\n{MARKS[1]}'
        path.write_text(re.sub(f'{MARKS[0]}.*?{MARKS[1]}', block, path.read_text(), flags=re.DOTALL))


if __name__ == '__main__':
    main()
