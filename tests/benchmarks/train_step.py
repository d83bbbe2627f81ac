"""Images/s of training on this CPU, beside PyTorch with the same networks, batch and optimizer.

  python -m tests.benchmarks.train_step --sizes 32 64 128 --rounds 5
  python -m tests.benchmarks.train_step --contenders estimator default spectral ema color translation

Contenders, each in a separate process that stays warm during the turns of the others:
  estimator        this trainer, through TPUEstimator and its real input pipeline
  bare             the same graph in a plain session, which shows the cost of TPUEstimator itself
  bfloat16         as estimator, with --compute_dtype=bfloat16
  torch_official   PyTorch as its DCGAN example trains: D on real, D on detached fake, then G through D once more
  torch_joint      PyTorch with the joint step of this trainer: one pass of D on the fakes serves both losses
  two_passes       as none, with the gradients of D and G from two separate passes
  default, and the keys of OPTIONS: as estimator, with the defaults or with one more option
  default_batch    as default, in batches of the default size, with as many images a turn

All except `default`, `default_batch` and `two_passes` use the article's recipe, the plain DCGAN, as PyTorch does.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from typing import Callable

import numpy as np

BASE_FILTERS, NOISE_DIM, LEARNING_RATE, BETA1 = 64, 100, 2e-4, 0.5
RECORDS = 1024
PLAIN = {
    'kernel_size': 5, 'generator_norm': 'batch', 'discriminator_norm': 'batch', 'augment': 'none',
    'ema_half_life_kimg': 0.0, 'update': 'joint', 'generator_output': 'deconv', 'augment_target': 0.0,
    'generator_upsampling': 'plain',
}  # fmt: skip
DEFAULT = {'augment': 'translation', 'augment_after_kimg': 1.0}  # As --augment=auto from 1,000 images on.
OPTIONS = {
    'bfloat16': {'compute_dtype': 'bfloat16'},
    'alternating': {'update': 'alternating'},
    'relativistic': {'update': 'alternating', 'loss': 'relativistic'},
    'self_modulated': {'generator_norm': 'self_modulated'},
    'kernel_4': {'kernel_size': 4},
    'refined': {'generator_output': 'refined'},
    'filtered': {'kernel_size': 4, 'generator_upsampling': 'filtered'},
    'features': {'discriminator_input': 'features'},
    'spectral': {'discriminator_norm': 'spectral'},
    'none': {'discriminator_norm': 'none'},
    'stddev': {'minibatch_stddev': True},
    'r1': {'discriminator_norm': 'none', 'r1_gamma': 0.1},
    'ema': {'ema_half_life_kimg': 10.0},
    'color': {'augment': 'color'},
    'translation': {'augment': 'translation'},
    'cutout': {'augment': 'cutout'},
    'flip': {'flip': True},
    'conditional': {'condition': 'labels', 'classes': 10, 'condition_after_kimg': 1.0},
}
Step = Callable[[], None]


def write_records(folder: str, size: int) -> str:
    import tensorflow as tf

    from trainer.data import records

    path = f'{folder}/random.tfrecord'
    pixels = np.random.default_rng(0).integers(0, 256, [RECORDS, size, size, 3], dtype=np.uint8)
    with tf.io.TFRecordWriter(path) as writer:
        for picture in pixels:
            writer.write(records.encode_example(picture, -1, ''))
    return path


def turns(steps: int) -> Iterator[None]:
    """Yields once for each step; after `steps` steps it prints their time, and waits for the next line of input."""
    while True:
        print('ready', flush=True)
        if not sys.stdin.readline():
            return
        began = time.perf_counter()
        for _ in range(steps):
            yield
        print(time.perf_counter() - began, flush=True)


def hparams_of(size: int, batch: int, changes: dict):
    from trainer.dcgan.hparams import HParams

    return HParams(
        **{
            'image_size': size, 'channels': 3, 'base_filters': BASE_FILTERS, 'noise_dim': NOISE_DIM,
            'train_batch_size': batch, 'train_steps': 10**6, 'learning_rate': LEARNING_RATE, 'beta1': BETA1,
            'compute_dtype': 'float32', **changes,
        }
    )  # fmt: skip


def estimator_worker(size: int, batch: int, steps: int, changes: dict) -> None:
    import tensorflow.compat.v1 as v1

    from trainer.data import dataset
    from trainer.dcgan import input_fn
    from trainer.dcgan.reading import Labels
    from trainer.machine.preparation import Machine
    from trainer.options import RunOptions
    from trainer.quiet import quieten_tensorflow
    from trainer.run.estimator import make_estimator

    class TurnHook(v1.train.SessionRunHook):
        """Lets the session take its steps on request."""

        def __init__(self):
            self._turns = turns(steps)

        def before_run(self, _):
            if self._turns and next(self._turns, 'over') == 'over':
                raise SystemExit

    quieten_tensorflow()
    with tempfile.TemporaryDirectory() as folder:
        hparams = hparams_of(size, batch, changes)
        shards = dataset.find(write_records(folder, size), 'train')
        source = dataset.verify(shards, size, 3, 'hwc', 'quick')
        options = RunOptions(model_dir=folder, sample_steps=10**6, save_steps=10**6)
        estimator = make_estimator(hparams, options, Machine(), batch)
        labels = Labels(np.arange(RECORDS, dtype=np.int32) % 10, (RECORDS,), np.ones(11, np.float32))
        batches = input_fn.train_input_fn(source, source.records, 0, False, labels if hparams.classes else None)
        estimator.train(batches, hooks=[TurnHook()], max_steps=hparams.train_steps)


def bare_worker(size: int, batch: int, steps: int) -> None:
    import tensorflow as tf
    import tensorflow.compat.v1 as v1

    from trainer.data import dataset, records
    from trainer.dcgan import input_fn, model_fn
    from trainer.machine.preparation import Machine
    from trainer.options import RunOptions
    from trainer.quiet import quieten_tensorflow
    from trainer.run.estimator import make_estimator

    quieten_tensorflow()
    with tempfile.TemporaryDirectory() as folder, tf.Graph().as_default():
        hparams = hparams_of(size, batch, PLAIN)
        shards = dataset.find(write_records(folder, size), 'train')
        source = dataset.DataSource(tuple(shard.path for shard in shards), RECORDS, records.RecordFormat())
        config = make_estimator(hparams, RunOptions(model_dir=folder), Machine(), batch).config
        params = {'hparams': hparams, 'batch_size': batch, 'use_tpu': False, 'writer': {'logdir': folder}}
        data = input_fn.train_input_fn(source, source.records, 0, cache=False)(params)
        v1.train.create_global_step()
        features = v1.data.make_one_shot_iterator(data).get_next()
        train_op = model_fn.model_fn(features, None, 'train', params, config).train_op
        with v1.Session(config=config.session_config) as session:
            session.run(v1.global_variables_initializer())
            for _ in turns(steps):
                session.run(train_op)


def default_batch_worker(size: int, batch: int, steps: int) -> None:
    from trainer.dcgan.hparams import HParams

    own = HParams.train_batch_size
    estimator_worker(size, own, steps * batch // own, DEFAULT)


def two_passes_worker(size: int, batch: int, steps: int) -> None:
    from trainer.dcgan import networks

    networks.judges_images_alone = lambda _: False
    estimator_worker(size, batch, steps, {**PLAIN, **OPTIONS['none']})


def torch_worker(size: int, batch: int, steps: int, joint: bool) -> None:
    step = torch_step(size, batch, joint)
    for _ in turns(steps):
        step()


def torch_step(size: int, batch: int, joint: bool, device: str = 'cpu', bfloat16: bool = False) -> Step:
    """Builds the same networks in PyTorch, and returns one training step on random images in memory.

    On a GPU they are compiled; with `bfloat16` they compute in it by autocast.
    """
    import torch
    from torch import nn
    from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

    filters = [BASE_FILTERS * 2**i for i in range({32: 3, 64: 4, 128: 5}[size])]
    up, down = [], []
    for outer, inner in reversed(list(zip([3, *filters], filters))):
        up += [nn.ConvTranspose2d(inner, outer, 5, 2, 2, output_padding=1)]
        up += [nn.BatchNorm2d(outer), nn.ReLU(True)] if outer != 3 else [nn.Tanh()]
    for outer, inner in zip([3, *filters], filters):
        down += [nn.Conv2d(outer, inner, 5, 2, 2)]
        down += [nn.BatchNorm2d(inner)] if outer != 3 else []
        down += [nn.LeakyReLU(0.2, True)]
    unflatten = nn.Unflatten(1, (filters[-1], 4, 4))
    first = [nn.Linear(NOISE_DIM, filters[-1] * 16), unflatten, nn.BatchNorm2d(filters[-1]), nn.ReLU(True)]
    generator = nn.Sequential(*first, *up).to(device, memory_format=torch.channels_last)
    discriminator = nn.Sequential(*down, nn.Flatten(), nn.Linear(filters[-1] * 16, 1))
    discriminator = discriminator.to(device, memory_format=torch.channels_last)
    if device != 'cpu':
        generator, discriminator = torch.compile(generator), torch.compile(discriminator)
    autocast = torch.autocast(device, torch.bfloat16, bfloat16)
    g_adam = torch.optim.Adam(generator.parameters(), LEARNING_RATE, (BETA1, 0.999))
    d_adam = torch.optim.Adam(discriminator.parameters(), LEARNING_RATE, (BETA1, 0.999))
    pixels = torch.randint(0, 256, (batch, 3, size, size), device=device).to(torch.uint8)
    ones, zeros = torch.ones(batch, 1, device=device), torch.zeros(batch, 1, device=device)

    def real_and_fake():
        real = (pixels.float() / 127.5 - 1).to(memory_format=torch.channels_last)
        return real, generator(torch.randn(batch, NOISE_DIM, device=device))

    def judged(images, labels):
        with autocast:
            logits = discriminator(images)
        return cross_entropy(logits.float(), labels)

    def official() -> None:
        with autocast:
            real, fake = real_and_fake()
        d_adam.zero_grad()
        judged(real, ones).backward()
        judged(fake.detach(), zeros).backward()
        d_adam.step()
        g_adam.zero_grad()
        judged(fake, ones).backward()
        g_adam.step()

    def both_at_once() -> None:
        real, fake = real_and_fake()
        fake_logits = discriminator(fake)
        d_loss = cross_entropy(discriminator(real), ones) + cross_entropy(fake_logits, zeros)
        d_parameters, g_parameters = list(discriminator.parameters()), list(generator.parameters())
        d_gradients = torch.autograd.grad(d_loss, d_parameters, retain_graph=True)
        g_gradients = torch.autograd.grad(cross_entropy(fake_logits, ones), g_parameters)
        for parameter, gradient in zip(d_parameters + g_parameters, d_gradients + g_gradients):
            parameter.grad = gradient
        d_adam.step()
        g_adam.step()

    return both_at_once if joint else official


WORKERS = {
    'estimator': lambda *args: estimator_worker(*args, changes=PLAIN),
    'bare': bare_worker,
    'torch_official': lambda *args: torch_worker(*args, joint=False),
    'torch_joint': lambda *args: torch_worker(*args, joint=True),
    'default': lambda *args: estimator_worker(*args, changes=DEFAULT),
    'default_batch': default_batch_worker,
    'two_passes': two_passes_worker,
    **{
        name: lambda *args, changes=changes: estimator_worker(*args, changes={**PLAIN, **changes})
        for name, changes in OPTIONS.items()
    },
}
AGAINST_PYTORCH = ('estimator', 'bare', 'bfloat16', 'torch_official', 'torch_joint')


class Contender:
    """A worker process that takes `steps` steps on each request."""

    def __init__(self, name: str, size: int, batch: int, steps: int):
        command = [sys.executable, '-m', 'tests.benchmarks.train_step', '--worker', name]
        command += ['--sizes', str(size), '--batch', str(batch), '--steps', str(steps)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL, text=True)
        self._images = batch * steps
        self._expect_ready()

    def images_per_s(self) -> float:
        self._process.stdin.write('go\n')
        self._process.stdin.flush()
        seconds = float(self._process.stdout.readline())
        self._expect_ready()
        return self._images / seconds

    def close(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _expect_ready(self) -> None:
        line = self._process.stdout.readline()
        if line != 'ready\n':
            raise SystemExit(f'a worker ended early ({line!r}): run it alone with {" ".join(self._process.args)}')


def compare(size: int, batch: int, steps: int, rounds: int, names: list[str]) -> None:
    contenders = {name: Contender(name, size, batch, steps) for name in names}
    try:
        for contender in contenders.values():
            contender.images_per_s()  # Warm-up: memory, oneDNN's choice of kernels.
        speeds = {name: [] for name in names}
        for _ in range(rounds):
            for name, contender in contenders.items():
                speeds[name].append(contender.images_per_s())
    finally:
        for contender in contenders.values():
            contender.close()
    ours = speeds[names[0]]
    for name in names:
        ratios = [mine / other for mine, other in zip(ours, speeds[name])]
        print(
            f'{size:4d} px  {name:15s} {statistics.median(speeds[name]):8.1f} images/s   {names[0]} / this: '
            f'{statistics.median(ratios):.2f} [{min(ratios):.2f} .. {max(ratios):.2f}]',
            flush=True,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--sizes', type=int, nargs='+', default=[32, 64, 128])
    parser.add_argument('--batch', type=int, default=64, help='images a step')
    parser.add_argument('--steps', type=int, default=0, help='steps a turn; 0 takes about two seconds')
    parser.add_argument('--rounds', type=int, default=7, help='turns of each contender')
    parser.add_argument('--contenders', nargs='+', choices=list(WORKERS), default=AGAINST_PYTORCH)
    parser.add_argument('--worker', choices=list(WORKERS), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.worker:
        WORKERS[args.worker](args.sizes[0], args.batch, args.steps)
        return
    for size in args.sizes:
        compare(size, args.batch, args.steps or {32: 10, 64: 3, 128: 1}[size], args.rounds, args.contenders)


if __name__ == '__main__':
    main()
