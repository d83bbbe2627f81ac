"""The estimates of Google's TPU compiler for the training step, on a machine without a TPU.

  make bench-tpu        or, with a virtual environment that holds tests/benchmarks/tpu_compile.txt:
  python -m tests.benchmarks.tpu_compile --compiler=.venv-tpu/bin/python

Takes the body of TPUEstimator's own training loop, one core's step of 128 images, and compiles it ahead of time for
each TPU. The compiler annotates every operation with the cycles that it expects. Their sum divided by the clock is the
time of a step. This is an estimate from a cost model in a compiler of 2025. It does not include the infeed, the host
and the all-reduce of the gradients. Never quote it as a measurement.

Writes the estimates into the table of docs/tpu.md and, with the costliest operations, to docs/tpu_compile.md. The form
`plain` is the same model with TensorFlow's own convolutions, without those of trainer/dcgan/convolution.py. All
estimates are for the article's recipe, the plain DCGAN. A separate table has what each option of other recipes adds.
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
import tempfile

ROOT = pathlib.Path(__file__).parent.parent.parent
PAGE = ROOT / 'docs' / 'tpu_compile.md'
PER_CORE, CORES = 128, 8
BASE_FILTERS = 64
SHOWN_OPERATIONS = 6


@dataclasses.dataclass(frozen=True)
class Chip:
    """One kind of TPU: libtpu's name of its smallest slice, and the clock and the published peak of one core.

    Peaks: cloud.google.com/tpu/docs/system-architecture-tpu-vm, bfloat16, per core. The clocks are chosen so that the
    compiler's cycles for a product of two 4,096 x 4,096 matrices give that peak, less a few percent.
    """

    topology: str
    gigahertz: float
    peak_tflops: float


CHIPS = {
    'v2': Chip('v2:2x2', 0.70, 22.5),
    'v3': Chip('v3:2x2', 0.94, 61.5),
    'v4': Chip('v4:2x2x1', 1.05, 137.5),
    'v5e': Chip('v5e:2x2', 1.5, 197.0),
}
INFORMATION_ONLY = ('v4', 'v5e')  # TPUEstimator does not run on a v5e, and is not known to run on a v4.


_ARTICLE = {
    'kernel_size': 5, 'generator_norm': 'batch', 'discriminator_norm': 'batch', 'augment': 'none',
    'ema_half_life_kimg': 0.0, 'update': 'joint', 'generator_output': 'deconv', 'augment_target': 0.0,
    'generator_upsampling': 'plain',
}  # fmt: skip
RECIPES: dict[str, dict] = {
    'article': _ARTICLE,
    'default': {'augment_after_kimg': 1.0},
    'alternating': {**_ARTICLE, 'update': 'alternating'},
    'relativistic': {**_ARTICLE, 'update': 'alternating', 'loss': 'relativistic'},
    'self_modulated': {**_ARTICLE, 'generator_norm': 'self_modulated'},
    'kernel_4': {**_ARTICLE, 'kernel_size': 4},
    'refined': {**_ARTICLE, 'generator_output': 'refined'},
    'filtered': {**_ARTICLE, 'kernel_size': 4, 'generator_upsampling': 'filtered'},
    'features': {**_ARTICLE, 'discriminator_input': 'features'},
    'ema': {**_ARTICLE, 'ema_half_life_kimg': 10.0},
    'spectral': {**_ARTICLE, 'discriminator_norm': 'spectral'},
    'stddev': {**_ARTICLE, 'minibatch_stddev': True},
    'r1': {**_ARTICLE, 'discriminator_norm': 'none', 'r1_gamma': 0.1},
    'flip': {**_ARTICLE, 'flip': True},
    'color': {**_ARTICLE, 'augment': 'color'},
    'translation': {**_ARTICLE, 'augment': 'translation'},
    'cutout': {**_ARTICLE, 'augment': 'cutout'},
    'conditional': {**_ARTICLE, 'condition': 'labels', 'classes': 10, 'condition_after_kimg': 1.0},
}


@dataclasses.dataclass(frozen=True)
class Case:
    """One step to compile."""

    chip: str
    size: int
    dtype: str
    form: str = 'folded'
    recipe: str = 'article'

    @property
    def program(self) -> str:
        return f'{self.size}_{self.dtype}_{self.form}_{self.recipe}.hlo'


@dataclasses.dataclass(frozen=True)
class Estimate:
    """The compiler's estimate of a case: milliseconds and images/s by the cost model, and memory in MB."""

    cycles: float
    ms: float
    images_per_s: float
    mxu: float
    temporary_mb: float
    operations: list


def write_program(case: Case, folder: pathlib.Path) -> None:
    """Writes the step of one core as serialised HLO."""
    from unittest import mock

    import tensorflow as tf

    from tests.fakes import tpu_program
    from trainer.dcgan import convolution, input_fn
    from trainer.dcgan.hparams import HParams

    hparams = HParams(
        image_size=case.size, channels=3, base_filters=BASE_FILTERS, train_batch_size=PER_CORE * CORES,
        compute_dtype=case.dtype, **RECIPES[case.recipe],
    )  # fmt: skip
    plain = mock.patch.object(convolution, '_fold', lambda *_: (1, 1))
    if case.form == 'plain':
        plain.start()
    program = tpu_program.build(hparams, 'train', input_fn.null_input_fn, str(folder / 'model_dir'))
    if case.form == 'plain':
        plain.stop()
    step = tpu_program.XlaStep(program)
    hlo = step.step.experimental_get_compiler_ir(*(tf.zeros(spec.shape, spec.dtype) for spec in step.infeed))
    (folder / case.program).write_bytes(hlo(stage='hlo_serialized'))


def compile_program(case: Case, folder: pathlib.Path) -> Estimate:
    """Compiles a step for its TPU; runs in the environment that has jax and libtpu, but not TensorFlow."""
    import numpy as np
    from jax._src.lib import _jax, xla_client
    from jax.experimental import topologies

    chip = CHIPS[case.chip]
    computation = xla_client.XlaComputation((folder / case.program).read_bytes())
    device = topologies.get_topology_desc(topology_name=chip.topology, platform='tpu').devices[0]
    options = xla_client.CompileOptions()
    options.num_replicas = options.num_partitions = 1
    options.device_assignment = xla_client.DeviceAssignment.create(np.array([[device.id]]))
    module = _jax.mlir.xla_computation_to_mlir_module(computation).encode()
    compiled = device.client.compile(module, xla_client.DeviceList((device,)), options)
    operations = costs(compiled.hlo_modules()[0].to_string())
    cycles = sum(cost for cost, _ in operations)
    seconds = cycles / chip.gigahertz / 1e9
    analysis = compiled.cost_analysis()
    flops = (analysis[0] if isinstance(analysis, list) else analysis)['flops']
    return Estimate(
        cycles,
        seconds * 1e3,
        PER_CORE / seconds * CORES,
        flops / seconds / 1e12 / chip.peak_tflops,
        compiled.get_compiled_memory_stats().temp_size_in_bytes / 1e6,
        [(cost / cycles, name) for cost, name in sorted(operations, reverse=True)[:SHOWN_OPERATIONS]],
    )


def costs(hlo: str) -> list[tuple[float, str]]:
    """Estimated cycles and TensorFlow name of each operation in a TPU program's text."""
    found = []
    for line in hlo.splitlines():
        cycles = re.search(r'"estimated_cycles":"(\d+)"', line)
        name = re.search(r'op_name="[^"]*?([^"/]+/[^"/]+/[^"/]+)"', line)
        if cycles:
            found.append((float(cycles[1]), name[1] if name else ''))
    return found


def estimate(case: Case, compiler: str, folder: pathlib.Path) -> Estimate:
    """Writes and compiles each step in separate processes, so that their memory is freed."""
    if not (folder / case.program).exists():
        _worker(sys.executable, 'write', case, folder, {'TF_CPP_MIN_LOG_LEVEL': '3'})
    # Keeps the compiler from looking for a TPU or its metadata server, and from taking a TPU's lock.
    alone = {'TPU_SKIP_MDS_QUERY': '1', 'JAX_PLATFORMS': 'cpu', 'ALLOW_MULTIPLE_LIBTPU_LOAD': '1'}
    return Estimate(**json.loads(_worker(compiler, 'compile', case, folder, alone).splitlines()[-1]))


def _worker(python: str, role: str, case: Case, folder: pathlib.Path, environment: dict[str, str]) -> str:
    command = [python, '-m', 'tests.benchmarks.tpu_compile', '--worker', role, '--folder', str(folder)]
    command += ['--case', json.dumps(dataclasses.asdict(case))]
    ended = subprocess.run(command, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True)
    if ended.returncode:
        raise SystemExit(f'{" ".join(command)} ended with {ended.returncode}:\n{ended.stderr[-2000:]}')
    return ended.stdout


def table(estimates: dict[Case, Estimate]) -> str:
    """The estimates in Markdown, beside the time of the plain form if that was compiled too."""
    lines = [
        '| TPU | size | arithmetic | ms a step | plain form | images/s, 8 cores | MXU use | temporary memory |',
        '|---|---|---|---|---|---|---|---|',
    ]
    for case, found in estimates.items():
        if case.form == 'plain' or case.recipe != 'article':
            continue
        plain = estimates.get(dataclasses.replace(case, form='plain'))
        beside = f'{plain.ms:.1f}' if plain else ''
        lines.append(
            f'| {case.chip} | {case.size} px | {case.dtype} | {found.ms:.1f} | {beside} | {found.images_per_s:,.0f} '
            f'| {found.mxu:.0%} | {found.temporary_mb:.0f} MB |'
        )
    return '\n'.join(lines)


def recipe_table(estimates: dict[Case, Estimate]) -> str:
    """What the options of other recipes add to the article's, in Markdown."""
    lines = ["| TPU | size | arithmetic | recipe | ms a step | over the article's |", '|---|---|---|---|---|---|']
    for case, found in estimates.items():
        base = estimates.get(dataclasses.replace(case, recipe='article'))
        if case.recipe != 'article' and base:
            lines.append(
                f'| {case.chip} | {case.size} px | {case.dtype} | {case.recipe} | {found.ms:.1f} '
                f'| {found.ms / base.ms - 1:+.1%} |'
            )
    return '\n'.join(lines)


def page(estimates: dict[Case, Estimate]) -> str:
    """The whole of docs/tpu_compile.md."""
    parts = [
        '# The TPU compiler on the training step',
        "Compiler's estimate, without infeed and all-reduce: no TPU was used. One core's step of 128 images, base 64, "
        'compiled by libtpu 0.0.17 (see `tests/benchmarks/tpu_compile.py`, which writes this page: `make bench-tpu`). '
        f'For information only: {", ".join(INFORMATION_ONLY)}.',
        table(estimates),
        '## What the options cost',
        "Each added to the article's recipe, but `default`, the whole default recipe below 1,000 images.",
        recipe_table(estimates),
        '## The costliest operations',
    ]
    for case, found in estimates.items():
        if case.form == 'folded' and case.recipe == 'article':
            rows = [f'| {share:.1%} | `{name}` |' for share, name in found.operations]
            title = f'### {case.chip}, {case.size} px, {case.dtype}: {found.cycles / 1e6:.2f} M cycles'
            parts += [title, '\n'.join(['| cycles | operation |', '|---|---|', *rows])]
    return '\n\n'.join(parts) + '\n'


def write_table(estimates: dict[Case, Estimate]) -> None:
    """Puts the table of the TPUs that the trainer is meant for between its two marks in docs/tpu.md."""
    shown = {case: found for case, found in estimates.items() if case.chip not in INFORMATION_ONLY}
    path = ROOT / 'docs' / 'tpu.md'
    block = f'<!-- tpu_compile -->\n{table(shown)}\n<!-- /tpu_compile -->'
    path.write_text(re.sub(r'<!-- tpu_compile -->.*?<!-- /tpu_compile -->', block, path.read_text(), flags=re.DOTALL))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--compiler', default='.venv-tpu/bin/python', help='a Python that has jax[tpu]')
    parser.add_argument('--chips', nargs='+', choices=list(CHIPS), default=list(CHIPS))
    parser.add_argument('--sizes', type=int, nargs='+', default=[32, 64, 128])
    parser.add_argument('--dtypes', nargs='+', default=['float32', 'bfloat16'])
    parser.add_argument('--forms', nargs='+', choices=['plain', 'folded'], default=['plain', 'folded'])
    parser.add_argument('--recipes', nargs='+', choices=list(RECIPES), default=list(RECIPES))
    parser.add_argument('--write', action='store_true', help='write the tables of docs')
    parser.add_argument('--worker', choices=['write', 'compile'], help=argparse.SUPPRESS)
    parser.add_argument('--case', help=argparse.SUPPRESS)
    parser.add_argument('--folder', type=pathlib.Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        case = Case(**json.loads(args.case))
        if args.worker == 'write':
            write_program(case, args.folder)
        else:
            print(json.dumps(dataclasses.asdict(compile_program(case, args.folder))))
        return
    estimates = {}
    with tempfile.TemporaryDirectory() as folder:
        for case in (Case(*key) for key in cases(args)):
            found = estimates[case] = estimate(case, args.compiler, pathlib.Path(folder))
            print(
                f'{case.chip:3s} {case.size:4d} px {case.dtype:8s} {case.form:6s} {case.recipe:11s} '
                f'{found.cycles / 1e6:7.2f} M cycles {found.ms:6.1f} ms  '
                f'{found.images_per_s:8,.0f} images/s on 8 cores  MXU {found.mxu:4.0%}  '
                f'{found.temporary_mb:5.0f} MB',
                flush=True,
            )
    if args.write:
        PAGE.write_text(page(estimates))
        write_table(estimates)


def cases(args: argparse.Namespace) -> list[tuple[str, int, str, str, str]]:
    """Every requested case: the plain form only for the TPUs that matter, and other recipes only for one of them."""
    return [
        (chip, size, dtype, form, recipe)
        for chip in args.chips
        for size in args.sizes
        for dtype in args.dtypes
        for form in args.forms
        for recipe in args.recipes
        if form == 'folded' or chip not in INFORMATION_ONLY
        if recipe == 'article' or (chip, dtype, form) == ('v3', 'bfloat16', 'folded')
    ]


if __name__ == '__main__':
    main()
