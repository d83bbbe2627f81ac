"""How far training on a PJRT device and by Estimator grow apart, beside runs of Estimator that differ by rounding only.

  python -m tests.benchmarks.pjrt_drift --steps 1 5 20 50 200        after make dev, with Python 3.10 or 3.11

All runs begin with the same weights and see the same images and noise. A difference of rounding grows: Adam normalises
the gradients of biases in front of batch norm, which are nothing but rounding noise. So the control says how much of
the growth is training's own: one run has another number of threads, which changes nothing in networks this small, and
one begins with the last bit of each kernel changed. Differences are relative (L2), of all kernels: the median and the
worst.
"""

from __future__ import annotations

import argparse
import os
import tempfile

import numpy as np
import pytest
import tensorflow as tf
import tensorflow.compat.v1 as v1
from tensorflow.compiler.tf2xla.python import xla

from tests.conftest import tiny_hparams
from tests.dcgan.test_tpu_step import BATCH, cpu_step
from tests.pjrt import test_step
from trainer.dcgan import model_fn, noise
from trainer.machine.preparation import Machine
from trainer.options import RunOptions
from trainer.pjrt import lowering
from trainer.pjrt.device import Device
from trainer.run.estimator import make_estimator


def by_estimator(steps: list[int], threads: int = 1, flip: bool = False) -> dict[int, dict[str, np.ndarray]]:
    """Kernels after each number of steps, from Estimator's own graph; `flip` changes the last bit of the first ones."""
    hparams, kept = tiny_hparams(**test_step.HPARAMS), {}
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default():
        config = make_estimator(hparams, RunOptions(model_dir=folder), Machine(), BATCH).config
        params = {'hparams': hparams, 'batch_size': BATCH, 'use_tpu': False, 'writer': {'logdir': folder}}
        v1.set_random_seed(0)
        v1.train.create_global_step()
        features = test_step.batch(hparams, BATCH)
        train_op = model_fn.model_fn(features, None, 'train', params, config).train_op
        kernels = {v.op.name: v for v in v1.trainable_variables() if v.op.name.endswith('/kernel')}
        session_config = v1.ConfigProto(intra_op_parallelism_threads=threads, inter_op_parallelism_threads=threads)
        with v1.Session(config=session_config) as session:
            session.run(v1.global_variables_initializer())
            for kernel in kernels.values() if flip else ():
                kernel.load(np.nextafter(session.run(kernel), np.float32(1)), session)
            for step in range(1, max(steps) + 1):
                session.run(train_op)
                if step in steps:
                    kept[step] = session.run(kernels)
    return kept


def by_device(steps: list[int], names: set[str]) -> dict[int, dict[str, np.ndarray]]:
    import jax

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(xla, 'replica_id', test_step.replica_id_of_a_variable)
        program = lowering.lower(tiny_hparams(train_batch_size=BATCH, **test_step.HPARAMS), 1)
    device = Device(program, jax.devices()[:1], max(steps))
    with tempfile.TemporaryDirectory() as folder:
        begin, _ = cpu_step(tiny_hparams(**test_step.HPARAMS), folder, steps=0)
    device.compile()
    kept = {}
    for count in steps:
        found = test_step.after(device, begin, test_step.pixels(count, BATCH), last_step=count)
        kept[count] = {name: found[name][0] for name in names}
    return kept


def apart(one: dict[str, np.ndarray], other: dict[str, np.ndarray]) -> str:
    found = [np.linalg.norm(one[name] - other[name]) / np.linalg.norm(other[name]) for name in other]
    return f'{np.median(found):.1e} (worst {max(found):.1e})'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--steps', type=int, nargs='+', default=[1, 5, 20, 50, 200])
    steps = sorted(parser.parse_args().steps)
    os.environ['JAX_PLATFORMS'] = 'cpu'
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(noise, 'step_seed', test_step.step_seed)
        patch.setattr(tf.random, 'stateless_normal', test_step.normal)
        one, two, flipped = by_estimator(steps), by_estimator(steps, threads=2), by_estimator(steps, flip=True)
        device = by_device(steps, set(one[steps[0]]))
    for count in steps:
        print(
            f'{count:4d} steps: device and Estimator {apart(device[count], one[count])}; '
            f'Estimator with 2 threads {apart(two[count], one[count])}, with last bits changed '
            f'{apart(flipped[count], one[count])}',
            flush=True,
        )


if __name__ == '__main__':
    main()
