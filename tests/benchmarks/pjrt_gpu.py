"""The step of --runtime=pjrt on an NVIDIA GPU, beside PyTorch, and a run of the article's recipe there.

The GPU's machine needs JAX, PyTorch and this repository, but neither TensorFlow nor a network:

  python -m tests.benchmarks.pjrt_gpu export --data=data/clothes64 --folder=gpu     here: lowers the steps, packs data
  python -m tests.benchmarks.pjrt_gpu run --folder=gpu --out=gpu_out --minutes=12   there: measures, then trains
  python -m tests.benchmarks.pjrt_gpu take --folder=gpu --out=gpu_out --model_dir=runs/gpu      here: makes it a run

Each size, batch and precision is measured in turns with PyTorch's DCGAN example with the same networks, channels_last,
compiled, and with autocast for bfloat16: the median of several turns each. float32 is without TF32, which is its own
case. All times go to results.json as soon as they are there. What is left of the minutes trains the article's networks
at 64 px with batches of 1,024; the variables come back in variables.npz, of which `take` makes a run that
trainer.generate and trainer.evaluate know.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import pathlib
import pickle
import statistics
import subprocess
import sys
import time

import numpy as np

SIZES, BATCHES = (32, 64, 128), (16, 64, 1024)
PRECISIONS = {'float32': 'float32', 'tf32': 'float32', 'bfloat16': 'bfloat16'}  # -> --compute_dtype.
TRAINED = (64, 1024, 'bfloat16')
STEPS, TURNS, TURN_S = 15_000, 5, 0.4


def hparams_of(size: int, batch: int, dtype: str):
    from tests.benchmarks.train_step import PLAIN
    from trainer.dcgan.hparams import HParams

    recipe = {**PLAIN, 'update': 'alternating', 'compute_dtype': dtype, 'train_steps': STEPS}
    return HParams(image_size=size, channels=3, train_batch_size=batch, **recipe)


def export(data: str, folder: pathlib.Path, sizes: list[int], batches: list[int]) -> None:
    """Writes the programs, the variables to begin with, and the images."""
    from trainer.data import image_set
    from trainer.pjrt import lowering

    folder.mkdir(parents=True, exist_ok=True)
    for size, batch, dtype in itertools.product(sizes, batches, sorted(set(PRECISIONS.values()))):
        program = lowering.lower(hparams_of(size, batch, dtype), 1)
        (folder / f'{size}_{batch}_{dtype}.pickle').write_bytes(pickle.dumps(program))
    train, _ = image_set.open_both(data)
    np.savez_compressed(folder / 'images.npz', train.pixels())


def begin(program) -> dict[str, np.ndarray]:
    """Variables as the trainer begins with: by their names, because TensorFlow is not there."""
    random, values = np.random.default_rng(0), {}
    ones = ('/scale', '/moving_variance', '/beta1_power', '/beta2_power')
    for variable in program.variables:
        value = np.full(variable.shape, float(variable.name.endswith(ones)))
        if variable.name.endswith('/kernel'):
            value = random.normal(0, 0.02, variable.shape)
        for power, beta in (('beta1_power', 0.5), ('beta2_power', 0.999)):
            value = value * beta if variable.name.endswith(power) else value
        values[variable.name] = value.astype(variable.dtype)
    return values


def our_step(folder: pathlib.Path, size: int, batch: int, dtype: str):
    """One step on images that are on the device, and a function that waits for all steps."""
    import jax

    from trainer.pjrt.device import Device

    program = pickle.loads((folder / f'{size}_{batch}_{dtype}.pickle').read_bytes())
    device = Device(program, jax.devices()[:1], 20)
    device.load(begin(program))
    device.compile()
    device.begin(sys.maxsize)
    images = np.random.default_rng(0).integers(0, 256, (batch, size, size, 3)).astype(np.uint8)
    return lambda: device.visit(np.array([device.put(images) for _ in range(20)]), 0), 20


def peer_step(size: int, batch: int, precision: str):
    import torch

    from tests.benchmarks.train_step import torch_step

    where = 'cuda' if torch.cuda.is_available() else 'cpu'
    torch.set_float32_matmul_precision('highest' if precision == 'float32' else 'high')
    torch.backends.cudnn.allow_tf32 = precision != 'float32'
    torch.backends.cudnn.benchmark = True
    step = torch_step(size, batch, False, where, precision == 'bfloat16')

    def steps() -> None:
        for _ in range(20):
            step()
        if where == 'cuda':
            torch.cuda.synchronize()

    return steps, 20


def rate(steps, count: int, batch: int) -> float:
    began, done = time.perf_counter(), 0
    while time.perf_counter() - began < TURN_S:
        steps()
        done += count
    return done * batch / (time.perf_counter() - began)


def compare(folder: pathlib.Path, size: int, batch: int, precision: str) -> dict[str, float]:
    """Images/s of both, in turns."""
    contenders = {
        'trainer': our_step(folder, size, batch, PRECISIONS[precision]),
        'pytorch': peer_step(size, batch, precision),
    }
    for steps, _ in contenders.values():  # Compiles, and tunes convolutions.
        steps()
    rates: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(TURNS):
        for name, (steps, count) in contenders.items():
            rates[name].append(rate(steps, count, batch))
    return {name: statistics.median(found) for name, found in rates.items()}


def train(folder: pathlib.Path, out: pathlib.Path, seconds: float) -> None:
    """Trains with the images in a new order each epoch, until the steps or the seconds are over."""
    import jax

    from trainer.pjrt.device import Device

    size, batch, dtype = TRAINED
    program = pickle.loads((folder / f'{size}_{batch}_{dtype}.pickle').read_bytes())
    images = np.load(folder / 'images.npz')['arr_0']
    device, random, ends = Device(program, jax.devices()[:1], 20), np.random.default_rng(1), time.monotonic() + seconds
    device.load(begin(program))
    device.compile()
    device.begin(STEPS)
    order, step = np.array([], np.int64), 0
    while step < STEPS and time.monotonic() < ends:
        numbers = []
        for _ in range(20):
            while len(order) < batch:
                order = np.concatenate([order, random.permutation(len(images))])
            numbers.append(device.put(images[order[:batch]]))
            order = order[batch:]
        taken, *scalars = device.visit(np.array(numbers), step)
        step += int(taken)
        if step % 1000 == 0:
            print(f'step {step}', dict(zip(program.scalars, np.round(scalars, 3).tolist())), flush=True)
    np.savez(out / 'variables.npz', **device.values())


def run(folder: pathlib.Path, out: pathlib.Path, minutes: float) -> None:
    """Each case in a process of its own: TF32 is chosen when CUDA's libraries are loaded."""
    ends = time.monotonic() + 60 * minutes
    out.mkdir(parents=True, exist_ok=True)
    results: dict[str, dict[str, float]] = {}
    names = sorted(folder.glob('*_*_*.pickle'), key=lambda path: [int(n) for n in path.stem.split('_')[:2]])
    for path, precision in itertools.product(names, PRECISIONS):
        size, batch, dtype = path.stem.split('_')
        if PRECISIONS[precision] != dtype or time.monotonic() > ends - 30 * minutes:  # Half is for the run.
            continue
        environment = {**os.environ, 'XLA_PYTHON_CLIENT_PREALLOCATE': 'false'}
        environment |= {'NVIDIA_TF32_OVERRIDE': '0'} if precision == 'float32' else {}
        command = [sys.executable, '-m', 'tests.benchmarks.pjrt_gpu', 'compare', f'--folder={folder}']
        command += [f'--case={size},{batch},{precision}']
        ended = subprocess.run(command, env=environment, capture_output=True, text=True)
        line = ended.stdout.splitlines()[-1] if ended.returncode == 0 else json.dumps({'failed': ended.stderr[-500:]})
        results[f'{size} px, {batch}, {precision}'] = json.loads(line)
        print(f'{size} px, {batch}, {precision}: {line}', flush=True)
        (out / 'results.json').write_text(json.dumps(results, indent=1))
    train(folder, out, ends - time.monotonic())


def take(folder: pathlib.Path, out: pathlib.Path, model_dir: str) -> None:
    """Writes the variables as a checkpoint, with the recipe beside it."""
    import tensorflow.compat.v1 as v1

    from trainer.model_dir import hparams_file

    values = np.load(out / 'variables.npz')
    with v1.Graph().as_default(), v1.Session() as session:
        made = {name: v1.get_variable(name, initializer=values[name]) for name in values.files}
        session.run(v1.global_variables_initializer())
        os.makedirs(model_dir, exist_ok=True)
        saver = v1.train.Saver(made)
        saver.save(session, os.path.join(model_dir, 'model.ckpt'), int(values['global_step']), write_meta_graph=False)
    hparams_file.write(model_dir, hparams_of(*TRAINED))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('role', choices=['export', 'run', 'compare', 'take'])
    parser.add_argument('--folder', type=pathlib.Path, required=True)
    parser.add_argument('--data', help='a data set of 64 px')
    parser.add_argument('--out', type=pathlib.Path)
    parser.add_argument('--minutes', type=float, default=12)
    parser.add_argument('--model_dir')
    parser.add_argument('--sizes', type=int, nargs='+', default=list(SIZES))
    parser.add_argument('--batches', type=int, nargs='+', default=list(BATCHES))
    parser.add_argument('--case', help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.role == 'export':
        export(args.data, args.folder, args.sizes, args.batches)
    elif args.role == 'run':
        run(args.folder, args.out, args.minutes)
    elif args.role == 'take':
        take(args.folder, args.out, args.model_dir)
    else:
        size, batch, precision = args.case.split(',')
        print(json.dumps(compare(args.folder, int(size), int(batch), precision)))


if __name__ == '__main__':
    main()
